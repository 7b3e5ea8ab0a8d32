// The delivering half of the store: claims heads of lanes in the partitions that this node leases, and records what attempts
// came to, as long as the leases hold.

import type { Claim, ClaimLimit, LaneRun, Outbox, Settlement } from '../../core/ports.ts';
import { JOB_STATES } from '../sqlite/jobs.ts';
import { arrayOf } from './arrays.ts';
import { type Candidate, type Claims, isReady, runLimit } from './claims.ts';
import type { Committer } from './committer.ts';
import type { PostgresContext } from './context.ts';
import type { Draft } from './draft.ts';
import { Unanswered } from './failure.ts';
import type { Job } from './job.ts';
import type { Leases } from './leases.ts';
import type { Link } from './link.ts';
import type { Looks } from './looks.ts';
import { partitionOf } from './numbers.ts';
import { fenced, type Held, mayRelease, recordRelease, recordSettlement } from './settle.ts';

export interface OutboxParts {
  readonly context: PostgresContext;
  readonly committer: Committer;
  readonly claims: Claims;
  readonly looks: Looks;
  readonly leases: Leases;
  readonly link: Pick<Link, 'query'>;
}

export interface PostgresOutbox extends Outbox {
  /** Jobs under way here, per destination. */
  inFlight(destination: string): number;
  isIdle(part: number): boolean;
}

const NEXT_DUE = {
  name: 'next due',
  text: `SELECT min(next.due_ms) AS due_ms FROM unnest($2::int2[]) AS held (part) CROSS JOIN LATERAL (
      SELECT due_ms FROM job WHERE destination = $1 AND job.part = held.part AND NOT behind AND state < 3 AND due_ms > $3
      ORDER BY due_ms LIMIT 1) AS next`,
};
const PARKED = {
  name: 'parked',
  text: `SELECT id, lane FROM job WHERE destination = $1 AND site = $2 AND state = 3 AND part = ANY ($4::int2[]) ORDER BY id LIMIT $3`,
};
const PARKED_SITES = {
  name: 'parked sites',
  text: 'SELECT DISTINCT site FROM job WHERE destination = $1 AND state = 3 AND part = ANY ($2::int2[])',
};
/** When to ask again where the database could not be asked. */
const ASK_AGAIN_MS = 1000;
/** How many hot lanes one claim may put aside. */
const MARK_ROUNDS = 16;

interface UnderWay extends Held {
  readonly destination: string;
  readonly lane: string;
  /** Marked as under way in the database. */
  readonly isLooked: boolean;
  /** Cancelled, or another node's: nothing of it can be recorded. */
  readonly isLost: boolean;
}

