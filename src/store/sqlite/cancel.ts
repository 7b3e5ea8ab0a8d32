// Ends jobs: what is cancelled before its attempt, and what every end has in common.

import { CAPI_STATUS, type SettledOutcome } from '../../core/delivery.ts';
import type { ReasonCode } from '../../core/reasons.ts';
import type { StoreContext } from './context.ts';
import { JOB_FLAGS, JOB_STATES, JOB_STRIDE, type JobRow } from './jobs.ts';

/**
 * Live jobs at a destination of the events that name one of these visitors and need consent, those in flight included: a
 * withdrawal does not concern what performs a contract.
 */
export function jobsOfVisitors(
  store: StoreContext,
  destination: number,
  visitors: readonly { readonly ref: string; readonly lane: string }[],
): readonly JobRow[] {
  const found = new Map<number, JobRow>();
  for (const { ref, lane } of visitors) {
    const bytes = Buffer.from(ref, 'latin1');
    for (const job of store.jobs.ofLane(destination, Buffer.from(lane, 'latin1'))) {
      if (store.events.isOfLaneVisitor(eventSeqOf(job), bytes)) found.set(job.id, job);
    }
    for (const eventSeq of store.events.alsoNaming(bytes)) {
      const job = store.jobs.ofEvent(eventSeq).find((one) => one.destination === destination);
      if (job !== undefined && job.state !== JOB_STATES.dead) found.set(job.id, job);
    }
  }
  return [...found.values()].filter(({ flags }) => (flags & JOB_FLAGS.transactional) === 0);
}

export const eventSeqOf = (job: Pick<JobRow, 'id'>): number => Math.floor(job.id / JOB_STRIDE);

/**
 * Cancels jobs whose attempt is not under way; those under way are looked at again before any further attempt.
 * @returns how many were cancelled
 */
export function cancelJobs(store: StoreContext, jobs: readonly JobRow[], code: ReasonCode, atMs: number): number {
  const waiting = jobs.filter((job) => !store.inFlight.has(job.id));
  for (const { id } of waiting) {
    // Cancelling one may have released another: read it as it stands now.
    const job = store.jobs.get(id);
    if (job === undefined) continue;
    const seq = store.entries.append('delivery', atMs, {
      event_seq: eventSeqOf(job),
      decision_seq: job.decision_seq,
      destination: store.entries.text(job.destination),
      outcome: 'cancelled',
      attempt: job.attempt,
      code,
    });
    endJob(store, job, { outcome: 'cancelled', seq, atMs, code });
  }
  return waiting.length;
}

export interface JobEnd {
  readonly outcome: SettledOutcome;
  /** The entry that says so. */
  readonly seq: number;
  readonly atMs: number;
  readonly code: string | null;
}

/** Releases whoever waited for this job, takes it out of its lane, and forgets the payload that nobody needs any more. */
export function endJob(store: StoreContext, job: JobRow, end: JobEnd): void {
  const waiter = store.jobs.waiter(job);
  if (waiter !== undefined) {
    const status = store.entries.number('capi_status', CAPI_STATUS[end.outcome]);
    store.jobs.update(waiter, { state: JOB_STATES.due, due_ms: end.atMs, capi_status: status, released_seq: end.seq });
  }
  if (end.outcome === 'refused' || end.outcome === 'gave_up') {
    store.jobs.bury(job, end.code ?? end.outcome);
    return;
  }
  store.jobs.remove(job);
  const eventSeq = eventSeqOf(job);
  if (store.jobs.ofEvent(eventSeq).length === 0) store.events.remove(eventSeq);
}
