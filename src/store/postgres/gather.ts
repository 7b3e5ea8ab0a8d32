// The first half of a batch's transaction: claims the ids in the table of seen ones, locks the jobs that the batch may change,
// and reads what its decisions depend on. One trip to the server.

import { arrayOf } from './arrays.ts';
import type { Connection, Row } from './connection.ts';
import type { PostgresContext } from './context.ts';
import type { Gathered } from './draft.ts';
import { coverJobs, JOB_COLUMNS, latin1, toJob } from './job.ts';
import { readVisitorStates } from './visitor-states.ts';

/** What the operations of a batch want to know. Bytes are latin1 strings. */
export interface Wants {
  /** Keys, with the bits that they will have if they are free. */
  readonly keys: ReadonlyMap<string, number>;
  readonly refs: ReadonlySet<string>;
  /** Those whose state may change: one transaction after the other. */
  readonly lockedRefs: ReadonlySet<string>;
  /** Lanes and visitors whose live jobs may be cancelled. */
  readonly lanes: ReadonlySet<string>;
  readonly visitors: ReadonlySet<string>;
  /** Events whose jobs may change. */
  readonly events: ReadonlySet<number>;
}

const DAY_MS = 86_400_000;
/** How long an id is remembered, in days (contract section 3). */
const WINDOW_DAYS = 7;

// In the order of the keys, so that two nodes that receive the same ids wait for each other and never in a circle.
const CLAIM_KEYS = {
  name: 'claim keys',
  text: `INSERT INTO seen AS s (key, mask, day, batch)
    SELECT key, mask, $3::int4, $5::int8 FROM unnest($1::bytea[], $2::int4[]) AS k (key, mask) ORDER BY key
    ON CONFLICT (key) DO UPDATE SET
      mask = CASE WHEN s.day < $4::int4 THEN excluded.mask ELSE s.mask END,
      batch = CASE WHEN s.day < $4::int4 THEN excluded.batch ELSE s.batch END,
      day = CASE WHEN s.day < $4::int4 THEN excluded.day ELSE s.day END
    RETURNING key, mask, batch = $5::int8 AS fresh`,
};
const LOCK_REFS = {
  name: 'lock visitors',
  text: `SELECT pg_advisory_xact_lock(k) FROM (SELECT k FROM unnest($1::int8[]) AS t (k) ORDER BY k) AS t`,
};
const STATES = {
  name: 'visitor states',
  text: 'SELECT ref, sealed FROM consent_state WHERE ref = ANY ($1::bytea[])',
};
// KEY SHARE of the lease: a renewal passes, a taking over waits until we have committed.
const JOBS = {
  name: 'lock jobs',
  text: `SELECT ${JOB_COLUMNS}
    FROM (
      SELECT event * 8 + place AS id FROM (
        SELECT unnest($1::int8[]) AS event
        UNION SELECT id / 8 FROM job WHERE lane = ANY ($2::bytea[]) AND state <> 4
        UNION SELECT event FROM outbox_visitor WHERE ref = ANY ($3::bytea[])
      ) AS named, generate_series(0, 7) AS place
    ) AS wanted
    JOIN job j ON j.id = wanted.id
    JOIN outbox_event e ON e.event = j.id / 8
    JOIN partition_lease l ON l.part = j.part
    ORDER BY j.id FOR UPDATE OF j FOR KEY SHARE OF l`,
};

const bytes = (values: Iterable<string>) => arrayOf('bytea', [...values]);

/** Runs within the open transaction. `batch` marks the keys that it claims. */
export async function gather(
  connection: Connection,
  context: PostgresContext,
  { wants, batch }: { readonly wants: Wants; readonly batch: number },
): Promise<Gathered> {
  const { options } = context;
  const nothing: readonly Row[] = [];
  const [, keys, states, jobs] = await Promise.all([
    wants.lockedRefs.size === 0 ? nothing : connection.query(LOCK_REFS, [arrayOf('int8', lockKeys(wants.lockedRefs))]),
    wants.keys.size === 0 ? nothing : connection.query(CLAIM_KEYS, claimParameters(wants.keys, options.clock(), batch)),
    wants.refs.size === 0 ? nothing : connection.query(STATES, [bytes(wants.refs)]),
    wants.events.size + wants.lanes.size + wants.visitors.size === 0
      ? nothing
      : connection.query(JOBS, [arrayOf('int8', [...wants.events]), bytes(wants.lanes), bytes(wants.visitors)]),
  ]);
  await coverJobs(jobs, context.dictionary, context.chains);
  const sealed = new Map(states.map((row) => [latin1(row['ref']) ?? '', latin1(row['sealed']) ?? '']));
  return {
    ...readKeys(keys, wants.keys),
    states: readVisitorStates(sealed, options.keys.seal, (count) => options.ids.bytes(count)),
    jobs: jobs.map((row) => toJob(row, context.dictionary)),
  };
}

function lockKeys(refs: ReadonlySet<string>): readonly number[] {
  // 48 bits of the hash that a `state_ref` is; two visitors that share them wait for each other, no more.
  return [...new Set([...refs].map((ref) => Buffer.from(ref, 'latin1').readUIntBE(0, 6)))];
}

function claimParameters(keys: ReadonlyMap<string, number>, nowMs: number, batch: number) {
  const today = Math.floor(nowMs / DAY_MS);
  const oldest = Math.floor((nowMs - WINDOW_DAYS * DAY_MS) / DAY_MS);
  return [bytes(keys.keys()), arrayOf('int4', [...keys.values()]), today, oldest, batch];
}

function readKeys(rows: readonly Row[], expected: ReadonlyMap<string, number>) {
  const masks = new Map<string, number>();
  const claimed = new Map<string, number>();
  for (const row of rows) {
    const key = latin1(row['key']) ?? '';
    if (row['fresh'] === true) claimed.set(key, expected.get(key) ?? 0);
    masks.set(key, row['fresh'] === true ? 0 : Number(row['mask']));
  }
  return { masks, claimed };
}
