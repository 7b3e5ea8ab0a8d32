// What each answer of Meta means for the events in the request: one table, read by error code, because the HTTP status of
// the Graph API is no safe sign (throttling and token errors have come under 500).
// https://developers.facebook.com/docs/marketing-api/error-reference

import { z } from 'zod';
import type { Outcome } from '../core/delivery.ts';
import { type HttpAnswer, readJson, retryAfterMs } from './http.ts';

type Class = 'transient' | 'throttled' | 'misconfigured' | 'refused';

/** Where Meta does not say how long: the account rests so long. Milliseconds. */
const REST_MS = 5_000;
const LONG_REST_MS = 30_000;

interface Row {
  readonly code: number | readonly [from: number, to: number];
  readonly subcode?: number;
  readonly class: Class;
  readonly meaning: string;
  /** How long a throttled account rests where the answer does not say. Milliseconds. */
  readonly restMs?: number;
}

/** First match counts. `is_transient: true` comes before the table, an unlisted code after it. */
export const META_ERRORS: readonly Row[] = [
  { code: 1, subcode: 99, class: 'refused', meaning: 'a parameter in the wrong place' },
  { code: [1, 2], class: 'transient', meaning: 'unknown error, or the service is down' },
  { code: 4, class: 'throttled', meaning: 'too many calls of the app' },
  { code: 17, class: 'throttled', meaning: 'too many calls of the user' },
  { code: 32, class: 'throttled', meaning: 'too many calls of the page' },
  { code: 341, class: 'throttled', meaning: 'limit of the app reached', restMs: LONG_REST_MS },
  { code: 368, class: 'throttled', meaning: 'blocked for a time', restMs: LONG_REST_MS },
  { code: 613, class: 'throttled', meaning: 'too many calls' },
  { code: [80003, 80004], class: 'throttled', meaning: 'too many calls to the ad account' },
  { code: 5000, class: 'transient', meaning: 'unknown error' },
  { code: 21009, class: 'transient', meaning: 'the data set is not ready for now' },
  { code: 12, class: 'misconfigured', meaning: 'what the API version offered is no longer there' },
  { code: 803, class: 'misconfigured', meaning: 'no such dataset' },
  { code: 2500, class: 'misconfigured', meaning: 'no such address: version or dataset are wrong' },
  { code: 2635, class: 'misconfigured', meaning: 'the API version is retired' },
  { code: 3, class: 'misconfigured', meaning: 'the app lacks the capability' },
  { code: 10, class: 'misconfigured', meaning: 'the permission was not given or was taken back' },
  { code: 102, class: 'misconfigured', meaning: 'the session of the token is over' },
  { code: 190, class: 'misconfigured', meaning: 'the access token is not valid or has expired' },
  { code: 294, class: 'misconfigured', meaning: 'the permission to manage ads is missing' },
  { code: [200, 299], class: 'misconfigured', meaning: 'a permission is missing' },
  { code: 100, subcode: 33, class: 'misconfigured', meaning: 'no such dataset, or none that this token may see' },
  { code: 100, subcode: 2804003, class: 'refused', meaning: 'the event is older than seven days' },
  { code: 100, subcode: 2804009, class: 'refused', meaning: 'a purchase without a value' },
  { code: 100, subcode: 2804050, class: 'refused', meaning: 'too little customer information' },
  { code: 100, class: 'refused', meaning: 'a parameter is not valid' },
  { code: 104, class: 'refused', meaning: 'a signature is not valid' },
  { code: 105, class: 'refused', meaning: 'too many parameters' },
];

const success = z.object({ events_received: z.number(), fbtrace_id: z.string().optional() });
const failure = z.object({
  error: z.object({
    code: z.int(),
    error_subcode: z.int().optional(),
    is_transient: z.boolean().optional(),
    fbtrace_id: z.string().optional(),
  }),
});
type GraphError = z.infer<typeof failure>['error'];

/** @param sent how many events the request held: only an answer that received them all is a success */
export function metaOutcome(answer: HttpAnswer, sent: number, nowMs: number): Outcome {
  const body = readJson(answer.text);
  const refused = failure.safeParse(body);
  if (refused.success) return errorOutcome(refused.data.error, answer, nowMs);
  const received = success.safeParse(body);
  if (answer.status !== 200) return unclear(answer, `http.${answer.status}`, nowMs);
  if (!received.success) return unclear(answer, 'meta.unreadable', nowMs);
  const { events_received, fbtrace_id } = received.data;
  if (events_received !== sent) return unclear(answer, 'meta.received_less', nowMs);
  return { kind: 'accepted', httpStatus: answer.status, traceId: traceIdOf(fbtrace_id) };
}

function errorOutcome(error: GraphError, answer: HttpAnswer, nowMs: number): Outcome {
  const subcode = error.error_subcode === undefined ? '' : `.${error.error_subcode}`;
  const base = {
    httpStatus: answer.status,
    code: `meta.${error.code}${subcode}`,
    traceId: traceIdOf(error.fbtrace_id),
  };
  const wait = retryAfterMs(answer.headers, nowMs);
  const row = rowOf(error.code, error.error_subcode);
  switch (classOf(error, row, answer.status)) {
    case 'transient':
      return { kind: 'transient', ...base, retryAfterMs: wait, unknown: false };
    case 'throttled':
      return { kind: 'throttled', ...base, retryAfterMs: wait ?? regainMs(answer) ?? row?.restMs ?? REST_MS };
    case 'misconfigured':
      return { kind: 'misconfigured', ...base };
    case 'refused':
      return { kind: 'refused', ...base };
  }
}

/** The row of an error, as the table orders them. */
export function rowOf(errorCode: number, errorSubcode: number | undefined): Row | undefined {
  return META_ERRORS.find(({ code, subcode }) => {
    const [from, to] = typeof code === 'number' ? [code, code] : code;
    return errorCode >= from && errorCode <= to && (subcode === undefined || subcode === errorSubcode);
  });
}

function classOf(error: GraphError, row: Row | undefined, status: number): Class {
  if (row?.class === 'throttled') return 'throttled';
  if (error.is_transient === true) return 'transient';
  if (row !== undefined) return row.class;
  // Negative codes are Meta's internal ones.
  return error.code < 0 || status >= 500 ? 'transient' : 'refused';
}

const usage = z.record(z.string(), z.array(z.object({ estimated_time_to_regain_access: z.number().optional() })));
const MINUTE_MS = 60_000;

// A hint, and no more: Meta documents the header for its Marketing API in general (rate limiting, "business use case").
function regainMs({ headers }: HttpAnswer): number | null {
  const header = headers['x-business-use-case-usage'];
  const read = usage.safeParse(typeof header === 'string' ? readJson(header) : undefined);
  if (!read.success) return null;
  const minutes = Object.values(read.data)
    .flat()
    .map((use) => use.estimated_time_to_regain_access ?? 0);
  const longest = Math.max(0, ...minutes);
  return longest > 0 ? longest * MINUTE_MS : null;
}

// An answer that is none of Meta's documented ones: a proxy's page, a redirect, a half body. It may have been recorded.
function unclear(answer: HttpAnswer, code: string, nowMs: number): Outcome {
  return {
    kind: 'transient',
    httpStatus: answer.status,
    code,
    traceId: null,
    retryAfterMs: retryAfterMs(answer.headers, nowMs),
    unknown: true,
  };
}

function traceIdOf(text: string | undefined): string | null {
  return text !== undefined && /^[\w-]{1,64}$/.test(text) ? text : null;
}
