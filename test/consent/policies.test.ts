// Who gets through under each policy that comes with the product.

import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { collectEvidence, signals } from '../../src/consent/index.ts';
import type { RawConsent } from '../../src/core/consent.ts';
import { createDecide } from '../../src/core/policy.ts';
import { identifyPolicy, policyFile } from '../../src/core/policy-file.ts';
import { writeAlertBoxClosed, writeOptanonConsent } from '../../src/demo/consent-strings.ts';
import { DAY, grantedTc, keyedHash, NOW, refusedTc, YESTERDAY } from './fixture.ts';

const decide = createDecide(signals);

function oneTrust(groups: Readonly<Record<string, 0 | 1>>, answeredMs = YESTERDAY): RawConsent {
  return {
    onetrust: writeOptanonConsent({ groups, writtenMs: NOW, geolocation: 'DE;BE', interaction: 6 }),
    onetrust_closed: writeAlertBoxClosed(answeredMs),
  };
}

const VISITORS = {
  silent: {},
  'accepts all by TCF': { tcf: grantedTc(), additional_consent: '2~20.89~dv.' },
  'accepts all by TCF without Additional Consent': { tcf: grantedTc() },
  'refuses by TCF': { tcf: refusedTc() },
  'accepts all by OneTrust': oneTrust({ C0001: 1, C0002: 1, C0003: 1, C0004: 1 }),
  'accepted by OneTrust seven months ago': oneTrust({ C0002: 1, C0004: 1 }, NOW - 215 * DAY),
  'accepts marketing alone by OneTrust': oneTrust({ C0002: 0, C0004: 1 }),
  'refuses by OneTrust': oneTrust({ C0001: 1, C0004: 0 }),
  'accepts by Consent Mode': { gcs: 'G111', gcd: '13r3r3r3r5' },
  'is granted by a default of Consent Mode': { gcs: 'G111', gcd: '13t3t3t3t5' },
  'accepts by OneTrust and withdraws': { ...oneTrust({ C0002: 1, C0004: 1 }), gcs: 'G100' },
  'accepts by Shopify': { shopify: { marketing: true, analytics: true, preferences: true, sale_of_data: true } },
  'opts out by GPC': { gpc: true },
  'opts out by US Privacy': { usprivacy: '1YYN' },
} as const satisfies Readonly<Record<string, RawConsent>>;
type Visitor = keyof typeof VISITORS;

const PLACES = { Germany: 'DE', 'the US': 'US', Japan: 'JP', 'an unknown country': null } as const;
type Place = keyof typeof PLACES;

function outcome(file: string, visitor: Visitor, place: Place, destination: string): string {
  const text = readFileSync(new URL(`../../config/policies/${file}.yaml`, import.meta.url), 'utf8');
  const decision = decide(
    { name: 'purchase', objections: [] },
    collectEvidence([VISITORS[visitor]], keyedHash),
    { country: PLACES[place], basis: PLACES[place] === null ? 'unknown' : 'proxy_header' },
    identifyPolicy(policyFile.parse(parse(text))),
    {
      destination,
      atMs: NOW,
      configured: true,
      mapped: true,
      duplicate: false,
      erased: false,
      withdrawnMs: null,
      paused: false,
      transactional: false,
    },
  );
  return `${decision.verdict} ${decision.reason}${decision.limitedDataUse ? ' (limited data use)' : ''}`;
}

type Row = readonly [Visitor, Place, meta: string, klaviyo: string];
const both = (visitor: Visitor, place: Place, result: string): Row => [visitor, place, result, result];

// What is the same under every policy.
const EVERYWHERE: readonly Row[] = [
  both('silent', 'Germany', 'drop consent.absent'),
  both('silent', 'an unknown country', 'drop consent.absent'),
  both('accepts by OneTrust and withdraws', 'Germany', 'drop storage.denied'),
  both('accepts by OneTrust and withdraws', 'the US', 'drop storage.denied'),
  both('is granted by a default of Consent Mode', 'Germany', 'drop consent.unanswered'),
  both('opts out by US Privacy', 'Germany', 'drop optout.us_privacy'),
];

