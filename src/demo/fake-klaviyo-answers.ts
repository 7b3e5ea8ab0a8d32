// What the stand-in for Klaviyo answers, in the form of its JSON:API errors.

import type { Fault, Reply } from './fake-faults.ts';
import type { KlaviyoProblem } from './fake-klaviyo-rules.ts';

export interface Refusal {
  readonly status: number;
  readonly problems: readonly KlaviyoProblem[];
  readonly headers?: Readonly<Record<string, string>>;
}

const CODES: Readonly<Record<number, string>> = {
  400: 'invalid',
  401: 'not_authenticated',
  403: 'permission_denied',
  404: 'not_found',
  405: 'method_not_allowed',
  410: 'gone',
  413: 'payload_too_large',
  415: 'unsupported_media_type',
  429: 'throttled',
};
const ERROR_ID = '5f1d5a52-0f0e-4f0e-9f2e-000000000001';

/** A refusal for one reason. */
export function refusal(status: number, rule: string, detail: string): Refusal {
  return { status, problems: [{ rule, pointer: '', detail }] };
}

interface ErrorWords {
  readonly code?: string;
  readonly problems?: readonly Omit<KlaviyoProblem, 'rule'>[];
  readonly headers?: Readonly<Record<string, string>>;
}

export function klaviyoErrorReply(status: number, words: ErrorWords = {}): Reply {
  const { code = CODES[status] ?? 'error', problems = [{ pointer: '', detail: 'The request failed.' }] } = words;
  const errors = problems.map(({ pointer, detail }) => ({
    id: ERROR_ID,
    status,
    code,
    title: detail,
    detail,
    source: pointer === '' ? {} : { pointer },
  }));
  return {
    status,
    headers: { 'content-type': 'application/vnd.api+json', ...words.headers },
    text: JSON.stringify({ errors }),
  };
}

/** A fault that answers with an error of Klaviyo. */
export function klaviyoError(status: number, words: ErrorWords & Pick<Fault, 'times' | 'match'> = {}): Fault {
  const { times = 1, match = () => true, ...rest } = words;
  return { do: 'answer', reply: klaviyoErrorReply(status, rest), times, match };
}
