// The store on SQLite: the contract of every store, and what only this one has (its lock, its files, its triggers).

import { readdirSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { deriveKeys } from '../../src/core/identity.ts';
import { openSqliteStore } from '../../src/store/sqlite.ts';
import { describeStore } from './contract.ts';
import { type StoreWorld, storeWorld } from './world.ts';

describeStore('SQLite', openSqliteStore);

describe('SQLite: its files', () => {
  let world: StoreWorld;
  beforeEach(() => {
    world = storeWorld(openSqliteStore);
  });
  afterEach(() => world.end());

  test('a second opener of the same file is refused and told by whom', async () => {
    await world.open();
    await expect(openSqliteStore({ ...(await optionsOf(world)) })).rejects.toThrow(
      new RegExp(`another Sluice is running .*pid ${process.pid}`),
    );
  });

  test.each(['log_entry', 'log_batch', 'dictionary', 'policy'])(
    'no row of %s can be changed or deleted',
    async (table) => {
      const store = await world.open();
      await store.accept([world.candidate({ event: 'e1' })]);
      await world.close();
      const db = new Database(world.file);
      const column = db.pragma(`table_info(${table})`) as { name: string }[];
      expect(() => db.exec(`UPDATE ${table} SET ${column[1]?.name} = ${column[1]?.name}`)).toThrow('append-only');
      expect(() => db.exec(`DELETE FROM ${table}`)).toThrow('append-only');
      db.close();
    },
  );

  test('no file can be read by others', async () => {
    const store = await world.open();
    await store.accept([world.candidate({ event: 'e1' })]);
    const files = readdirSync(dirname(world.file)).filter(
      (name) => name.startsWith('sluice') && !name.endsWith('.lock'),
    );
    expect(files.length).toBeGreaterThanOrEqual(4);
    for (const name of files) expect(statSync(join(dirname(world.file), name)).mode & 0o077, name).toBe(0);
  });

  test('duplicates are known although the look-up file is gone, damaged, or of another log', async () => {
    const store = await world.open();
    await store.accept([world.candidate({ event: 'e1' })]);
    await world.close();
    writeFileSync(
      world.file.replace('.db', '-lookup.db'),
      'no database at all, and long enough to be read as a header '.repeat(40),
    );
    const reopened = await world.open();
    expect(await reopened.accept([world.candidate({ event: 'e1' })])).toMatchObject([{ duplicate: true }]);
  });

  test.each([
    ['an empty file', Buffer.alloc(0), /is empty/],
    ['zeros', Buffer.alloc(8192), /not a database|damaged|something else/],
    ['text', Buffer.from('These are not the pages you are looking for. '.repeat(200)), /not a database/],
  ])('%s is refused and left as it is', async (_name, content, sentence) => {
    writeFileSync(world.file, content);
    await expect(world.open()).rejects.toThrow(sentence);
  });

  test('a database of a newer version is refused', async () => {
    await world.open();
    await world.close();
    const db = new Database(world.file);
    db.prepare('INSERT INTO kysely_migration (name, timestamp) VALUES (?, ?)').run(
      '9999-from-the-future',
      '2030-01-01',
    );
    db.close();
    await expect(world.open()).rejects.toThrow(/newer Sluice/);
  });

  test('a key file of another installation is refused', async () => {
    await world.open();
    await world.close();
    const keys = deriveKeys(Buffer.alloc(32, 7));
    await expect(world.open({ keys })).rejects.toThrow(/key file is not the one/);
  });

  test('a database of another program is refused', async () => {
    const db = new Database(world.file);
    db.exec('CREATE TABLE customers (id INTEGER)');
    db.close();
    await expect(world.open()).rejects.toThrow(/something else than Sluice/);
  });
});

async function optionsOf(world: StoreWorld): Promise<Parameters<typeof openSqliteStore>[0]> {
  return new Promise((resolve) => {
    void storeWorld(async (options) => {
      resolve({ ...options, file: world.file });
      throw new Error('only the options are wanted');
    })
      .open()
      .catch(() => undefined);
  });
}
