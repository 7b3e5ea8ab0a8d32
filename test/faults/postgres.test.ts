// What a database does to those who rely on it: it restarts, loses connections in the middle of a commit, has none left. Nothing
// that was acknowledged is lost, nothing is counted twice.

import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Problem } from '../../src/core/errors.ts';
import type { Accepted } from '../../src/core/ports.ts';
import { openPostgresStore } from '../../src/store/postgres.ts';
import type { Store } from '../../src/store/store.ts';
import { type PostgresServer, startPostgres } from '../postgres.ts';
import { checkLog } from '../store/postgres-world.ts';
import { type StoreWorld, storeWorld } from '../store/world.ts';
import { nodeOptions } from './postgres-options.ts';
import { startWire, type Wire } from './postgres-wire.ts';

const MAX_CONNECTIONS = 20;

let server: PostgresServer;
let database: string;
let count = 0;
beforeAll(async () => {
  server = await startPostgres({ max_connections: String(MAX_CONNECTIONS) });
});
afterAll(() => server?.end());

const worldOver = (url: () => string): StoreWorld =>
  storeWorld(async ({ file: _file, minFreeBytes: _free, ...options }) =>
    openPostgresStore({ ...options, ...nodeOptions(url(), `node ${count}`) }),
  );

beforeEach(async () => {
  count += 1;
  database = `faults_${count}`;
  await server.createDatabase(database);
});

