import { describe, expect, it } from 'vitest';
import { additionalConsent } from '../../src/consent/additional-consent.ts';
import { tcf } from '../../src/consent/tcf.ts';
import type { Evidence, RuleNote } from '../../src/core/consent.ts';
import { type TcContent, writeAdditionalConsent, writeTcString } from '../../src/demo/consent-strings.ts';
import {
  ALL_PURPOSES,
  askAbout,
  DAY,
  defaultPolicy,
  grantedTc,
  HOUR,
  keyedHash,
  NOW,
  spell,
  YESTERDAY,
} from './fixture.ts';

const FACEBOOK = writeAdditionalConsent([20, 89, 93]);
const without = (purpose: number) => ALL_PURPOSES.filter((one) => one !== purpose);

function besideAc(ac: string | null): Evidence {
  const evidence = ac === null ? null : additionalConsent.decode({ additional_consent: ac }, keyedHash);
  return evidence === null ? {} : { additional_consent: evidence };
}

function judge(content: Partial<TcContent>, ac: string | null = FACEBOOK, destination: 'meta' | 'klaviyo' = 'meta') {
  return judgeText(writeTcString({ createdMs: YESTERDAY, purposes: ALL_PURPOSES, ...content }), ac, destination);
}

function judgeText(text: string, ac: string | null = FACEBOOK, destination: 'meta' | 'klaviyo' = 'meta') {
  const evidence = tcf.decode({ tcf: text }, keyedHash);
  if (evidence === null) throw new Error('no evidence');
  return spell(tcf.judge(evidence, askAbout({ destination, beside: besideAc(ac) })));
}

describe('a TC string', () => {
  const rows: readonly (readonly [string, Partial<TcContent>, meta: string, klaviyo: string])[] = [
    ['grants with every purpose', {}, 'granted', 'granted'],
    ['grants with the purposes that are needed', { purposes: [1, 3, 4, 7] }, 'granted', 'granted'],
    ['denies storage without purpose 1', { purposes: without(1) }, 'denied:storage.denied', 'denied:storage.denied'],
    ['denies without purpose 3', { purposes: without(3) }, 'denied:purpose.denied', 'denied:purpose.denied'],
    ['denies without purpose 4', { purposes: without(4) }, 'denied:purpose.denied', 'denied:purpose.denied'],
    ['denies Meta alone without purpose 7', { purposes: without(7) }, 'denied:purpose.denied', 'granted'],
    ['names storage first where all is refused', { purposes: [] }, 'denied:storage.denied', 'denied:storage.denied'],
    [
      'never counts legitimate interest',
      { purposes: [1], legitimateInterests: ALL_PURPOSES },
      'denied:purpose.denied',
      'denied:purpose.denied',
    ],
    ['ignores bits above purpose 11', { purposes: [12, 13, 24] }, 'denied:storage.denied', 'denied:storage.denied'],
    [
      'takes PurposeOneTreatment for no consent to storage',
      { purposeOneTreatment: true },
      'denied:storage.denied',
      'denied:storage.denied',
    ],
    ['does not look at vendor bits', { vendors: { max: 900, ids: [1, 2, 89, 755] } }, 'granted', 'granted'],
    [
      'does not look at publisher restrictions',
      { restrictions: [{ purpose: 3, type: 0, ranges: [[1, 900]] }] },
      'granted',
      'granted',
    ],
    ['is of no supported version below policy 4', { policyVersion: 3 }, ...twice('none:consent.unsupported_version')],
    ['is judged by known rules under a later policy', { policyVersion: 63 }, 'granted', 'granted'],
    [
      'is of no supported version in global scope',
      { serviceSpecific: false },
      ...twice('none:consent.unsupported_version'),
    ],
    ['is of no supported version above 2', { version: 3 }, ...twice('none:consent.unsupported_version')],
    ['is malformed with CMP id 1', { cmpId: 1 }, ...twice('none:consent.malformed')],
    ['counts with CMP id 2', { cmpId: 2 }, 'granted', 'granted'],
    ['is malformed with a language that has no letters', { language: '[[' }, ...twice('none:consent.malformed')],
    [
      'does not take the region from the publisher country',
      { publisherCountry: 'US', purposes: [] },
      ...twice('denied:storage.denied'),
    ],
    [
      'needs disclosedVendors when made after February 2026',
      { disclosed: null },
      ...twice('none:vendor.not_disclosed'),
    ],
    [
      'is refused before it is undisclosed',
      { disclosed: null, purposes: without(1) },
      ...twice('denied:storage.denied'),
    ],
    [
      'needs no disclosedVendors when made on the last day without it',
      { disclosed: null, createdMs: Date.UTC(2026, 1, 28) },
      'granted',
      'granted',
    ],
    [
      'needs disclosedVendors from the first day of March 2026',
      { disclosed: null, createdMs: Date.UTC(2026, 2, 1) },
      ...twice('none:vendor.not_disclosed'),
    ],
  ];
  it.each(rows)('%s', (_name, content, meta, klaviyo) => {
    expect(judge(content)).toBe(meta);
    expect(judge(content, FACEBOOK, 'klaviyo')).toBe(klaviyo);
  });
});

