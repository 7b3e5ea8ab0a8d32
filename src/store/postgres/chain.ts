// A writer's chain: who holds it, and where it stands. One process writes one chain at a time; one that is left is taken up
// again by the next process that starts, so that there are as many chains as there ever were writers at once.

import { CannotRun } from '../../core/errors.ts';
import { FIRST_PREVIOUS } from '../../core/ledger.ts';
import type { Connection, Row } from './connection.ts';
import type { Link } from './link.ts';
import { CHAIN_STRIDE } from './numbers.ts';

/** Where a chain stands. `evidence` is the next number of evidence of this writer. */
export interface Head {
  readonly chain: number;
  readonly id: string;
  readonly token: number;
  readonly batch: number;
  readonly seq: number;
  readonly hash: Uint8Array;
  readonly evidence: number;
}

export interface Holder {
  readonly node: string;
  readonly leaseMs: number;
  newChainId(): string;
}

/** Chains fit into ten bits of a job's id. */
const MAX_CHAINS = 1024;

const COLUMNS = `w.chain, (SELECT id FROM chain c WHERE c.n = w.chain) AS id, w.token, w.batch, w.seq, w.hash, w.evidence`;
const TAKE = {
  name: 'chain take',
  text: `UPDATE writer w SET token = w.token + 1, holder = $1, until = now() + $2 * interval '1 millisecond'
    WHERE w.chain = (SELECT chain FROM writer WHERE until < now() ORDER BY chain LIMIT 1 FOR UPDATE SKIP LOCKED)
    RETURNING ${COLUMNS}`,
};
const ADD = {
  name: 'chain add',
  text: `WITH added AS (INSERT INTO chain (n, id) SELECT coalesce(max(n), -1) + 1, $1::text FROM chain RETURNING n)
    INSERT INTO writer AS w (chain, token, holder, until, batch, seq, hash, evidence)
    SELECT n, 1, $2::text, now() + $3 * interval '1 millisecond', 0, 0, $4::bytea, n * $5::bigint + 1 FROM added
    RETURNING w.chain, $1::text AS id, w.token, w.batch, w.seq, w.hash, w.evidence`,
};
// Waits for a transaction of ours whose end we never heard, and sees what became of it.
const RESUME = {
  name: 'chain resume',
  text: `UPDATE writer w SET token = w.token + 1, until = now() + $3 * interval '1 millisecond'
    WHERE w.chain = $1 AND w.token = $2 RETURNING ${COLUMNS}`,
};
const BATCH_HASH = { name: 'chain batch', text: 'SELECT hash FROM log_batch WHERE chain = $1 AND batch = $2' };
export const RENEW_CHAIN = {
  name: 'chain renew',
  text: `UPDATE writer SET until = now() + $3 * interval '1 millisecond' WHERE chain = $1 AND token = $2`,
};
export const LEAVE_CHAIN = {
  name: 'chain leave',
  text: 'UPDATE writer SET until = now() WHERE chain = $1 AND token = $2',
};

/**
 * Takes a chain that nobody holds, or begins one.
 * @throws CannotRun when there are too many
 */
export async function takeChain(connection: Connection, holder: Holder): Promise<Head> {
  for (let attempt = 0; attempt < 20; attempt += 1) {
    const [taken] = await connection.query(TAKE, [holder.node, holder.leaseMs]);
    if (taken !== undefined) return toHead(taken);
    const added = await beginChain(connection, holder);
    if (added !== null) return added;
  }
  throw new CannotRun('no chain of the log can be had: other nodes start at the same moment; start again');
}

async function beginChain(connection: Connection, { node, leaseMs, newChainId }: Holder): Promise<Head | null> {
  try {
    const [row] = await connection.query(ADD, [newChainId(), node, leaseMs, Buffer.from(FIRST_PREVIOUS), CHAIN_STRIDE]);
    if (row === undefined) throw new Error('a new chain has no row');
    const head = toHead(row);
    if (head.chain >= MAX_CHAINS) throw new CannotRun(`the log has ${MAX_CHAINS} chains: no more writers are possible`);
    return head;
  } catch (error) {
    // Another node began a chain with the same number at the same moment.
    if (error instanceof Error && 'code' in error && error.code === '23505') return null;
    throw error;
  }
}

/** Takes our chain up again after an error; null where another holds it by now. */
export async function resumeChain(connection: Connection, head: Head, leaseMs: number): Promise<Head | null> {
  const [row] = await connection.query(RESUME, [head.chain, head.token, leaseMs]);
  return row === undefined ? null : toHead(row);
}

/** Whether a batch of ours, whose commit we never heard of, is in the log. */
export async function isCommitted(
  connection: Connection,
  chain: number,
  batch: number,
  hash: Uint8Array,
): Promise<boolean> {
  const [row] = await connection.query(BATCH_HASH, [chain, batch]);
  return row !== undefined && Buffer.isBuffer(row['hash']) && row['hash'].equals(hash);
}

function toHead(row: Row): Head {
  const hash = row['hash'];
  if (!Buffer.isBuffer(hash)) throw new Error('a chain has no hash');
  return {
    chain: Number(row['chain']),
    id: String(row['id']),
    token: Number(row['token']),
    batch: Number(row['batch']),
    seq: Number(row['seq']),
    hash,
    evidence: Number(row['evidence']),
  };
}

/** The names of all chains, also of those that others begin. */
export interface Chains {
  /** @throws Error for a number that was not read */
  id(n: number): string;
  number(id: string): number;
  cover(ns: readonly number[]): Promise<void>;
}

const ALL = { name: 'chains', text: 'SELECT n, id FROM chain' };

/** Reads the chains of a database. */
export async function openChains(link: Pick<Link, 'query'>): Promise<Chains> {
  const ids = new Map<number, string>();
  const numbers = new Map<string, number>();
  const read = async () => {
    for (const row of await link.query(ALL)) {
      ids.set(Number(row['n']), String(row['id']));
      numbers.set(String(row['id']), Number(row['n']));
    }
  };
  await read();
  return {
    id(n) {
      const id = ids.get(n);
      if (id === undefined) throw new Error(`there is no chain ${n}`);
      return id;
    },
    number(id) {
      const n = numbers.get(id);
      if (n === undefined) throw new Error('there is no such chain');
      return n;
    },
    async cover(ns) {
      if (ns.some((n) => !ids.has(n))) await read();
    },
  };
}
