// How the nodes of fault tests use the database: short leases, so that a test need not wait long for one to end.

import type { PostgresOptions } from '../../src/store/postgres/context.ts';

export const LEASE_MS = 1500;

export function nodeOptions(url: string, node: string) {
  return {
    connection: { url, statementTimeoutMs: 5000, lockTimeoutMs: 1000, connectTimeoutMs: 1000 },
    role: 'all',
    node,
    version: 'test',
    readConnections: 2,
    leaseMs: LEASE_MS,
    tickMs: 100,
  } as const satisfies Partial<PostgresOptions>;
}
