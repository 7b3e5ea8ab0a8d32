// What a start needs of the database: the epoch key, the months of the log, and that this node fits to the others.

import { createHash, createSecretKey, type KeyObject } from 'node:crypto';
import { CannotRun } from '../../core/errors.ts';
import type { Keys } from '../../core/identity.ts';
import { canonicalPolicy } from '../../core/policy-file.ts';
import { seal, unseal } from '../../core/seal.ts';
import type { PostgresOptions } from './context.ts';
import type { Link } from './link.ts';

type Queries = Pick<Link, 'query'>;

const ADD_EPOCH = {
  name: 'epoch add',
  text: 'INSERT INTO epoch_key (id, from_ms, wrapped) VALUES (1, $1, $2) ON CONFLICT DO NOTHING',
};
const EPOCH = { name: 'epoch', text: 'SELECT id, wrapped FROM epoch_key ORDER BY id DESC LIMIT 1' };

/**
 * The key of today's subject references; the first node makes it, all others must be able to open it.
 * @throws CannotRun when the key file is not the one that the database was made with
 */
export async function openEpochKey(
  link: Queries,
  { keys, ids, clock }: PostgresOptions,
): Promise<{ id: number; key: KeyObject }> {
  let [row] = await link.query(EPOCH);
  if (row === undefined) {
    const wrapped = seal(keys.wrap, ids.bytes(32), 'epoch 1', ids.bytes(12));
    await link.query(ADD_EPOCH, [clock(), Buffer.from(wrapped, 'latin1')]);
    [row] = await link.query(EPOCH);
  }
  const wrapped = row?.['wrapped'];
  if (!Buffer.isBuffer(wrapped)) throw new Error('the database has no epoch key');
  const id = Number(row?.['id']);
  return { id, key: unwrap(keys, { id, wrapped }) };
}

function unwrap(keys: Keys, { id, wrapped }: { id: number; wrapped: Buffer }): KeyObject {
  try {
    return createSecretKey(Buffer.from(unseal(keys.wrap, wrapped.toString('latin1'), `epoch ${id}`), 'latin1'));
  } catch (cause) {
    throw new CannotRun('the key file is not the one that this database was made with: give all nodes the same file', {
      cause,
    });
  }
}

/** One text for the policies of all sites: what nodes must agree about. */
export function policiesOf({ sites }: PostgresOptions): string {
  const refs = [...sites].map(([id, { policy }]) => `${id} ${policy.ref}`).sort();
  return createHash('sha256').update(refs.join('\n')).digest('hex');
}

const OTHERS = {
  name: 'nodes with other policies',
  text: 'SELECT id FROM node WHERE until > now() AND policies <> $1 LIMIT 1',
};

/** @throws CannotRun when a node that runs now decides by other policies */
export async function refuseOtherPolicies(link: Queries, policies: string): Promise<void> {
  const [other] = await link.query(OTHERS, [policies]);
  if (other === undefined) return;
  throw new CannotRun(
    `node ${String(other['id'])} runs with other policies for its sites: give all nodes the same configuration, then start this one again`,
  );
}

const MONTHS = { name: 'make months', text: 'SELECT sluice_make_months($1, 3)' };

/** Makes this month of the log and the next two. */
export async function makeMonths(link: Queries, nowMs: number): Promise<void> {
  await link.query(MONTHS, [nowMs]);
}

const PUBLISHED = { name: 'policies published', text: 'SELECT ref FROM policy' };
const PUBLISH = {
  name: 'policy publish',
  text: 'INSERT INTO policy (ref, content) VALUES ($1, $2) ON CONFLICT DO NOTHING',
};

/** Keeps the content of policies that the log does not know yet. @returns their references */
export async function publishPolicies(link: Queries, { sites }: PostgresOptions): Promise<readonly string[]> {
  const known = new Set((await link.query(PUBLISHED)).map((row) => String(row['ref'])));
  const fresh = [...new Map([...sites.values()].map(({ policy }) => [policy.ref, policy])).values()];
  const added = fresh.filter(({ ref }) => !known.has(ref));
  for (const policy of added) await link.query(PUBLISH, [policy.ref, canonicalPolicy(policy)]);
  return added.map(({ ref }) => ref);
}

const LAST = {
  name: 'last start or stop',
  text: 'SELECT kind FROM log_entry WHERE chain = $1 AND kind IN (5, 6) AND seq > $2 ORDER BY seq DESC LIMIT 1',
};
/** How far back a start looks for the one before it; behind more entries than these no stop was written. */
const LOOK_BACK = 10;

/** How the last writer of this chain ended. */
export async function lastEnd(link: Queries, { chain, seq }: { chain: number; seq: number }): Promise<string> {
  if (seq === 0) return 'nothing';
  const [row] = await link.query(LAST, [chain, seq - LOOK_BACK]);
  return row?.['kind'] === 6 ? 'stop' : 'unclean stop';
}
