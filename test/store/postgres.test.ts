// The store on PostgreSQL: the contract of every store, and what only this one has: several nodes, chains, leases, roles.

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { deriveKeys } from '../../src/core/identity.ts';
import type { Claim } from '../../src/core/ports.ts';
import type { SiteRules } from '../../src/store/sqlite/context.ts';
import type { Store } from '../../src/store/store.ts';
import { type PostgresServer, startPostgres } from '../postgres.ts';
import { describeStore } from './contract.ts';
import { checkLog, postgresOpener } from './postgres-world.ts';
import { granted, refused, type StoreWorld, storeWorld } from './world.ts';

let server: PostgresServer;
beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server?.end());

describeStore('PostgreSQL', postgresOpener(() => server).open);

describe('PostgreSQL: several nodes', () => {
  const nodes = postgresOpener(() => server, { leaseMs: 1500, tickMs: 100 });
  let world: StoreWorld;
  let first: Store;
  beforeEach(async () => {
    world = storeWorld(nodes.open);
    first = await world.open();
  });
  afterEach(async () => {
    await nodes.closeOthers();
    expect(world.broken).toEqual([]);
    await world.end();
  });

  const claimAll = async (store: Store, destination = 'meta'): Promise<readonly Claim[]> =>
    (await store.outbox.claim(destination, { jobs: 500, runLength: 1 })).flat();
  const visits = (count: number) =>
    Array.from({ length: count }, (_, i) => world.candidate({ event: `e${i}`, visitor: `v${i}` }));

  test('each writes a chain of its own, and all of them are whole', async () => {
    const second = await nodes.another();
    await Promise.all(
      [first, second].map((store, i) => store.accept([world.candidate({ event: `e${i}`, visitor: `v${i}` })])),
    );
    const report = await checkLog(await nodes.url());
    expect(report).toMatchObject({ chains: 2, decisions: 4, findings: [] });
  });

  test('a chain that was left is taken up again, where it ended', async () => {
    await first.accept([world.candidate({ event: 'e1' })]);
    const before = first.outbox.newestSeq();
    const again = await world.reopen();
    expect(again.outbox.newestSeq()).toBe(before + 2);
    expect(await checkLog(await nodes.url())).toMatchObject({ chains: 1, findings: [] });
  });

  test('the same id at two nodes at one moment is accepted once', async () => {
    const second = await nodes.another();
    for (let round = 0; round < 10; round += 1) {
      const events = Array.from({ length: 20 }, (_, i) => `e${round} ${i}`);
      const send = (store: Store, ids: readonly string[]) =>
        Promise.all(ids.map((event) => store.accept([world.candidate({ event, visitor: event })])));
      const [a, b] = await Promise.all([send(first, events), send(second, [...events].reverse())]);
      const duplicates = [...a, ...b].flat().filter(({ duplicate }) => duplicate).length;
      expect(duplicates).toBe(20);
    }
    const jobs = await server.run(await nodes.database(), 'SELECT count(*)::int AS n FROM job');
    expect(jobs).toEqual([{ n: 400 }]);
  });

  test('the partitions are shared, and no job is claimed twice', async () => {
    const second = await nodes.another();
    await first.accept(visits(100));
    await expect.poll(() => sharesOf(nodes)).toEqual([32, 32]);
    const ids = [...(await claimAll(first)), ...(await claimAll(second))].map(({ jobId }) => jobId);
    expect([ids.length, new Set(ids).size]).toEqual([100, 100]);
  });

  test('a node that only collects leases nothing, and its events are sent by another', async () => {
    const collector = await nodes.another({ role: 'collect' });
    await collector.accept(visits(5));
    expect(await claimAll(collector)).toEqual([]);
    const claims = await claimAll(first);
    expect(claims).toHaveLength(5);
    for (const claim of claims) {
      await first.outbox.look(claim);
      await first.outbox.settle(world.settlement(claim));
    }
    for (const claim of await claimAll(first, 'klaviyo')) {
      expect((await first.outbox.look(claim)).erased).toBe(false);
      await first.outbox.settle(world.settlement(claim));
    }
    expect(await checkLog(await nodes.url())).toMatchObject({ attempts: 10, open: 0, findings: [] });
  });

  test('what one node queues wakes the others', async () => {
    const collector = await nodes.another({ role: 'collect' });
    const woken = new Promise<void>((resolve) => {
      first.onCommit((events) => events === 0 && resolve());
    });
    await collector.accept(visits(1));
    await woken;
    expect(await claimAll(first)).toHaveLength(1);
  });

  test('a withdrawal at one node cancels what waits, and stops the next send at another', async () => {
    const collector = await nodes.another({ role: 'collect' });
    await collector.accept([world.candidate({ event: 'e1', visitor: 'anna' })]);
    const [claim] = await claimAll(first);
    if (claim === undefined) throw new Error('nothing to claim');
    expect(await first.outbox.look(claim)).toEqual({ withdrawnMs: null, erased: false });
    const changed = await collector.changeConsent(world.consentChange(['anna'], refused(world.now())));
    // What is under way at Meta may end; what waits for it may not begin.
    expect(changed.cancelled).toBe(1);
    expect((await first.outbox.look(claim)).withdrawnMs).toBe(world.now());
    await first.outbox.settle(world.settlement(claim));
    expect(await checkLog(await nodes.url())).toMatchObject({ open: 0, findings: [] });
  });

  test('what another node cancelled between claim and look is neither sent nor recorded', async () => {
    const collector = await nodes.another({ role: 'collect' });
    await collector.accept([world.candidate({ event: 'e1', visitor: 'anna' })]);
    const [claim] = await claimAll(first);
    if (claim === undefined) throw new Error('nothing to claim');
    expect(await collector.changeConsent(world.consentChange(['anna'], refused(world.now())))).toMatchObject({
      cancelled: 2,
    });
    expect((await first.outbox.look(claim)).erased).toBe(true);
    const before = first.outbox.newestSeq();
    await first.outbox.settle(world.settlement(claim, { outcome: 'cancelled', startedSeq: null }));
    expect(first.outbox.newestSeq()).toBe(before);
  });

  test('a node whose partitions went to another can record nothing', async () => {
    await first.accept(visits(3));
    const claims = await claimAll(first);
    for (const claim of claims) await first.outbox.look(claim);
    // As if another had taken over while this one was paused.
    await server.run(await nodes.database(), `UPDATE partition_lease SET holder = 'another', token = token + 1`);
    const before = first.outbox.newestSeq();
    for (const claim of claims) await first.outbox.settle(world.settlement(claim));
    expect(first.outbox.newestSeq()).toBe(before);
    const jobs = await server.run(await nodes.database(), 'SELECT DISTINCT state FROM job WHERE id % 8 = 0');
    expect(jobs).toEqual([{ state: 0 }]);
  });

  test('the lanes of a node that died are sent by another within its lease', async () => {
    await first.accept(visits(20));
    await server.run(
      await nodes.database(),
      `UPDATE partition_lease SET holder = 'dead', until = now() + interval '1 second'`,
    );
    const claims: Claim[] = [];
    await expect
      .poll(async () => claims.push(...(await claimAll(first))), { timeout: 5000 })
      .toBeGreaterThanOrEqual(20);
  });

  test('one person keeps one event under way, whichever nodes accepted them', async () => {
    const collector = await nodes.another({ role: 'collect' });
    for (let i = 0; i < 3; i += 1) {
      await collector.accept([world.candidate({ event: `c${i}` })]);
      world.pass(1);
      await first.accept([world.candidate({ event: `f${i}` })]);
      world.pass(1);
    }
    const sent: string[] = [];
    for (let i = 0; i < 6; i += 1) {
      const claims = await claimAll(first);
      expect(claims).toHaveLength(1);
      for (const claim of claims) {
        sent.push(`${claim.acceptedMs - claim.timeMs} ${claim.acceptedMs}`);
        await first.outbox.settle(world.settlement(claim));
      }
    }
    expect(sent).toEqual([...sent].sort());
  });

  test('a mark that nothing stands before is found and lifted', async () => {
    await first.accept([world.candidate({ event: 'e1' })]);
    await server.run(await nodes.database(), 'UPDATE job SET behind = true');
    await expect.poll(() => claimAll(first), { timeout: 5000 }).toHaveLength(1);
  });

  test('a node with other policies is refused while others run', async () => {
    const sites = new Map<string, SiteRules>();
    await expect(nodes.another({ sites })).rejects.toThrow(/other policies/);
  });

  test('a node with another key file is refused', async () => {
    await expect(nodes.another({ keys: deriveKeys(Buffer.alloc(32, 7)) })).rejects.toThrow(/key file is not the one/);
  });

  test('a database of a newer version is refused', async () => {
    const database = await nodes.database();
    await server.run(
      database,
      `INSERT INTO kysely_migration (name, timestamp) VALUES ('9999-from-the-future', '2030-01-01')`,
    );
    await expect(nodes.another()).rejects.toThrow(/newer Sluice/);
  });

  test('a grant whose consent is later than a withdrawal at another node counts', async () => {
    const second = await nodes.another({ role: 'collect' });
    await first.changeConsent(world.consentChange(['anna'], refused(world.now())));
    world.pass(120_000);
    const [accepted] = await second.accept([world.candidate({ event: 'e1', consent: granted(world.now()) })]);
    expect(accepted?.verdicts.map(({ verdict }) => verdict)).toEqual(['permit', 'permit']);
  });
});