function twice(verdict: string): [string, string] {
  return [verdict, verdict];
}

describe('the age of a TC string', () => {
  const limit = Date.UTC(2025, 9, 24, 12);
  const rows: readonly (readonly [string, Partial<TcContent>, string])[] = [
    ['counts to thirteen calendar months', { createdMs: limit }, 'granted'],
    ['has a day of slack for midnights of other zones', { createdMs: limit - DAY + HOUR }, 'granted'],
    ['ends a day later', { createdMs: limit - DAY - HOUR }, 'none:consent.expired'],
    ['counts from the last update', { createdMs: NOW - 900 * DAY, lastUpdatedMs: YESTERDAY }, 'granted'],
    ['may be today', { createdMs: NOW - HOUR }, 'granted'],
    ['may be ahead by less than a day', { createdMs: NOW + DAY - HOUR }, 'granted'],
    ['lies in the future beyond a day', { createdMs: NOW + DAY + HOUR }, 'none:consent.future'],
    [
      'is malformed when updated before it was made',
      { createdMs: YESTERDAY, lastUpdatedMs: YESTERDAY - 2 * DAY },
      'none:consent.malformed',
    ],
    ['expires before it refuses', { createdMs: NOW - 900 * DAY, purposes: [] }, 'none:consent.expired'],
    [
      'is unsupported before it is in the future',
      { createdMs: NOW + 9 * DAY, policyVersion: 2 },
      'none:consent.unsupported_version',
    ],
  ];
  it.each(rows)('%s', (_name, content, verdict) => {
    expect(judge(content)).toBe(verdict);
  });

  it('follows the policy', () => {
    const policy = { ...defaultPolicy, consent: { ...defaultPolicy.consent, maxAgeMonths: 6 } };
    const evidence = tcf.decode(
      { tcf: writeTcString({ createdMs: Date.UTC(2026, 3, 20), purposes: ALL_PURPOSES }) },
      keyedHash,
    );
    expect(evidence && spell(tcf.judge(evidence, askAbout({ policy, destination: 'klaviyo' })))).toBe(
      'none:consent.expired',
    );
  });

  it('is judged anew each time, though the string is remembered', () => {
    const evidence = tcf.decode({ tcf: grantedTc() }, keyedHash);
    const at = (atMs: number) => evidence && spell(tcf.judge(evidence, askAbout({ atMs, destination: 'klaviyo' })));
    expect([at(NOW), at(NOW + 500 * DAY), at(NOW)]).toEqual(['granted', 'none:consent.expired', 'granted']);
  });
});

describe('what speaks for Meta as a vendor', () => {
  const publisher = (consents: readonly number[]) => ({ publisher: { consents, customPurposes: 2 } });
  const rows: readonly (readonly [string, Partial<TcContent>, ac: string | null, string])[] = [
    ['is nothing without Additional Consent', {}, null, 'none:vendor.not_disclosed'],
    ['is id 89 among the consented', {}, '2~89~dv.', 'granted'],
    ['is id 89 in version 1', {}, '1~20.89', 'granted'],
    ['is not 189 or 890', {}, '2~189.890~dv.', 'none:vendor.not_disclosed'],
    ['is not id 89 in both lists', {}, '2~89~dv.89', 'none:vendor.not_disclosed'],
    ['is not a string that cannot be read', {}, '2~89', 'none:vendor.not_disclosed'],
    ['is the publisher segment with the same purposes', publisher([1, 3, 4, 7]), null, 'granted'],
    ['is not the publisher segment with one purpose less', publisher([1, 3, 4]), null, 'none:vendor.not_disclosed'],
    [
      'is not vendor 89 of the IAB',
      { vendors: { max: 89, ids: [89] }, disclosed: { max: 89, ids: [89] } },
      null,
      'none:vendor.not_disclosed',
    ],
  ];
  it.each(rows)('%s', (_name, content, ac, verdict) => {
    expect(judge(content, ac)).toBe(verdict);
    expect(judge(content, ac, 'klaviyo')).toBe('granted');
  });

  it('is not asked for where the policy names none', () => {
    const { meta, klaviyo } = defaultPolicy.destinations;
    if (meta?.tcf === undefined || klaviyo === undefined) throw new Error('the default policy has both');
    const policy = {
      ...defaultPolicy,
      destinations: { meta: { ...meta, tcf: { ...meta.tcf, vendorEvidence: [] } }, klaviyo },
    };
    const evidence = tcf.decode({ tcf: grantedTc() }, keyedHash);
    expect(evidence && spell(tcf.judge(evidence, askAbout({ policy })))).toBe('granted');
  });
});

