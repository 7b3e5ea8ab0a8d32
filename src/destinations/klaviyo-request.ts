// One request to Klaviyo's Events API, and its answer read.
// https://developers.klaviyo.com/en/reference/create_event

import type { Outcome } from '../core/delivery.ts';
import { failureOutcome, type HttpAnswer, type HttpClient, type HttpHeaders, type HttpResult } from './http.ts';
import { klaviyoOutcome } from './klaviyo-errors.ts';
import type { KlaviyoSettings } from './klaviyo-settings.ts';

export interface KlaviyoWay {
  readonly client: HttpClient;
  readonly settings: KlaviyoSettings;
  readonly signal: AbortSignal;
  readonly nowMs: number;
}

export interface Posted {
  readonly outcome: Outcome;
  /** None where no answer came. */
  readonly headers: HttpHeaders;
  readonly answer: HttpAnswer | null;
}

/** Posts a JSON:API document. */
export async function postDocument(document: object, { client, settings, signal, nowMs }: KlaviyoWay): Promise<Posted> {
  const result: HttpResult = await client.post({
    path: '/api/events',
    headers: {
      authorization: `Klaviyo-API-Key ${settings.privateKey.reveal()}`,
      revision: settings.revision,
      // A retired revision must fail loudly instead of becoming another one in silence.
      'x-klaviyo-revision-fall-forward-opt-out': '1',
      'content-type': 'application/vnd.api+json',
      accept: 'application/vnd.api+json',
    },
    body: JSON.stringify(document),
    signal,
  });
  if ('failure' in result) return { outcome: failureOutcome(result), headers: {}, answer: null };
  return { outcome: klaviyoOutcome(result, nowMs), headers: result.headers, answer: result };
}