async function sharesOf(nodes: ReturnType<typeof postgresOpener>): Promise<readonly number[]> {
  const rows = await server.run(
    await nodes.database(),
    'SELECT count(*)::int AS n FROM partition_lease WHERE until > now() GROUP BY holder ORDER BY n',
  );
  return rows.map(({ n }) => Number(n));
}

describe('PostgreSQL: its tables', () => {
  const nodes = postgresOpener(() => server);
  let world: StoreWorld;
  beforeEach(async () => {
    world = storeWorld(nodes.open);
    const store = await world.open();
    await store.accept([world.candidate({ event: 'e1' })]);
  });
  afterEach(() => world.end());

  test.each(['chain', 'dictionary', 'log_entry', 'log_batch', 'policy'])(
    'no row of %s can be changed or deleted, by its owner either',
    async (table) => {
      const database = await nodes.database();
      const [column] = await server.run(
        database,
        `SELECT column_name AS name FROM information_schema.columns WHERE table_name = '${table}' ORDER BY ordinal_position DESC LIMIT 1`,
      );
      const change = `UPDATE ${table} SET ${String(column?.['name'])} = ${String(column?.['name'])}`;
      if (table !== 'dictionary') await expect(server.run(database, change)).rejects.toThrow('append-only');
      await expect(server.run(database, `DELETE FROM ${table}`)).rejects.toThrow('append-only');
      await expect(server.run(database, `TRUNCATE ${table} CASCADE`)).rejects.toThrow('append-only');
      await expect(server.run(database, `SET ROLE sluice_app; DELETE FROM ${table}`)).rejects.toThrow(
        'permission denied',
      );
    },
  );

  test('a running server uses the rights of the application alone', async () => {
    const database = await nodes.database();
    const active = await server.run(
      database,
      `SELECT count(*)::int AS n FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid WHERE a.application_name = 'sluice'`,
    );
    expect(active).toHaveLength(1);
    await expect(server.run(database, 'SET ROLE sluice_app; DROP TABLE log_entry_other')).rejects.toThrow(
      'must be owner',
    );
    await expect(server.run(database, 'SET ROLE sluice_app; UPDATE log_batch SET hash = hash')).rejects.toThrow(
      'permission denied',
    );
  });

  test('entries lie in the partition of their month, and the next two months stand ready', async () => {
    const rows = await server.run(
      await nodes.database(),
      `SELECT child.relname AS name FROM pg_inherits JOIN pg_class child ON child.oid = inhrelid
       WHERE inhparent = 'log_entry'::regclass ORDER BY 1`,
    );
    expect(rows.map(({ name }) => name)).toEqual([
      'log_entry_202611',
      'log_entry_202612',
      'log_entry_202701',
      'log_entry_other',
    ]);
    const counts = await server.run(await nodes.database(), 'SELECT count(*)::int AS n FROM log_entry_202611');
    expect(counts).toEqual([{ n: 4 }]);
  });

  test('an altered entry is found', async () => {
    const database = await nodes.database();
    await server
      .run(
        database,
        `ALTER TABLE log_entry DISABLE TRIGGER append_only; UPDATE log_entry_202611 SET event_id = 'another' WHERE kind = 1`,
      )
      .catch(() => undefined);
    await server.run(
      database,
      `ALTER TABLE log_entry_202611 DISABLE TRIGGER append_only; UPDATE log_entry_202611 SET event_id = 'another' WHERE kind = 1`,
    );
    const { findings } = await checkLog(await nodes.url());
    expect(findings).toHaveLength(2);
    expect(findings[0]).toMatch(/^entry.changed/);
  });
});

