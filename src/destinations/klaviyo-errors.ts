// What each answer of Klaviyo means for the event: one table by status.
// https://developers.klaviyo.com/en/docs/rate_limits_and_error_handling

import { z } from 'zod';
import type { Outcome } from '../core/delivery.ts';
import { type HttpAnswer, readJson, retryAfterMs } from './http.ts';

type Class = 'accepted' | 'transient' | 'throttled' | 'misconfigured' | 'refused';

interface Row {
  readonly status: number | readonly [from: number, to: number];
  readonly class: Class;
  readonly meaning: string;
}

/** First match counts; the last row covers every status. */
export const KLAVIYO_STATUSES: readonly Row[] = [
  { status: 202, class: 'accepted', meaning: 'validated and queued' },
  { status: 429, class: 'throttled', meaning: 'the account sends too much: all of it waits' },
  { status: [401, 403], class: 'misconfigured', meaning: 'the key is not valid or lacks events:write' },
  { status: 410, class: 'misconfigured', meaning: 'the API revision is retired' },
  { status: 408, class: 'transient', meaning: 'the request took too long to arrive' },
  { status: [400, 499], class: 'refused', meaning: 'the event is not valid; it never will be' },
  // 500, 502, 503, 504, 524, and a redirect or a 200, which Klaviyo does not give: it may have been recorded.
  { status: [0, 999], class: 'transient', meaning: 'no answer that says what became of the event' },
];

/** Where Klaviyo does not say how long: the account rests so long. Milliseconds. */
const THROTTLE_MS = 5_000;

const problems = z.object({
  errors: z.tuple([z.object({ id: z.string().optional(), code: z.string().optional() })], z.unknown()),
});

interface Problem {
  readonly code: string;
  readonly traceId: string | null;
  /** Klaviyo's own words, not those of something in front of it. */
  readonly isReadable: boolean;
}

/** Success is 202 alone, and its body is empty. */
export function klaviyoOutcome(answer: HttpAnswer, nowMs: number): Outcome {
  const httpStatus = answer.status;
  const { code, traceId, isReadable } = firstProblem(answer);
  const base = { httpStatus, code, traceId };
  switch (classOf(httpStatus)) {
    case 'accepted':
      return { kind: 'accepted', httpStatus, traceId };
    case 'throttled':
      return { kind: 'throttled', ...base, retryAfterMs: retryAfterMs(answer.headers, nowMs) ?? THROTTLE_MS };
    case 'misconfigured':
      return { kind: 'misconfigured', ...base };
    case 'refused':
      return { kind: 'refused', ...base };
    case 'transient':
      // An error of Klaviyo's own says that the event was not taken; a proxy's page says nothing.
      return { kind: 'transient', ...base, retryAfterMs: retryAfterMs(answer.headers, nowMs), unknown: !isReadable };
  }
}

function classOf(httpStatus: number): Class {
  const row = KLAVIYO_STATUSES.find(({ status }) => {
    const [from, to] = typeof status === 'number' ? [status, status] : status;
    return httpStatus >= from && httpStatus <= to;
  });
  return row?.class ?? 'transient';
}

/** `klaviyo.400.invalid`; without a readable error `klaviyo.400`, or `http.302` for a status that is none of Klaviyo's. */
function firstProblem({ status, text }: HttpAnswer): Problem {
  const parsed = problems.safeParse(readJson(text));
  const problem = parsed.success ? parsed.data.errors[0] : {};
  const word = problem.code?.toLowerCase() ?? '';
  const suffix = /^[a-z0-9_.-]{1,40}$/.test(word) ? `.${word}` : '';
  const traceId = problem.id !== undefined && /^[\w-]{1,64}$/.test(problem.id) ? problem.id : null;
  const isReadable = parsed.success && status >= 400;
  return { code: `${status < 400 ? 'http' : 'klaviyo'}.${status}${suffix}`, traceId, isReadable };
}
