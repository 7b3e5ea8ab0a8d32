// What becomes of a job: outcomes as values, and the pure step from an outcome to the next state (contract section 5).

/** How one attempt ended. `code` is stable and printable: `meta.100.2804003`, `klaviyo.400.invalid`, `http.timeout`. */
export type Outcome =
  | { readonly kind: 'accepted'; readonly httpStatus: number; readonly traceId: string | null }
  /** The vendor will never take this event. */
  | { readonly kind: 'refused'; readonly httpStatus: number; readonly code: string; readonly traceId: string | null }
  /** Try again. `unknown`: the vendor may have recorded it. */
  | {
      readonly kind: 'transient';
      readonly httpStatus: number | null;
      readonly code: string;
      readonly traceId: string | null;
      readonly retryAfterMs: number | null;
      readonly unknown: boolean;
    }
  /** The whole account is held back for `retryAfterMs`; the event itself is blameless. */
  | {
      readonly kind: 'throttled';
      /** Null where the account's own window said so and nobody was asked. */
      readonly httpStatus: number | null;
      readonly code: string;
      readonly traceId: string | null;
      readonly retryAfterMs: number;
    }
  /** Token, permission, dataset, revision: nothing can be sent until somebody mends it. */
  | {
      readonly kind: 'misconfigured';
      readonly httpStatus: number;
      readonly code: string;
      readonly traceId: string | null;
    }
  /** There is nothing to send, and the code says why. */
  | { readonly kind: 'skipped'; readonly code: string }
  /** The look before the send forbade it. */
  | { readonly kind: 'cancelled'; readonly code: string };

export type SettledOutcome = 'accepted' | 'refused' | 'gave_up' | 'cancelled' | 'skipped';
export type DeliveryOutcome = SettledOutcome | 'retrying';

/** How Meta ended, as Klaviyo is told. */
export type CapiStatus = 'sent' | 'failed' | 'skipped' | 'deferred';

/** What Klaviyo is told once Meta's job has ended so. */
export const CAPI_STATUS: Readonly<Record<SettledOutcome, CapiStatus>> = {
  accepted: 'sent',
  refused: 'failed',
  gave_up: 'failed',
  cancelled: 'skipped',
  skipped: 'skipped',
};

/** The facts of a job that its next step depends on. */
export interface JobState {
  /** How often it failed alone before: failures of a company, and throttling, are not known to be its own. */
  readonly backoff: number;
  /** When the event was accepted, epoch milliseconds. */
  readonly acceptedMs: number;
}

export interface RetryRules {
  /** The longest wait after the first failure, the second, …; the last value repeats. Milliseconds. */
  readonly scheduleMs: readonly number[];
  /** Nobody is waited for longer than this, whatever Retry-After says. Milliseconds. */
  readonly maxRetryAfterMs: number;
  /** Counted from acceptance: later than this the job is given up. Milliseconds. */
  readonly giveUpAfterMs: number;
}

export type Step =
  | { readonly step: 'settle'; readonly outcome: SettledOutcome }
  | { readonly step: 'retry'; readonly dueMs: number }
  | { readonly step: 'pause' };

const MIN_WAIT_MS = 250;

/**
 * The next step of a job after an outcome. Pure: `random` is a number in [0, 1) for the full jitter.
 * Throttling and a refused configuration are the account's fault: they use up no attempt and never give up before the time.
 */
export function nextStep(job: JobState, outcome: Outcome, nowMs: number, rules: RetryRules, random: number): Step {
  switch (outcome.kind) {
    case 'accepted':
    case 'refused':
    case 'skipped':
    case 'cancelled':
      return { step: 'settle', outcome: outcome.kind };
    case 'misconfigured':
      return isOverdue(job, nowMs, rules) ? { step: 'settle', outcome: 'gave_up' } : { step: 'pause' };
    case 'throttled':
      return retryAt(job, nowMs, Math.min(outcome.retryAfterMs, rules.maxRetryAfterMs), rules);
    case 'transient':
      return retryAt(job, nowMs, waitMs(job, outcome.retryAfterMs, rules, random), rules);
  }
}

function isOverdue(job: JobState, atMs: number, rules: RetryRules): boolean {
  return atMs - job.acceptedMs >= rules.giveUpAfterMs;
}

function retryAt(job: JobState, nowMs: number, delayMs: number, rules: RetryRules): Step {
  const dueMs = nowMs + delayMs;
  return isOverdue(job, dueMs, rules) ? { step: 'settle', outcome: 'gave_up' } : { step: 'retry', dueMs };
}

function waitMs(job: JobState, retryAfterMs: number | null, rules: RetryRules, random: number): number {
  const longest = rules.scheduleMs[Math.min(job.backoff, rules.scheduleMs.length - 1)] ?? MIN_WAIT_MS;
  const jittered = Math.max(MIN_WAIT_MS, Math.floor(longest * random));
  return retryAfterMs === null ? jittered : Math.max(jittered, Math.min(retryAfterMs, rules.maxRetryAfterMs));
}