describe('PostgreSQL: what is refused at start', () => {
  const nodes = postgresOpener(() => server);

  test.each([
    ['a database of another program', 'CREATE TABLE customers (id integer)', /something else than Sluice/],
    [
      'commits that do not wait for the disk',
      'ALTER DATABASE "%" SET synchronous_commit = off',
      /synchronous_commit is off/,
    ],
    ['a read-only server', 'ALTER DATABASE "%" SET default_transaction_read_only = on', /read-only/],
  ])('%s', async (_name, statement, sentence) => {
    const world = storeWorld(nodes.open);
    const name = `refused_${Math.abs(hash(statement))}`;
    const url = await server.createDatabase(name);
    await server.run(name, statement.replace('%', name));
    await world.open();
    const connection = { url, statementTimeoutMs: 10_000, lockTimeoutMs: 3000, connectTimeoutMs: 3000 };
    await expect(nodes.another({ connection })).rejects.toThrow(sentence);
    await world.end();
  });

  test('a server that is not there is named, and no password with it', async () => {
    const world = storeWorld(nodes.open);
    await world.open();
    const url = 'postgres://shop:secret@127.0.0.1:1/sluice';
    const connection = { url, statementTimeoutMs: 1000, lockTimeoutMs: 1000, connectTimeoutMs: 1000 };
    const failed = nodes.another({ connection });
    await expect(failed).rejects.toThrow(/cannot be reached \(ECONNREFUSED\)/);
    await expect(failed).rejects.not.toThrow(/secret/);
    await world.end();
  });
});

function hash(text: string): number {
  return [...text].reduce((sum, character) => (sum * 31 + character.charCodeAt(0)) | 0, 7);
}
