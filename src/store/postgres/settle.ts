// Changes of one job by who holds its partition: what an attempt came to, a release, a pause. Shown with the token under which
// the job was claimed; where that is no longer the partition's, nothing is recorded.

import type { Settlement } from '../../core/ports.ts';
import { BACKOFF_UNIT, BATCH_CAP_UNIT, JOB_FLAGS, JOB_STATES } from '../sqlite/jobs.ts';
import type { PostgresContext } from './context.ts';
import { citeRelease, type Draft } from './draft.ts';
import { endJob } from './end.ts';
import type { Job } from './job.ts';
import { type EntryRef, eventOf, firstDecision } from './numbers.ts';
import type { MutableWants, Operation } from './operation.ts';

/** Under which token a job was claimed, and on which chain its attempt began. */
export interface Held {
  readonly token: number;
  /** The chain that a settlement's `startedSeq` counts. */
  readonly startedChain: number | null;
  /** What had released the job when it was claimed. */
  readonly released: EntryRef | null;
}

export interface FencedOptions {
  readonly jobId: number;
  readonly token: number;
  readonly weight: number;
  run(draft: Draft, job: Job): void;
  ended(isRecorded: boolean): void;
  failed(error: unknown): void;
}

/** A change that happens only while the partition's token is the one shown. */
export function fenced({ jobId, token, weight, run, ended, failed }: FencedOptions): Operation<boolean> {
  return {
    weight,
    mustKeep: true,
    want: (wants: MutableWants) => void wants.events.add(eventOf(jobId)),
    run(draft) {
      const job = draft.job(jobId);
      if (job === undefined || job.leaseToken !== token) return false;
      run(draft, job);
      return true;
    },
    done: ended,
    failed,
  };
}

/** Drafts what an attempt came to. */
export function recordSettlement(
  { options, chains }: PostgresContext,
  draft: Draft,
  { settlement, job, held }: { readonly settlement: Settlement; readonly job: Job; readonly held: Held },
): void {
  const { claim, outcome } = settlement;
  const atMs = options.clock();
  const attempt = claim.attempt + (settlement.startedSeq === null ? 0 : 1);
  const first = firstDecision(job.id);
  const seq = draft.append(
    'delivery',
    atMs,
    {
      event_seq: first.seq,
      decision_seq: job.decisionSeq,
      destination: claim.destination,
      outcome,
      attempt,
      http_status: settlement.httpStatus,
      code: settlement.code,
      trace_id: settlement.traceId,
      started_seq: startOf(draft, settlement, held),
      capi_status: claim.capiStatus,
      detail: citeRelease(held.released, draft.chain, chains),
    },
    first.chain,
  );
  if (outcome !== 'retrying') {
    endJob(draft, { ...job, attempt }, { outcome, seq, atMs, code: settlement.code });
    return;
  }
  const flags = (settlement.unknown ? JOB_FLAGS.unknown : 0) | (settlement.backfill ? JOB_FLAGS.backfill : 0);
  draft.updateJob({
    ...job,
    state: settlement.parked ? JOB_STATES.paused : JOB_STATES.retrying,
    dueMs: settlement.dueMs ?? atMs,
    attempt,
    flags:
      (job.flags & (JOB_FLAGS.unknown | JOB_FLAGS.transactional)) |
      flags |
      ((settlement.batchCap ?? 0) * BATCH_CAP_UNIT) |
      (settlement.backoff * BACKOFF_UNIT),
  });
}

// A node that had to begin another chain between start and outcome: the start is before all of the new one that it wrote since.
function startOf(draft: Draft, { startedSeq }: Settlement, { startedChain }: Held): number | null {
  if (startedSeq === null || startedChain === null || startedChain === draft.chain) return startedSeq;
  return Math.min(startedSeq, draft.nextSeq() - 1);
}

/** Drafts that a waiting job's time is over. */
export function recordRelease({ options }: PostgresContext, draft: Draft, job: Job): void {
  if (job.state !== JOB_STATES.waiting) return;
  const atMs = options.clock();
  const first = firstDecision(job.id);
  const seq = draft.append(
    'release',
    atMs,
    {
      event_seq: first.seq,
      decision_seq: job.decisionSeq,
      destination: job.destination,
      capi_status: 'deferred',
    },
    first.chain,
  );
  const released = { chain: draft.chain, seq };
  draft.updateJob({ ...job, state: JOB_STATES.due, dueMs: atMs, capiStatus: 'deferred', released });
}

/** Whether a settlement may let another job go: then somebody waits for its commit. */
export function mayRelease({ options }: PostgresContext, { outcome, claim }: Settlement): boolean {
  return outcome !== 'retrying' && claim.destination !== options.destinations.at(-1);
}
