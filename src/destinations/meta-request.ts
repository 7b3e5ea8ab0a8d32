// Events on their way to one dataset: cut to what a request may hold, posted, and the answer read.
// https://developers.facebook.com/docs/marketing-api/conversions-api/using-the-api

import { createHmac } from 'node:crypto';
import type { Outcome } from '../core/delivery.ts';
import type { Secret } from '../core/settings.ts';
import { failureOutcome, type HttpClient } from './http.ts';
import { metaOutcome } from './meta-errors.ts';
import type { MetaEvent } from './meta-event.ts';
import type { MetaSettings } from './meta-settings.ts';

/** "Up to 1,000 events"; the bytes are our own bound, far below what Meta's servers take. */
const MAX_EVENTS = 1000;
const MAX_BYTES = 5_000_000;

/** One dataset, with everything that goes into each of its requests beside the events. */
export interface Dataset {
  readonly id: string;
  readonly path: string;
  readonly tail: string;
}

/** The site's datasets, its own first. */
export function datasetsOf(settings: MetaSettings): readonly [Dataset, ...Dataset[]] {
  const others = Object.entries(settings.furtherDatasets).filter(([id]) => id !== settings.datasetId);
  return [
    toDataset(settings, settings.datasetId, settings.accessToken),
    ...others.map(([id, token]) => toDataset(settings, id, token)),
  ];
}

function toDataset(
  { apiVersion, testEventCode, partnerAgent, appSecret }: MetaSettings,
  id: string,
  token: Secret,
): Dataset {
  const beside = {
    ...(testEventCode === null ? {} : { test_event_code: testEventCode }),
    ...(partnerAgent === null ? {} : { partner_agent: partnerAgent }),
    ...(appSecret === null ? {} : { appsecret_proof: proofOf(appSecret, token) }),
    // The token in the body, as in Meta's own SDK: addresses end up in the logs of every proxy.
    access_token: token.reveal(),
  };
  return { id, path: `/${apiVersion}/${id}/events`, tail: JSON.stringify(beside).slice(1) };
}

/** Hex HMAC-SHA-256 of the token under the app's secret ("Securing requests", Graph API). */
function proofOf(appSecret: Secret, token: Secret): string {
  return createHmac('sha256', appSecret.reveal()).update(token.reveal()).digest('hex');
}

export interface Way {
  readonly client: HttpClient;
  readonly signal: AbortSignal;
  readonly nowMs: number;
}

/**
 * Posts the events in their order, one outcome each. A request that was not taken ends the list: what stands behind it may
 * be the same person's later event, and is told the same without being sent.
 */
export async function postEvents(
  events: readonly MetaEvent[],
  dataset: Dataset,
  way: Way,
): Promise<readonly Outcome[]> {
  const outcomes: Outcome[] = [];
  for (const chunk of chunksOf(events.map((event) => JSON.stringify(event)))) {
    const outcome = await post(chunk, dataset, way);
    outcomes.push(...chunk.map(() => outcome));
    if (outcome.kind === 'accepted') continue;
    const unsent: Outcome = outcome.kind === 'transient' ? { ...outcome, unknown: false } : outcome;
    while (outcomes.length < events.length) outcomes.push(unsent);
    break;
  }
  return outcomes;
}

function chunksOf(texts: readonly string[]): readonly (readonly string[])[] {
  const chunks: string[][] = [];
  let bytes = 0;
  for (const text of texts) {
    const size = Buffer.byteLength(text) + 1;
    const last = chunks.at(-1);
    if (last === undefined || last.length === MAX_EVENTS || bytes + size > MAX_BYTES) {
      chunks.push([text]);
      bytes = size;
    } else {
      last.push(text);
      bytes += size;
    }
  }
  return chunks;
}

async function post(
  texts: readonly string[],
  { path, tail }: Dataset,
  { client, signal, nowMs }: Way,
): Promise<Outcome> {
  const result = await client.post({
    path,
    headers: { 'content-type': 'application/json', accept: 'application/json' },
    body: `{"data":[${texts.join(',')}],${tail}`,
    signal,
  });
  return 'failure' in result ? failureOutcome(result) : metaOutcome(result, texts.length, nowMs);
}
