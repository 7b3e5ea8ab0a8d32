// What may be sent now: the first job of each lane of our partitions, found without a mark that collecting nodes would have to
// keep. A job that stands behind another is marked so when a claim meets it, and not read again until the one before it ends.

import type { EvidenceBundle } from '../../core/consent.ts';
import type { CapiStatus } from '../../core/delivery.ts';
import type { Claim, ClaimLimit } from '../../core/ports.ts';
import type { RegionBasis } from '../../core/region.ts';
import { BACKOFF_UNIT, BATCH_CAP_UNIT, JOB_FLAGS, JOB_STATES } from '../sqlite/jobs.ts';
import { arrayOf } from './arrays.ts';
import type { Row } from './connection.ts';
import type { PostgresContext } from './context.ts';
import { coverJobs, JOB_COLUMNS, type Job, latin1, toJob } from './job.ts';
import type { Link } from './link.ts';
import { firstDecision } from './numbers.ts';

/** A job with its payload. */
export interface Candidate {
  readonly job: Job;
  /** A job that stands before it in its lane; null for the first. */
  readonly before: number | null;
  readonly row: Row;
}

const PAYLOAD = `${JOB_COLUMNS}, e.time_ms, e.event_name, e.country, e.region_basis, e.seal_id, e.sealed, e.at_ms,
      v.body AS evidence_body`;
// From each partition the oldest few, so that one full partition does not hide the others; payloads only of what is taken.
const HEADS = {
  name: 'claim heads',
  text: `WITH due AS MATERIALIZED (
      SELECT near.id FROM unnest($2::int2[]) AS held (part)
      CROSS JOIN LATERAL (
        SELECT id, due_ms FROM job WHERE destination = $1 AND job.part = held.part AND NOT behind AND state < 3
          AND due_ms <= $3 AND id <> ALL ($6::int8[]) ORDER BY due_ms, id LIMIT $4) AS near
      ORDER BY near.due_ms, near.id LIMIT $5)
    SELECT ${PAYLOAD},
      (SELECT p.id FROM job p WHERE p.lane = j.lane AND p.destination = j.destination AND p.state <> 4
        AND (p.ord, p.id) < (j.ord, j.id) ORDER BY p.ord, p.id LIMIT 1) AS before
    FROM due JOIN job j ON j.id = due.id
    JOIN outbox_event e ON e.event = j.id / 8
    JOIN partition_lease l ON l.part = j.part
    LEFT JOIN evidence v ON v.id = e.evidence
    ORDER BY j.due_ms, j.id`,
};
const FOLLOWERS = {
  name: 'claim followers',
  text: `SELECT ${PAYLOAD}
    FROM unnest($2::bytea[]) AS lanes (lane)
    CROSS JOIN LATERAL (
      SELECT * FROM job WHERE destination = $1 AND job.lane = lanes.lane AND state <> 4 ORDER BY ord, id LIMIT $3) AS j
    JOIN outbox_event e ON e.event = j.id / 8
    JOIN partition_lease l ON l.part = j.part
    LEFT JOIN evidence v ON v.id = e.evidence
    ORDER BY j.ord, j.id`,
};
// The one before is locked: whoever ends it comes before this, and then nothing is marked, or behind it, and then finds the mark.
const MARK = {
  name: 'claim mark',
  text: `WITH standing AS (
      SELECT lane, destination, ord, id FROM job WHERE id = ANY ($1::int8[]) AND state <> 4 FOR SHARE)
    UPDATE job j SET behind = true FROM standing s
    WHERE j.lane = s.lane AND j.destination = s.destination AND (j.ord, j.id) > (s.ord, s.id) AND j.state <> 4 AND NOT j.behind`,
};
// What a lost mark would leave standing for ever: looked for when a partition is taken, and now and then.
const SWEEP = {
  name: 'claim sweep',
  text: `UPDATE job j SET behind = false WHERE j.behind AND j.part = ANY ($1::int2[]) AND NOT EXISTS (
      SELECT 1 FROM job p WHERE p.lane = j.lane AND p.destination = j.destination AND p.state <> 4 AND (p.ord, p.id) < (j.ord, j.id))`,
};

export interface HeadLimit {
  /** Due by then, epoch milliseconds. */
  readonly untilMs: number;
  readonly jobs: number;
}

