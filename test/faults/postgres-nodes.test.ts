// Nodes that are killed, and nodes that are paused for longer than their lease: what they held is sent by others, in order, and
// what they say afterwards is not recorded.

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { openPostgresStore } from '../../src/store/postgres.ts';
import type { Store } from '../../src/store/store.ts';
import { type PostgresServer, startPostgres } from '../postgres.ts';
import { checkLog } from '../store/postgres-world.ts';
import { type StoreWorld, storeWorld } from '../store/world.ts';
import { LEASE_MS, nodeOptions } from './postgres-options.ts';
import { type NodeProcess, startNode } from './postgres-process.ts';

let server: PostgresServer;
let database: string;
let count = 0;
beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server?.end());
beforeEach(async () => {
  count += 1;
  database = `nodes_${count}`;
  await server.createDatabase(database);
});

const started: NodeProcess[] = [];
afterEach(async () => {
  await Promise.all(started.splice(0).map((node) => node.kill()));
});

const worldOver = (url: () => string): StoreWorld =>
  storeWorld(async ({ file: _file, minFreeBytes: _free, ...options }) =>
    openPostgresStore({ ...options, ...nodeOptions(url(), `node ${count}`) }),
  );

/** Jobs with more than one final outcome. */
const twiceRecorded = (): Promise<readonly Record<string, unknown>[]> =>
  server.run(
    database,
    `SELECT event_seq, e.destination, count(*)::int AS n FROM log_entry e JOIN dictionary d ON d.id = e.outcome
     WHERE e.kind = 2 AND d.text = 'accepted' GROUP BY 1, 2, e.decision_chain HAVING count(*) > 1`,
  );

describe('nodes that are killed', () => {
  const ROUNDS = 40;

  test(`three of them, ${ROUNDS} times: what was acknowledged is sent, in order, and no outcome is recorded twice`, {
    timeout: 180_000,
  }, async () => {
    const url = server.urlOf(database);
    const nodes: NodeProcess[] = [];
    const start = async () => {
      const node = await startNode(url, `n${started.length}`, 'accept');
      started.push(node);
      return node;
    };
    for (let i = 0; i < 3; i += 1) nodes.push(await start());
    for (let round = 0; round < ROUNDS; round += 1) {
      const victim = nodes.splice(round % nodes.length, 1)[0];
      await victim?.saw(/^(sending|accepted)/);
      await victim?.kill();
      nodes.push(await start());
    }
    await Promise.all(nodes.map((node) => node.kill()));
    const world = worldOver(() => url);
    try {
      const store = await world.open();
      await drain(world, store, 30_000);
      const acked = started.flatMap(({ lines }) =>
        lines.filter((line) => line.startsWith('accepted ')).map((line) => line.slice(9)),
      );
      const decided = await server.run(database, 'SELECT DISTINCT event_id FROM log_entry WHERE kind = 1');
      const known = new Set(decided.map((row) => row['event_id']));
      expect(acked.length).toBeGreaterThan(ROUNDS);
      expect(acked.filter((id) => !known.has(id))).toEqual([]);
      expect(await twiceRecorded()).toEqual([]);
      expect(await checkLog(url)).toMatchObject({ open: 0, findings: [] });
    } finally {
      await world.end();
    }
  });
});

describe('a node that is paused for longer than its lease', () => {
  test('another sends what it left; what it says afterwards is not recorded', { timeout: 60_000 }, async () => {
    const world = worldOver(() => server.urlOf(database));
    const node = await startNode(server.urlOf(database), 'paused');
    started.push(node);
    try {
      const store = await world.open();
      const events = Array.from({ length: 40 }, (_, i) => world.candidate({ event: `e${i}`, visitor: `v${i}` }));
      await store.accept(events);
      await node.saw(/sending/);
      node.child.kill('SIGSTOP');
      await new Promise((resolve) => setTimeout(resolve, LEASE_MS));
      const sent = await drain(world, store, 10_000);
      expect(sent).toBeGreaterThan(0);
      node.child.kill('SIGCONT');
      await node.saw(/ended/);
      expect(await twiceRecorded()).toEqual([]);
      expect(await checkLog(server.urlOf(database))).toMatchObject({ open: 0, findings: [] });
    } finally {
      await world.end();
    }
  });
});

async function drain(world: StoreWorld, store: Store, withinMs: number): Promise<number> {
  const untilMs = Date.now() + withinMs;
  let sent = 0;
  for (;;) {
    for (const destination of ['meta', 'klaviyo']) {
      const claims = (await store.outbox.claim(destination, { jobs: 100, runLength: 1 })).flat();
      const ends = await Promise.all(
        claims.map(async (claim) => {
          const startedSeq = store.outbox.newestSeq();
          const { erased } = await store.outbox.look(claim);
          const unsent = { outcome: 'cancelled', startedSeq: null } as const;
          await store.outbox.settle(world.settlement(claim, erased ? unsent : { startedSeq }));
          return erased;
        }),
      );
      sent += ends.filter((erased) => !erased).length;
    }
    const [left] = await server.run(database, 'SELECT count(*)::int AS n FROM job');
    if (left?.['n'] === 0) return sent;
    if (Date.now() > untilMs) throw new Error(`${String(left?.['n'])} jobs are left`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
