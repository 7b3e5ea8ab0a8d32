// How old a consent may be, by the policy's calendar months, and how far ahead of our clock it may claim to be.

import type { Ask, SignalName } from '../core/consent.ts';

export const DAY_MS = 86_400_000;

/** The moment of a consent as a signal knows it. */
export interface Dated {
  readonly signal: SignalName;
  /** Epoch milliseconds. */
  readonly ms: number;
  /** How much longer than the limit it counts: a day where the source writes only the day. Milliseconds. */
  readonly slackMs: number;
}

/** @returns the code that speaks against a consent of that moment, or null */
export function judgeAge({ signal, ms, slackMs }: Dated, ask: Ask): 'consent.future' | 'consent.expired' | null {
  // The visitor's clock is not ours: a day ahead is taken for an error, more for a lie.
  const future = ms > ask.atMs + DAY_MS;
  const found = () => new Date(ms).toISOString();
  ask.note?.({ signal, rule: 'not_future', required: 'not in the future', found: found(), holds: !future });
  if (future) return 'consent.future';
  const { maxAgeMonths } = ask.rules;
  const expired = ask.atMs > addMonths(ms, maxAgeMonths) + slackMs;
  ask.note?.({ signal, rule: 'age', required: `at most ${maxAgeMonths} months`, found: found(), holds: !expired });
  return expired ? 'consent.expired' : null;
}

/** Calendar months later in UTC; a day that the month does not have is its last. Epoch milliseconds. */
export function addMonths(ms: number, months: number): number {
  const from = new Date(ms);
  const firstOfMonth = Date.UTC(from.getUTCFullYear(), from.getUTCMonth() + months, 1);
  const first = new Date(firstOfMonth);
  const days = new Date(Date.UTC(first.getUTCFullYear(), first.getUTCMonth() + 1, 0)).getUTCDate();
  const day = Math.min(from.getUTCDate(), days);
  return firstOfMonth + (day - 1) * DAY_MS + (((ms % DAY_MS) + DAY_MS) % DAY_MS);
}
