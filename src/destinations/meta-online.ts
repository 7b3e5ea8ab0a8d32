// Asks Meta whether token, dataset and version are accepted. The question is an event of 1970: Meta takes none that is older
// than seven days, and refuses the whole request with a code of its own, but only after it has accepted the sender.
// https://developers.facebook.com/docs/marketing-api/conversions-api/using-the-api

import type { Outcome } from '../core/delivery.ts';
import { sha256Hex } from '../core/identity.ts';
import type { DeliveryLimits } from '../core/ports.ts';
import { openClient } from './http.ts';
import { rowOf } from './meta-errors.ts';
import type { MetaEvent } from './meta-event.ts';
import { type Dataset, datasetsOf, postEvents, type Way } from './meta-request.ts';
import type { MetaSettings } from './meta-settings.ts';
import type { OnlineFinding } from './online.ts';

// Not one of the standard events: were it taken all the same, it would count for none.
const QUESTION: MetaEvent = {
  event_name: 'SluiceConfigurationCheck',
  event_time: 1,
  event_id: 'sluice-configuration-check',
  action_source: 'website',
  event_source_url: 'https://sluice.invalid/',
  user_data: { external_id: [sha256Hex('sluice-configuration-check')], client_user_agent: 'sluice' },
};

/** One finding for each dataset. */
export async function checkMeta(settings: MetaSettings, limits: DeliveryLimits): Promise<readonly OnlineFinding[]> {
  const client = openClient(settings.baseUrl, limits);
  const way: Way = { client, signal: new AbortController().signal, nowMs: 0 };
  try {
    const findings: OnlineFinding[] = [];
    for (const dataset of datasetsOf(settings)) findings.push(await ask(dataset, way, settings.apiVersion));
    return findings;
  } finally {
    await client.close();
  }
}

async function ask(dataset: Dataset, way: Way, version: string): Promise<OnlineFinding> {
  const [outcome] = await postEvents([QUESTION], dataset, way);
  const subject = `dataset ${dataset.id}`;
  if (outcome === undefined) throw new Error('one event was posted and nothing came of it');
  return { subject, ...verdictOf(outcome, version) };
}

function verdictOf(outcome: Outcome, version: string): Omit<OnlineFinding, 'subject'> {
  const code = 'code' in outcome ? outcome.code : null;
  if (outcome.kind === 'accepted' || (outcome.kind === 'refused' && code?.startsWith('meta.100'))) {
    return { verdict: 'accepted', code: null, says: `Meta accepts the token, the dataset and ${version}` };
  }
  if (outcome.kind === 'refused' || outcome.kind === 'misconfigured') {
    return { verdict: 'refused', code, says: meaningOf(code) };
  }
  return { verdict: 'unreachable', code, says: 'Meta gave no answer that says whether it accepts them' };
}

function meaningOf(code: string | null): string {
  const [, number, subcode] = /^meta\.(\d+)(?:\.(\d+))?$/.exec(code ?? '') ?? [];
  const row = rowOf(Number(number), subcode === undefined ? undefined : Number(subcode));
  return `Meta says: ${row?.meaning ?? 'an error that is not in its documentation'}`;
}
