// Ends jobs: what is cancelled before its attempt, and what every end has in common.

import { CAPI_STATUS, type SettledOutcome } from '../../core/delivery.ts';
import type { ReasonCode } from '../../core/reasons.ts';
import { JOB_STATES } from '../sqlite/jobs.ts';
import type { Draft } from './draft.ts';
import type { Job } from './job.ts';
import { eventOf, firstDecision } from './numbers.ts';

export interface JobEnd {
  readonly outcome: SettledOutcome;
  /** The entry that says so. */
  readonly seq: number;
  readonly atMs: number;
  readonly code: string | null;
}

/** Releases whoever waited for this job, takes it out of its lane, and forgets the payload that nobody needs any more. */
export function endJob(draft: Draft, job: Job, end: JobEnd): void {
  const siblings = draft.ofEvent(eventOf(job.id));
  const waiter = siblings.find(({ id, state }) => id > job.id && state === JOB_STATES.waiting);
  if (waiter !== undefined) {
    const released = { chain: draft.chain, seq: end.seq };
    const capiStatus = CAPI_STATUS[end.outcome];
    draft.updateJob({ ...waiter, state: JOB_STATES.due, dueMs: end.atMs, capiStatus, released });
  }
  if (end.outcome === 'refused' || end.outcome === 'gave_up') {
    draft.updateJob({ ...job, state: JOB_STATES.dead, code: end.code ?? end.outcome });
    draft.leaveLane(job);
    return;
  }
  draft.removeJob(job);
  if (siblings.length <= 1) draft.removeEvent(eventOf(job.id));
}

/** Cancels jobs whose attempt is not under way; those under way are looked at again before any further attempt. */
export function cancelJobs(draft: Draft, jobs: readonly Job[], code: ReasonCode, atMs: number): void {
  for (const { id, isBusy } of jobs) {
    // Cancelling one may have released another: read it as it stands now.
    const job = draft.job(id);
    if (job === undefined || isBusy) continue;
    const first = firstDecision(id);
    const seq = draft.append(
      'delivery',
      atMs,
      {
        event_seq: first.seq,
        decision_seq: job.decisionSeq,
        destination: job.destination,
        outcome: 'cancelled',
        attempt: job.attempt,
        code,
      },
      first.chain,
    );
    endJob(draft, job, { outcome: 'cancelled', seq, atMs, code });
  }
}
