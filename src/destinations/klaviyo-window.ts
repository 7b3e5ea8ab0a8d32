// Klaviyo's limits of an account, kept before Klaviyo has to: a window of a second and one of a minute, fixed, and shared
// by everybody who uses the account. What others use is read from each answer.
// https://developers.klaviyo.com/en/docs/rate_limits_and_error_handling

import type { HttpHeaders } from './http.ts';

/** Of the Events API (XL): 350 in a second and 3,500 in a minute. A little less, because requests do not arrive evenly. */
const BURST = 330;
const BURST_MS = 1_000;
const STEADY = 3_500;
const STEADY_MS = 60_000;
/** The part of a minute that is left to those whose requests we do not see. */
const MARGIN = 1 / 70;

/** Times are milliseconds of one clock that only goes forward. */
export interface SendWindow {
  /** 0: the request may leave now, and is counted. Else nothing was counted, and it may leave after so long. Milliseconds. */
  take(nowMs: number): number;
  /** What an answer says of the minute. */
  learn(headers: HttpHeaders, nowMs: number): void;
  /** Nothing leaves for so long: Klaviyo said so. */
  rest(waitMs: number, nowMs: number): void;
}

/** Opens the windows of one account. */
export function createSendWindow(): SendWindow {
  // The times of the newest requests, in a ring: the place that comes next holds the oldest.
  const times = new Float64Array(BURST).fill(Number.NEGATIVE_INFINITY);
  let next = 0;
  let limit = STEADY;
  let left = STEADY;
  let minuteEndsMs = Number.NEGATIVE_INFINITY;
  let restUntilMs = Number.NEGATIVE_INFINITY;
  let unanswered = 0;
  const waitOf = (nowMs: number): number => {
    const burstMs = (times[next] ?? 0) + BURST_MS;
    const steadyMs = left > 0 ? Number.NEGATIVE_INFINITY : minuteEndsMs;
    return Math.max(0, Math.ceil(Math.max(burstMs, steadyMs, restUntilMs) - nowMs));
  };
  return {
    take(nowMs) {
      if (nowMs >= minuteEndsMs) {
        minuteEndsMs = nowMs + STEADY_MS;
        left = limit - Math.ceil(limit * MARGIN);
      }
      const waitMs = waitOf(nowMs);
      if (waitMs > 0) return waitMs;
      times[next] = nowMs;
      next = (next + 1) % BURST;
      left -= 1;
      unanswered += 1;
      return 0;
    },
    learn(headers, nowMs) {
      unanswered = Math.max(0, unanswered - 1);
      const said = {
        limit: countOf(headers, 'limit'),
        remaining: countOf(headers, 'remaining'),
        reset: countOf(headers, 'reset'),
      };
      if (said.remaining === null || said.reset === null) return;
      limit = said.limit ?? limit;
      minuteEndsMs = nowMs + said.reset * 1000;
      // What is on its way is not counted there yet.
      left = said.remaining - unanswered - Math.ceil(limit * MARGIN);
    },
    rest(waitMs, nowMs) {
      restUntilMs = Math.max(restUntilMs, nowMs + waitMs);
    },
  };
}

function countOf(headers: HttpHeaders, what: 'limit' | 'remaining' | 'reset'): number | null {
  // `RateLimit-Limit` may list its windows behind the number.
  const value = headers[`ratelimit-${what}`];
  const number = typeof value === 'string' ? /^\s*(\d{1,9})/.exec(value)?.[1] : undefined;
  return number === undefined ? null : Number(number);
}
