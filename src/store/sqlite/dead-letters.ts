// Jobs that ended without success: kept with their payload for a while, so that an operator may send them after all.

import type { DeadLetter } from '../../core/ports.ts';
import { eventSeqOf } from './cancel.ts';
import type { StoreContext } from './context.ts';
import type { JobRow } from './jobs.ts';

export interface DeadLetters {
  list(): readonly DeadLetter[];
  /** Within a transaction. @returns how many were queued anew */
  retry(ids: readonly number[] | 'all'): number;
  /** Within a transaction: forgets what was accepted before `beforeMs`. */
  expire(beforeMs: number): number;
}

interface Named {
  readonly event_id: string;
  readonly event_name: string;
  readonly at_ms: number;
}

/** Opens the dead letters of a store. */
export function openDeadLetters(store: StoreContext): DeadLetters {
  const named = store.db.prepare('SELECT event_id, event_name, at_ms FROM log_entry WHERE seq = ?');
  const decisionOf = (job: JobRow) => named.get(job.decision_seq) as Named;
  return {
    list: () =>
      store.jobs.dead().map((job) => {
        const { event_id, event_name, at_ms } = decisionOf(job);
        return {
          id: job.id,
          site: store.entries.text(job.site),
          destination: store.entries.text(job.destination),
          eventId: event_id,
          eventName: event_name,
          acceptedMs: at_ms,
          attempts: job.attempt,
          code: job.code ?? '',
        };
      }),
    retry(ids) {
      const chosen = store.jobs.dead().filter((job) => ids === 'all' || ids.includes(job.id));
      for (const job of chosen) store.jobs.revive(job, store.clock());
      return chosen.length;
    },
    expire(beforeMs) {
      const old = store.jobs.dead().filter((job) => decisionOf(job).at_ms < beforeMs);
      for (const job of old) {
        store.jobs.remove(job);
        if (store.jobs.ofEvent(eventSeqOf(job)).length === 0) store.events.remove(eventSeqOf(job));
      }
      return old.length;
    },
  };
}
