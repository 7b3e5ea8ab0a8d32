// Asks Klaviyo whether key, scope and revision are accepted. The question is an event without a person: Klaviyo must refuse it
// for that, pointing into the document, which it reads only for those who may write events.
// https://developers.klaviyo.com/en/reference/create_event

import { z } from 'zod';
import type { DeliveryLimits } from '../core/ports.ts';
import { type HttpAnswer, openClient, readJson } from './http.ts';
import { type Posted, postDocument } from './klaviyo-request.ts';
import type { KlaviyoSettings } from './klaviyo-settings.ts';
import type { OnlineFinding } from './online.ts';

const QUESTION = {
  data: {
    type: 'event',
    attributes: {
      unique_id: 'sluice-configuration-check',
      time: '2026-01-01T00:00:00Z',
      metric: { data: { type: 'metric', attributes: { name: 'Sluice configuration check' } } },
      profile: { data: { type: 'profile', attributes: {} } },
      properties: {},
    },
  },
};

/** One finding, about the key. */
export async function checkKlaviyo(
  settings: KlaviyoSettings,
  limits: DeliveryLimits,
): Promise<readonly OnlineFinding[]> {
  const client = openClient(settings.baseUrl, limits);
  try {
    const way = { client, settings, signal: new AbortController().signal, nowMs: 0 };
    return [{ subject: 'private key', ...verdictOf(await postDocument(QUESTION, way), settings) }];
  } finally {
    await client.close();
  }
}

function verdictOf({ outcome, answer }: Posted, { revision }: KlaviyoSettings): Omit<OnlineFinding, 'subject'> {
  const code = 'code' in outcome ? outcome.code : null;
  if (outcome.kind === 'misconfigured') return { verdict: 'refused', code, says: refusalOf(answer?.status, revision) };
  if (outcome.kind === 'accepted' || (outcome.kind === 'refused' && pointsIntoDocument(answer))) {
    return { verdict: 'accepted', code: null, says: `Klaviyo accepts the key, its scope and revision ${revision}` };
  }
  // What is refused without a place in the document is refused for what stands around it: address, revision, media type.
  if (outcome.kind === 'refused') return { verdict: 'refused', code, says: refusalOf(410, revision) };
  return { verdict: 'unreachable', code, says: 'Klaviyo gave no answer that says whether it accepts them' };
}

function refusalOf(status: number | undefined, revision: string): string {
  if (status === 401) return 'Klaviyo does not know the private key';
  if (status === 403) return 'the private key lacks the scope events:write';
  return `Klaviyo does not serve revision ${revision} at this address`;
}

const problems = z.object({
  errors: z.array(z.object({ source: z.object({ pointer: z.string() }).partial().optional() })),
});

function pointsIntoDocument(answer: HttpAnswer | null): boolean {
  const read = problems.safeParse(readJson(answer?.text ?? ''));
  return read.success && read.data.errors.some(({ source }) => source?.pointer?.startsWith('/data') === true);
}