export interface Claims {
  /** Due jobs of our partitions that are not under way, the oldest first. */
  heads(destination: string, limit: HeadLimit, busy: readonly number[]): Promise<readonly Candidate[]>;
  /** The first jobs of lanes, in their order. */
  followers(destination: string, lanes: readonly string[], limit: number): Promise<readonly Candidate[]>;
  /** Marks all that stand behind the jobs that these stand behind. */
  mark(candidates: readonly Candidate[]): Promise<void>;
  sweep(parts: readonly number[]): Promise<void>;
  /** `releasedSeq` is what our own chain has for it. */
  toClaim(candidate: Candidate, releasedSeq: number): Claim;
}

/** How much more than its share of a claim one partition may fill. */
const SPREAD = 4;

/** Binds the claims to the connections that read. */
export function createClaims(
  link: Pick<Link, 'query'>,
  context: PostgresContext,
  held: () => ReadonlyMap<number, number>,
): Claims {
  const { dictionary, chains } = context;
  const read = async (rows: readonly Row[]): Promise<readonly Candidate[]> => {
    await coverJobs(rows, dictionary, chains);
    return rows.map((row) => ({
      job: toJob(row, dictionary),
      before: typeof row['before'] === 'number' ? row['before'] : null,
      row,
    }));
  };
  return {
    async heads(destination, { untilMs, jobs }, busy) {
      const parts = [...held().keys()];
      const number = dictionary.number('destination', destination);
      const each = Math.ceil((jobs * SPREAD) / Math.max(1, parts.length)) + 1;
      const limits = [Math.min(jobs, each), jobs];
      return read(await link.query(HEADS, [number, arrayOf('int2', parts), untilMs, ...limits, arrayOf('int8', busy)]));
    },
    async followers(destination, lanes, limit) {
      const number = dictionary.number('destination', destination);
      return read(await link.query(FOLLOWERS, [number, arrayOf('bytea', lanes), limit]));
    },
    async mark(candidates) {
      const before = [...new Set(candidates.map((candidate) => candidate.before))];
      await link.query(MARK, [arrayOf('int8', before)]);
    },
    async sweep(parts) {
      await link.query(SWEEP, [arrayOf('int2', parts)]);
    },
    toClaim: ({ job, row }, releasedSeq) => ({
      jobId: job.id,
      destination: job.destination,
      site: job.site,
      eventSeq: firstDecision(job.id).seq,
      decisionSeq: job.decisionSeq,
      eventName: String(row['event_name']),
      region: {
        country: typeof row['country'] === 'string' ? row['country'] : null,
        basis: dictionary.text(Number(row['region_basis'])) as RegionBasis,
      },
      evidence: readBundle(context, row['evidence_body']),
      visitorRefs: [...(job.visitor === null ? [] : [job.visitor]), ...job.others],
      sealId: latin1(row['seal_id']) ?? '',
      sealed: latin1(row['sealed']) ?? '',
      acceptedMs: Number(row['at_ms']),
      timeMs: Number(row['time_ms']),
      attempt: job.attempt,
      earlierUnknown: (job.flags & JOB_FLAGS.unknown) !== 0,
      backfill: (job.flags & JOB_FLAGS.backfill) !== 0,
      capiStatus: job.capiStatus as CapiStatus | null,
      releasedSeq,
      lane: job.lane,
      batchCap: capOf(job),
      backoff: Math.floor(job.flags / BACKOFF_UNIT),
    }),
  };
}

const NOTHING: EvidenceBundle = [];

function readBundle({ evidence }: PostgresContext, body: unknown): EvidenceBundle {
  return typeof body === 'string' ? evidence.parse(body) : NOTHING;
}

/** In how large a company a job may be sent; null = any. */
export function capOf(job: Job): number | null {
  const cap = Math.floor((job.flags % BACKOFF_UNIT) / BATCH_CAP_UNIT);
  return cap === 0 ? null : cap;
}

/** Whether a job may leave now. */
export function isReady(job: Job, nowMs: number): boolean {
  return (job.state === JOB_STATES.due || job.state === JOB_STATES.retrying) && job.dueMs <= nowMs;
}

/** The claims of a job's `limit` in one request, in the port's words. */
export const runLimit = (left: number, { runLength }: ClaimLimit, job: Job): number =>
  Math.min(left, runLength, capOf(job) ?? runLength);