/** Opens the delivering half over the store's parts. */
export function openOutbox({ context, committer, claims, looks, leases, link }: OutboxParts): PostgresOutbox {
  const { options, dictionary } = context;
  const underWay = new Map<number, UnderWay>();
  const moving = new Map<number, string>();
  /** Until when a destination's last claim looked, epoch milliseconds: what came due since is the next claim's. */
  const lookedMs = new Map<string, number>();
  const own = () => committer.head();

  const busyIds = () => [...underWay.keys(), ...moving.keys()];
  /** Lanes of a destination in which something is under way: their next is not to be claimed whatever its mark. */
  const busyLanes = (destination: string) =>
    new Set([...underWay.values()].filter((held) => held.destination === destination).map(({ lane }) => lane));

  /** A change of one job that is no attempt. */
  const change = (
    jobId: number,
    lane: string,
    run: (draft: Draft, job: Job) => void,
    urgency: 'urgent' | 'patient',
  ) => {
    const token = underWay.get(jobId)?.token ?? leases.token(partitionOf(lane));
    if (token === null) {
      underWay.delete(jobId);
      return;
    }
    moving.set(jobId, lane);
    const ended = () => {
      moving.delete(jobId);
      underWay.delete(jobId);
    };
    committer.enqueue(fenced({ jobId, token, weight: 0, run, ended, failed: ended }), urgency);
  };

  /** A waiting head whose time is over: released, or given its time anew after a start. */
  const endWait = (job: Job) => {
    const anewMs = context.startedMs + waitMsOf(context, job);
    const isOver = options.clock() >= anewMs;
    const run = (draft: Draft, row: Job) => {
      if (isOver) recordRelease(context, draft, row);
      else if (row.state === JOB_STATES.waiting) draft.updateJob({ ...row, dueMs: anewMs });
    };
    change(job.id, job.lane, run, 'urgent');
  };

  const take = (candidate: Candidate): Claim => {
    const { job } = candidate;
    const token = leases.token(partitionOf(job.lane)) ?? job.leaseToken;
    const { destination, lane, released } = job;
    underWay.set(job.id, { token, startedChain: null, released, destination, lane, isLooked: false, isLost: false });
    const head = own();
    const releasedSeq = released !== null && released.chain === head.chain ? released.seq : head.seq;
    return claims.toClaim(candidate, releasedSeq);
  };

  /** The heads among what is due, one a lane; who stands behind another is marked, and no longer hides the rest. */
  const headsOf = async (destination: string, jobs: number): Promise<readonly Candidate[]> => {
    const untilMs = options.clock();
    lookedMs.set(destination, untilMs);
    const lanes = busyLanes(destination);
    const found: Candidate[] = [];
    for (let round = 0; round < MARK_ROUNDS && found.length < jobs; round += 1) {
      const busy = [...busyIds(), ...found.map(({ job }) => job.id)];
      const candidates = await claims.heads(destination, { untilMs, jobs }, busy);
      const behind = candidates.filter(({ before }) => before !== null);
      for (const candidate of candidates) {
        const { job, before } = candidate;
        if (before !== null || lanes.has(job.lane) || underWay.has(job.id) || moving.has(job.id)) continue;
        lanes.add(job.lane);
        found.push(candidate);
      }
      if (behind.length === 0) break;
      await claims.mark(behind);
    }
    return found;
  };

  const runsOf = async (heads: readonly Candidate[], destination: string, limit: ClaimLimit): Promise<LaneRun[]> => {
    const nowMs = options.clock();
    const due = heads.filter(({ job }) => isReady(job, nowMs)).slice(0, limit.jobs);
    const together = limit.runLength > 1 ? due.filter(({ job }) => runLimit(limit.jobs, limit, job) > 1) : [];
    const lanes = together.map(({ job }) => job.lane);
    const followers = lanes.length === 0 ? [] : await claims.followers(destination, lanes, limit.runLength);
    const byLane = Map.groupBy(followers, ({ job }) => job.lane);
    const runs: LaneRun[] = [];
    let left = limit.jobs;
    for (const head of due) {
      if (left <= 0) break;
      if (underWay.has(head.job.id) || leases.token(partitionOf(head.job.lane)) !== head.job.leaseToken) continue;
      const ready = (byLane.get(head.job.lane) ?? []).filter(({ job }) => !underWay.has(job.id));
      const end = ready.findIndex(({ job }) => !isReady(job, nowMs) || moving.has(job.id));
      const lane = ready[0]?.job.id === head.job.id ? (end < 0 ? ready : ready.slice(0, end)) : [head];
      const run = lane.slice(0, Math.max(1, runLimit(left, limit, head.job)));
      runs.push(run.map(take));
      left -= run.length;
    }
    return runs;
  };

  /** One claim at a time a destination: two that overlap would find the same heads. */
  const claiming = new Map<string, Promise<unknown>>();
  const inTurn = async <T>(destination: string, run: () => Promise<T>): Promise<T> => {
    const before = claiming.get(destination);
    const { promise, resolve } = Promise.withResolvers<void>();
    claiming.set(destination, promise);
    await before;
    try {
      return await run();
    } finally {
      resolve();
    }
  };

  return {
    async claim(destination, limit) {
      if (committer.failure() !== null || limit.jobs <= 0 || leases.held().size === 0) return [];
      return inTurn(destination, async () => {
        try {
          const heads = await headsOf(destination, limit.jobs);
          for (const { job } of heads) if (job.state === JOB_STATES.waiting) endWait(job);
          return await runsOf(heads, destination, limit);
        } catch (error) {
          // The next tick or commit asks again.
          return unlessAnswered(error, []);
        }
      });
    },
    unclaim(claim) {
      const held = underWay.get(claim.jobId);
      if (held?.isLooked === true && !held.isLost)
        change(claim.jobId, claim.lane, (draft, job) => draft.updateJob(job), 'patient');
      else underWay.delete(claim.jobId);
    },
    async nextDueMs(destination) {
      try {
        const parts = arrayOf('int2', [...leases.held().keys()]);
        const [row] = await link.query(NEXT_DUE, [
          dictionary.number('destination', destination),
          parts,
          lookedMs.get(destination) ?? 0,
        ]);
        return typeof row?.['due_ms'] === 'number' ? row['due_ms'] : null;
      } catch (error) {
        return unlessAnswered(error, options.clock() + ASK_AGAIN_MS);
      }
    },
    async look(claim) {
      const held = underWay.get(claim.jobId);
      if (held === undefined) return { withdrawnMs: null, erased: true };
      const seen = await looks.look(claim, held.token);
      underWay.set(claim.jobId, { ...held, startedChain: own().chain, isLooked: true, isLost: !seen.isOurs });
      // What is not ours any more must not be sent; `settle` then records nothing.
      return { withdrawnMs: seen.withdrawnMs, erased: !seen.isOurs };
    },
    settle: (settlement) => settle({ context, committer, underWay }, settlement),
    postpone: (claim, dueMs) =>
      change(claim.jobId, claim.lane, (draft, job) => draft.updateJob({ ...job, dueMs }), 'patient'),
    park: (claim) =>
      change(claim.jobId, claim.lane, (draft, job) => draft.updateJob({ ...job, state: JOB_STATES.paused }), 'patient'),
    unpark(destination, site, limit) {
      const numbers = [dictionary.number('destination', destination), dictionary.number('site', site), limit];
      const parts = arrayOf('int2', [...leases.held().keys()]);
      const unparkAll = (rows: Awaited<ReturnType<Link['query']>>) => {
        for (const row of rows)
          unparkOne(Number(row['id']), Buffer.isBuffer(row['lane']) ? row['lane'].toString('latin1') : '');
      };
      link.query(PARKED, [...numbers, parts]).then(unparkAll, () => undefined);
    },
    async parkedSites(destination) {
      try {
        const parts = arrayOf('int2', [...leases.held().keys()]);
        const rows = await link.query(PARKED_SITES, [dictionary.number('destination', destination), parts]);
        await dictionary.cover(rows.map((row) => Number(row['site'])));
        return rows.map((row) => dictionary.text(Number(row['site'])));
      } catch (error) {
        return unlessAnswered(error, []);
      }
    },
    newestSeq: () => own().seq,
    inFlight: (destination) => [...underWay.values()].filter((held) => held.destination === destination).length,
    isIdle: (part) =>
      ![...underWay.values()].some(({ lane }) => partitionOf(lane) === part) &&
      ![...moving.values()].some((lane) => partitionOf(lane) === part),
  };

  function unparkOne(jobId: number, lane: string): void {
    const run = (draft: Draft, job: Job) => {
      if (job.state !== JOB_STATES.paused) return;
      const state = job.attempt === 0 ? JOB_STATES.due : JOB_STATES.retrying;
      draft.updateJob({ ...job, state, dueMs: options.clock() });
    };
    change(jobId, lane, run, 'urgent');
  }
}

/** What to say while the database does not answer; any other error is ours. */
function unlessAnswered<T>(error: unknown, otherwise: T): T {
  if (error instanceof Unanswered) return otherwise;
  throw error;
}

function waitMsOf({ options }: PostgresContext, { site, destination }: Job): number {
  return options.sites.get(site)?.destinations.find(({ id }) => id === destination)?.waitMs ?? 0;
}

interface Settling {
  readonly context: PostgresContext;
  readonly committer: Committer;
  readonly underWay: Map<number, UnderWay>;
}

function settle({ context, committer, underWay }: Settling, settlement: Settlement): Promise<void> {
  const { claim, kept } = settlement;
  const held = underWay.get(claim.jobId);
  if (held === undefined || held.isLost) {
    underWay.delete(claim.jobId);
    return Promise.resolve();
  }
  return new Promise((resolve, reject) => {
    committer.enqueue(
      fenced({
        jobId: claim.jobId,
        token: held.token,
        weight: 1,
        run: (draft, job) => recordSettlement(context, draft, { settlement, job, held }),
        ended() {
          if (!kept) underWay.delete(claim.jobId);
          resolve();
        },
        failed: reject,
      }),
      mayRelease(context, settlement) ? 'urgent' : 'patient',
    );
  });
}