describe('a damaged TC string', () => {
  const good = writeTcString({ createdMs: YESTERDAY, purposes: ALL_PURPOSES, disclosed: { max: 9, ids: [2, 9] } });
  const [core = '', disclosed = ''] = good.split('.');
  const refusing = writeTcString({ createdMs: YESTERDAY, purposes: [], disclosed: null });
  const rows: readonly (readonly [string, string, string])[] = [
    ['alone in its second segment', disclosed, 'none:consent.malformed'],
    ['with the core behind', `${disclosed}.${core}`, 'none:consent.malformed'],
    ['with two cores', `${refusing}.${core}.${disclosed}`, 'none:consent.malformed'],
    ['with a segment twice', `${core}.${disclosed}.${disclosed}`, 'none:consent.malformed'],
    ['with five segments', `${core}.${disclosed}.Q.Y.I`, 'none:consent.malformed'],
    ['with an empty segment', `${core}..${disclosed}`, 'none:consent.malformed'],
    ['with a dot at its end', `${good}.`, 'none:consent.malformed'],
    ['with padding', `${good}==`, 'none:consent.malformed'],
    ['in the alphabet of plain base64', good.replace(/[\w]{2}$/, '+/'), 'none:consent.malformed'],
    ['with white space around it', ` ${good}\n`, 'none:consent.malformed'],
    ['with padding that is not zero', `${core.slice(0, -1)}B.${disclosed}`, 'none:consent.malformed'],
    ['with zeros behind it', `${core}${'A'.repeat(40)}.${disclosed}`, 'none:consent.malformed'],
    ['that was cut', core.slice(0, 40), 'none:consent.malformed'],
    ['of the first framework', `BP${'A'.repeat(33)}`, 'none:consent.unsupported_version'],
    ['that is a macro', `\${GDPR_CONSENT_755}`, 'none:consent.malformed'],
    ['that is too long', `${core}.${'I'.repeat(9000)}`, 'none:consent.malformed'],
  ];
  it.each(rows)('%s is no consent', (_name, text, verdict) => {
    expect(judgeText(text)).toBe(verdict);
  });

  it('leaves nothing of itself in the evidence', () => {
    const text = `${good}; alice@shop.example`;
    expect(tcf.decode({ tcf: text }, keyedHash)).toEqual({
      unreadable: 'alphabet',
      code: 'consent.malformed',
      length: text.length,
      hash: keyedHash(text),
    });
  });
});

describe('the verdict of a TC string', () => {
  it('has the day of the last update as its time', () => {
    const evidence = tcf.decode({ tcf: grantedTc() }, keyedHash);
    expect(evidence && tcf.judge(evidence, askAbout({ destination: 'klaviyo' }))).toEqual({
      result: 'granted',
      sufficient: true,
      time: { ms: YESTERDAY, precision: 'day' },
      purposes: { required: 0b1101, granted: 0b111_1111_1111 },
    });
  });

  it('knows no purposes above 11', () => {
    const evidence = tcf.decode(
      { tcf: writeTcString({ createdMs: YESTERDAY, purposes: [1, 3, 4, 12, 24] }) },
      keyedHash,
    );
    expect(evidence && tcf.judge(evidence, askAbout({ destination: 'klaviyo' }))).toMatchObject({
      purposes: { required: 0b1101, granted: 0b1101 },
    });
  });

  it('shows the purposes of a refusal too', () => {
    const evidence = tcf.decode({ tcf: writeTcString({ createdMs: YESTERDAY, purposes: [1, 7] }) }, keyedHash);
    expect(evidence && tcf.judge(evidence, askAbout())).toMatchObject({
      purposes: { required: 0b100_1101, granted: 0b100_0001 },
    });
  });

  it('is explained rule by rule up to the one that decides', () => {
    const notes: RuleNote[] = [];
    const evidence = tcf.decode({ tcf: writeTcString({ createdMs: YESTERDAY, purposes: without(4) }) }, keyedHash);
    if (evidence) tcf.judge(evidence, askAbout({ notes, destination: 'klaviyo' }));
    expect(notes.map(({ rule, holds }) => `${rule} ${holds}`)).toEqual([
      'readable true',
      'policy_version true',
      'scope true',
      'not_future true',
      'age true',
      'purpose_1 true',
      'purpose_3 true',
      'purpose_4 false',
    ]);
  });

  it('is not given where the policy asks nothing of TCF', () => {
    const { klaviyo } = defaultPolicy.destinations;
    if (klaviyo === undefined) throw new Error('the default policy has klaviyo');
    const { tcf: _, ...wanted } = klaviyo;
    const policy = { ...defaultPolicy, destinations: { klaviyo: wanted } };
    const evidence = tcf.decode({ tcf: grantedTc() }, keyedHash);
    expect(evidence && tcf.judge(evidence, askAbout({ policy, destination: 'klaviyo' }))).toBeNull();
  });

  it('is absent without a string', () => {
    expect([tcf.decode({}, keyedHash), tcf.decode({ tcf: '' }, keyedHash)]).toEqual([null, null]);
  });
});