const POLICIES: Readonly<Record<string, readonly Row[]>> = {
  default: [
    ...EVERYWHERE,
    both('silent', 'the US', 'permit consent.not_required'),
    both('silent', 'Japan', 'permit consent.not_required'),
    both('accepts all by TCF', 'Germany', 'permit consent.granted'),
    both('accepts all by TCF', 'an unknown country', 'permit consent.granted'),
    ['accepts all by TCF without Additional Consent', 'Germany', 'drop vendor.not_disclosed', 'permit consent.granted'],
    both('refuses by TCF', 'Germany', 'drop storage.denied'),
    both('accepts all by OneTrust', 'Germany', 'permit consent.granted'),
    both('accepted by OneTrust seven months ago', 'Germany', 'permit consent.granted'),
    both('accepts marketing alone by OneTrust', 'Germany', 'permit consent.granted'),
    both('refuses by OneTrust', 'Germany', 'drop category.denied'),
    both('refuses by OneTrust', 'Japan', 'drop category.denied'),
    both('accepts by Consent Mode', 'Germany', 'drop consent.absent'),
    both('accepts by Shopify', 'Germany', 'permit consent.granted'),
    both('opts out by GPC', 'the US', 'drop optout.gpc'),
    both('opts out by GPC', 'Germany', 'drop consent.absent'),
  ],
  strict: [
    ...EVERYWHERE,
    both('silent', 'the US', 'drop consent.absent'),
    both('silent', 'Japan', 'drop consent.absent'),
    both('accepts all by TCF', 'Japan', 'permit consent.granted'),
    ['accepts all by TCF without Additional Consent', 'Germany', 'drop vendor.not_disclosed', 'permit consent.granted'],
    both('accepts all by OneTrust', 'Germany', 'permit consent.granted'),
    both('accepted by OneTrust seven months ago', 'Germany', 'drop consent.expired'),
    both('accepts marketing alone by OneTrust', 'Germany', 'drop category.denied'),
    both('accepts by Consent Mode', 'Germany', 'drop consent.absent'),
    both('accepts by Shopify', 'Germany', 'permit consent.granted'),
    both('opts out by GPC', 'the US', 'drop consent.absent'),
  ],
  'onetrust-only': [
    both('silent', 'Germany', 'drop consent.absent'),
    both('silent', 'the US', 'permit consent.not_required'),
    both('accepts all by OneTrust', 'Germany', 'permit consent.granted'),
    both('refuses by OneTrust', 'Germany', 'drop category.denied'),
    both('accepts by OneTrust and withdraws', 'Germany', 'drop storage.denied'),
    both('accepts all by TCF', 'Germany', 'drop consent.absent'),
    both('accepts by Consent Mode', 'Germany', 'drop consent.absent'),
    both('accepts by Shopify', 'Germany', 'drop consent.absent'),
    both('opts out by GPC', 'the US', 'drop optout.gpc'),
    both('opts out by US Privacy', 'the US', 'drop optout.us_privacy'),
  ],
  'google-consent-mode': [
    ...EVERYWHERE,
    both('silent', 'the US', 'permit consent.not_required'),
    both('accepts by Consent Mode', 'Germany', 'permit consent.granted'),
    both('accepts all by TCF', 'Germany', 'permit consent.granted'),
    both('accepts all by OneTrust', 'Germany', 'drop consent.absent'),
    both('refuses by TCF', 'Germany', 'drop storage.denied'),
    both('opts out by GPC', 'the US', 'drop optout.gpc'),
  ],
  'us-opt-out': [
    ...EVERYWHERE,
    both('silent', 'the US', 'permit consent.not_required'),
    ['opts out by GPC', 'the US', 'permit consent.not_required (limited data use)', 'drop optout.gpc'],
    ['opts out by US Privacy', 'the US', 'permit consent.not_required (limited data use)', 'drop optout.us_privacy'],
    both('refuses by OneTrust', 'the US', 'drop category.denied'),
    both('opts out by GPC', 'Germany', 'drop consent.absent'),
    both('accepts all by TCF', 'Germany', 'permit consent.granted'),
  ],
};

describe.each(Object.entries(POLICIES))('under the policy %s', (file, rows) => {
  it.each(rows)('who %s in %s: Meta %s, Klaviyo %s', (visitor, place, meta, klaviyo) => {
    expect([outcome(file, visitor, place, 'meta'), outcome(file, visitor, place, 'klaviyo')]).toEqual([meta, klaviyo]);
  });
});
