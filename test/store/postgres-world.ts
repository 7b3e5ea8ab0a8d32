// Stores of a test on a PostgreSQL server: each world a database of its own, each opening a node.

import { basename, dirname } from 'node:path';
import { checkOrder } from '../../src/pipeline/order.ts';
import { verifyLog } from '../../src/pipeline/verify.ts';
import type { PostgresOptions } from '../../src/store/postgres/context.ts';
import { createLink } from '../../src/store/postgres/link.ts';
import { openPostgresLog } from '../../src/store/postgres/stored-log.ts';
import { openPostgresStore } from '../../src/store/postgres.ts';
import type { StoreOptions } from '../../src/store/sqlite/context.ts';
import type { Store } from '../../src/store/store.ts';
import type { PostgresServer } from '../postgres.ts';

export type NodeChange = Partial<PostgresOptions>;

/** Opens nodes; `options.file` names the world, and so its database. */
export function postgresOpener(server: () => PostgresServer, standing: NodeChange = {}) {
  const databases = new Map<string, Promise<string>>();
  const opened: Store[] = [];
  let nodes = 0;
  let newest: StoreOptions | null = null;

  const urlOf = (file: string): Promise<string> => {
    const known = databases.get(file);
    if (known !== undefined) return known;
    const made = server().createDatabase(basename(dirname(file)));
    databases.set(file, made);
    return made;
  };
  const optionsOf = async (given: StoreOptions, change: NodeChange): Promise<PostgresOptions> => {
    const { file, minFreeBytes: _, ...options } = given;
    nodes += 1;
    const url = await urlOf(file);
    return {
      ...options,
      connection: { url, statementTimeoutMs: 10_000, lockTimeoutMs: 3000, connectTimeoutMs: 3000 },
      role: 'all',
      node: `node-${nodes}`,
      version: 'test',
      readConnections: 2,
      leaseMs: 5000,
      tickMs: 1000,
      ...standing,
      ...change,
    };
  };
  const current = (): StoreOptions => {
    if (newest === null) throw new Error('no store was opened yet');
    return newest;
  };
  return {
    /** For a world: the first node. */
    async open(options: StoreOptions): Promise<Store> {
      newest = options;
      return openPostgresStore(await optionsOf(options, {}));
    },
    /** Another node over the database of the newest world. */
    async another(change: NodeChange = {}): Promise<Store> {
      const store = await openPostgresStore(await optionsOf(current(), change));
      opened.push(store);
      return store;
    },
    url: () => urlOf(current().file),
    database: async () => new URL(await urlOf(current().file)).pathname.slice(1),
    async closeOthers() {
      await Promise.all(opened.splice(0).map((store) => store.close()));
    },
  };
}

export interface LogReport {
  readonly chains: number;
  readonly entries: number;
  readonly decisions: number;
  readonly attempts: number;
  readonly open: number;
  readonly findings: readonly string[];
}

/** Checks every chain of a log, and the order over all of them. */
export async function checkLog(url: string): Promise<LogReport> {
  const link = createLink({ url, statementTimeoutMs: 30_000, lockTimeoutMs: 3000, connectTimeoutMs: 3000 });
  const findings: string[] = [];
  const finding = ({ code, what }: { code: string; what: string }) => void findings.push(`${code}: ${what}`);
  try {
    const log = await openPostgresLog(link);
    let entries = 0;
    for (const chain of log.chains) entries += (await verifyLog(chain, { finding })).entries;
    const order = await checkOrder(log.order, 'meta', { finding });
    const { decisions, attempts, open } = order;
    return { chains: log.chains.length, entries, decisions, attempts, open, findings };
  } finally {
    await link.close();
  }
}