/** Sends again until it is acknowledged, as the storefront does. */
async function acknowledged(world: StoreWorld, store: Store, event: string): Promise<Accepted | undefined> {
  const candidate = world.candidate({ event, visitor: event });
  for (let attempt = 0; attempt < 200; attempt += 1) {
    try {
      const [accepted] = await store.accept([candidate]);
      return accepted;
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  throw new Error('never acknowledged');
}

const permits = (): Promise<readonly Record<string, unknown>[]> =>
  server.run(
    database,
    `SELECT event_id, count(*)::int AS n FROM log_entry e JOIN dictionary d ON d.id = e.verdict
     WHERE e.kind = 1 AND d.text = 'permit' GROUP BY event_id HAVING count(*) <> 2`,
  );

describe('a server that fails', () => {
  let world: StoreWorld;
  beforeEach(() => {
    world = worldOver(() => server.urlOf(database));
  });
  afterEach(async () => {
    expect(world.broken).toEqual([]);
    await world.end();
  });

  test.each(['fast', 'immediate', 'kill'] as const)(
    'stopped (%s) and started under load: what was acknowledged is there once',
    { timeout: 60_000 },
    async (how) => {
      const store = await world.open();
      let isBack = false;
      let events = 0;
      const client = async () => {
        while (!isBack) {
          events += 1;
          await acknowledged(world, store, `e${events}`);
        }
      };
      const load = Promise.all(Array.from({ length: 4 }, client));
      await expect.poll(() => events, { interval: 5 }).toBeGreaterThan(20);
      await server.stop(how);
      await expect.poll(async () => (await store.health()).ready, { timeout: 10_000 }).toBe(false);
      await server.start();
      await expect.poll(async () => (await store.health()).ready, { timeout: 10_000 }).toBe(true);
      isBack = true;
      await load;
      await expect.poll(async () => (await store.health()).ready, { timeout: 10_000 }).toBe(true);
      const jobs = await server.run(database, 'SELECT count(*)::int AS n FROM job');
      expect(jobs).toEqual([{ n: events * 2 }]);
      expect(await permits()).toEqual([]);
      expect(await checkLog(server.urlOf(database))).toMatchObject({ chains: 1, findings: [] });
    },
  );

  test('an outcome in hand is recorded when the server is back, and its waiter is released once', {
    timeout: 30_000,
  }, async () => {
    const store = await world.open();
    await store.accept([world.candidate({ event: 'e1' })]);
    const [claim] = (await store.outbox.claim('meta', { jobs: 1, runLength: 1 })).flat();
    if (claim === undefined) throw new Error('nothing to claim');
    await store.outbox.look(claim);
    await server.stop('immediate');
    const settled = store.outbox.settle(world.settlement(claim));
    await expect.poll(async () => (await store.health()).ready).toBe(false);
    expect(await store.outbox.claim('klaviyo', { jobs: 1, runLength: 1 })).toEqual([]);
    await server.start();
    await settled;
    await expect
      .poll(async () => (await store.outbox.claim('klaviyo', { jobs: 1, runLength: 1 })).flat(), { timeout: 10_000 })
      .toMatchObject([{ capiStatus: 'sent' }]);
    expect(await checkLog(server.urlOf(database))).toMatchObject({ attempts: 1, findings: [] });
  });

  test('backends that an administrator ends in the middle of the work cost nothing', { timeout: 30_000 }, async () => {
    const store = await world.open();
    for (let round = 0; round < 5; round += 1) {
      const load = Promise.all(Array.from({ length: 20 }, (_, i) => acknowledged(world, store, `e${round} ${i}`)));
      await server.run(
        'postgres',
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'sluice'`,
      );
      await load;
    }
    expect(await permits()).toEqual([]);
    expect(await checkLog(server.urlOf(database))).toMatchObject({ decisions: 200, findings: [] });
  });

  test('without a connection left it refuses in plain words, and goes on when there is one', {
    timeout: 30_000,
  }, async () => {
    const store = await world.open();
    const hogs = await takeAllConnections();
    const other = worldOver(() => server.urlOf(database));
    await expect(other.open()).rejects.toThrow(/no connection left/);
    await other.end();
    // Ours are lost, and there is no room to come back.
    await hogs[0]?.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'sluice'`);
    const more = await takeAllConnections();
    await expect(store.accept([world.candidate({ event: 'e1' })])).rejects.toMatchObject({ code: 'unavailable' });
    expect(await store.health()).toMatchObject({ ready: false });
    await Promise.all([...hogs, ...more].map((client) => client.end()));
    expect(await acknowledged(world, store, 'e1')).toMatchObject({ duplicate: false });
  });
});

async function takeAllConnections(): Promise<pg.Client[]> {
  const taken: pg.Client[] = [];
  for (;;) {
    const client = new pg.Client({ connectionString: server.urlOf('postgres') });
    client.on('error', () => undefined);
    try {
      await client.connect();
      taken.push(client);
    } catch {
      return taken;
    }
  }
}

describe('a network that fails in the middle of a commit', () => {
  let world: StoreWorld;
  let wire: Wire;
  beforeEach(async () => {
    wire = await startWire(server.port);
    world = worldOver(() => `postgres://postgres@127.0.0.1:${wire.port}/${database}`);
  });
  afterEach(async () => {
    expect(world.broken).toEqual([]);
    await world.end();
    await wire.end();
  });

  test('the chain itself says whether the batch is in the log: it is acknowledged, and written once', async () => {
    const store = await world.open();
    const cut = wire.cutAtCommit();
    const accepted = store.accept([world.candidate({ event: 'e1' })]);
    await cut;
    expect(await accepted).toMatchObject([{ duplicate: false }]);
    expect(await checkLog(server.urlOf(database))).toMatchObject({ decisions: 2, findings: [] });
  });

  test('where nobody can be asked the client is refused, and its next try is known as a duplicate', async () => {
    const store = await world.open();
    const cut = wire.cutAtCommit();
    const accepted = store.accept([world.candidate({ event: 'e1' })]);
    accepted.catch(() => undefined);
    await cut;
    wire.cutAll();
    await expect(accepted).rejects.toMatchObject({ code: 'unavailable' });
    wire.restore();
    expect(await acknowledged(world, store, 'e1')).toMatchObject({});
    const jobs = await server.run(database, 'SELECT count(*)::int AS n FROM job');
    expect(jobs).toEqual([{ n: 2 }]);
    expect(await permits()).toEqual([]);
    expect(await checkLog(server.urlOf(database))).toMatchObject({ findings: [] });
  });

  test('many cuts under load: every event once', { timeout: 60_000 }, async () => {
    const store = await world.open();
    for (let round = 0; round < 10; round += 1) {
      const cut = wire.cutAtCommit();
      const load = Promise.all(Array.from({ length: 10 }, (_, i) => acknowledged(world, store, `e${round} ${i}`)));
      await cut;
      await load;
    }
    expect(await permits()).toEqual([]);
    expect(await checkLog(server.urlOf(database))).toMatchObject({ findings: [] });
    const jobs = await server.run(database, 'SELECT count(*)::int AS n FROM job');
    expect(jobs).toEqual([{ n: 200 }]);
  });
});
