// What the parts of a PostgreSQL store share: the rules of the configuration, and how the database is to be used.

import type { StoreOptions } from '../sqlite/context.ts';
import type { Chains } from './chain.ts';
import type { ConnectOptions } from './connection.ts';
import type { Dictionary } from './dictionary.ts';
import type { EvidenceStore } from './evidence.ts';

export type NodeRole = 'all' | 'collect' | 'deliver';

export interface PostgresOptions extends Omit<StoreOptions, 'file' | 'minFreeBytes'> {
  readonly connection: ConnectOptions;
  readonly role: NodeRole;
  /** Names this process among the nodes; new at each start. */
  readonly node: string;
  readonly version: string;
  /** Connections for claims and looks; two more write, two more keep leases and answer questions. */
  readonly readConnections: number;
  /** After this long without a sign of life a node's partitions and chain go to others. Milliseconds. */
  readonly leaseMs: number;
  /** How often leases are renewed, and how late a missed notice may make a wake. Milliseconds. */
  readonly tickMs: number;
}

export interface PostgresContext {
  readonly options: PostgresOptions;
  readonly dictionary: Dictionary;
  readonly chains: Chains;
  readonly evidence: EvidenceStore;
  /** The epoch key that subject references of now are made with. */
  readonly epoch: number;
  readonly startedMs: number;
}
