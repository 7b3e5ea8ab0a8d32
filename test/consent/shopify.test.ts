import { describe, expect, it } from 'vitest';
import { countryHints } from '../../src/consent/index.ts';
import { shopify } from '../../src/consent/shopify.ts';
import type { RawConsent } from '../../src/core/consent.ts';
import type { Json } from '../../src/core/json.ts';
import type { DestinationPolicy } from '../../src/core/policy-file.ts';
import type { Region } from '../../src/core/region.ts';
import { askAbout, decideOn, fastest, keyedHash, spell } from './fixture.ts';

const cookie = (value: Json) => ({ shopify_cookie: encodeURIComponent(JSON.stringify(value)) });
const choices = (m: string, more: { [key: string]: Json } = {}) =>
  cookie({ con: { CMP: { a: '1', m, p: '', s: '' } }, v: '2.1', region: 'DEBE', reg: 'GDPR', ...more });

type Wanted = NonNullable<DestinationPolicy['shopify']>['signals'];

function judge(raw: RawConsent, { region = 'regulated', wanted }: { region?: Region; wanted?: Wanted } = {}) {
  const evidence = shopify.decode(raw, keyedHash);
  if (evidence === null) return 'absent';
  const ask = askAbout({ region });
  const asked = wanted === undefined ? ask : { ...ask, wanted: { ...ask.wanted, shopify: { signals: wanted } } };
  return spell(shopify.judge(evidence, asked));
}

describe('the answers that a storefront hands on', () => {
  const rows: readonly (readonly [string, RawConsent['shopify'], Region, string])[] = [
    ['marketing allowed', { marketing: true }, 'regulated', 'granted'],
    ['marketing refused', { marketing: false, analytics: true }, 'regulated', 'denied:category.denied'],
    ['marketing refused in the US', { marketing: false }, 'opt_out', 'denied:category.denied'],
    ['nothing said of marketing', { sale_of_data: true }, 'regulated', 'none:category.missing'],
    ['sale refused in the US', { marketing: true, sale_of_data: false }, 'opt_out', 'denied:optout.sale_of_data'],
    ['sale refused in an open region', { marketing: true, sale_of_data: false }, 'open', 'denied:optout.sale_of_data'],
    [
      'sale refused where sale is no notion of the law',
      { marketing: true, sale_of_data: false },
      'regulated',
      'granted',
    ],
    ['a refusal before an opt-out', { marketing: false, sale_of_data: false }, 'opt_out', 'denied:category.denied'],
    ['no answer at all', {}, 'regulated', 'absent'],
  ];
  it.each(rows)('%s', (_name, object, region, verdict) => {
    expect(judge({ shopify: object }, { region })).toBe(verdict);
  });

  it('must allow every topic that the policy asks for', () => {
    const wanted: Wanted = ['marketing', 'analytics', 'sale_of_data'];
    const all = { marketing: true, analytics: true, sale_of_data: true };
    expect(judge({ shopify: all }, { wanted })).toBe('granted');
    expect(judge({ shopify: { ...all, analytics: false } }, { wanted })).toBe('denied:category.denied');
    expect(judge({ shopify: { ...all, sale_of_data: false } }, { wanted })).toBe('denied:optout.sale_of_data');
    expect(judge({ shopify: { marketing: true, analytics: true } }, { wanted })).toBe('none:category.missing');
  });

  it('have no time, so that they never outlast a withdrawal by themselves', () => {
    expect(shopify.judge({ marketing: 'yes', country: null }, askAbout())).toMatchObject({
      result: 'granted',
      time: null,
    });
  });
});

describe('the _tracking_consent cookie', () => {
  const rows: readonly (readonly [string, RawConsent, string])[] = [
    ['yes to marketing', choices('1'), 'granted'],
    ['no to marketing', choices('0'), 'denied:category.denied'],
    ['no answer yet', choices(''), 'none:consent.unanswered'],
    ['a word that is no answer', choices('yes'), 'none:consent.unanswered'],
    ['no place for marketing', cookie({ con: { CMP: { a: '1' } }, v: '2.1' }), 'none:category.missing'],
    [
      'an answer that is inherited',
      cookie({ con: { CMP: { m: '' }, ['__proto__']: { CMP: { m: '1' } } } }),
      'none:consent.unanswered',
    ],
    ['version 1', cookie({ con: { GDPR: '1' }, v: '1.0', lim: [], reg: '' }), 'none:consent.unsupported_version'],
    ['a list', cookie([{ con: { CMP: { m: '1' } } }]), 'none:consent.malformed'],
    ['no JSON', { shopify_cookie: 'not json' }, 'none:consent.malformed'],
    ['JSON that was cut', { shopify_cookie: '%7B%22con%22%3A' }, 'none:consent.malformed'],
    ['a broken escape', { shopify_cookie: '%7B%22con%ZZ' }, 'none:consent.malformed'],
    ['more than 8 KiB', { shopify_cookie: 'a'.repeat(8193) }, 'none:consent.malformed'],
    ['an empty value', { shopify_cookie: '' }, 'absent'],
  ];
  it.each(rows)('%s', (_name, raw, verdict) => {
    expect(judge(raw)).toBe(verdict);
  });

  it.each([
    ['s is 0', cookie({ con: { CMP: { m: '1', s: '0' } }, v: '2.1' })],
    ['an older version blocks it', cookie({ con: { GDPR: '' }, v: '2.0', lim: ['CCPA_BLOCK_ALL'] })],
  ])('opts out of sale where %s', (_name, raw) => {
    expect(judge(raw, { region: 'opt_out' })).toBe('denied:optout.sale_of_data');
  });

  it('names a country, which tightens the region', () => {
    const evidence = shopify.decode(choices('', { region: 'FRIDF' }), keyedHash);
    if (evidence === null) throw new Error('it is there');
    expect(countryHints([{ shopify: evidence }])).toEqual(['FR']);
  });

  it('is kept as its answers and its country, without ids', () => {
    expect(shopify.decode(choices('1', { consent_id: 'B1A2C3', purposes: { m: true } }), keyedHash)).toEqual({
      analytics: 'yes',
      marketing: 'yes',
      preferences: 'unanswered',
      sale_of_data: 'unanswered',
      country: 'DE',
    });
  });

  it('beside the object of the same carrier: a refusal in either counts', () => {
    expect(judge({ shopify: { marketing: true }, ...choices('0') })).toBe('denied:category.denied');
    expect(judge({ shopify: { marketing: false }, ...choices('1') })).toBe('denied:category.denied');
    expect(judge({ shopify: { marketing: true }, shopify_cookie: 'broken' })).toBe('granted');
  });

  it.each([
    ['deep nesting', '['.repeat(8000)],
    ['many escapes', '%25'.repeat(2700)],
    ['a megabyte', '{'.repeat(1_048_576)],
  ])('is answered within 5 ms: %s', (_name, text) => {
    expect(
      fastest(['a', 'b', 'c'].map((end) => () => shopify.decode({ shopify_cookie: text + end }, keyedHash))),
    ).toBeLessThan(5);
  });
});

describe('a policy that asks nothing of Shopify', () => {
  it('still hears an opt-out of sale, and nothing else', () => {
    const ask = { ...askAbout({ region: 'opt_out' }), wanted: { optOut: 'drop' as const, events: '*' as const } };
    expect(spell(shopify.judge({ sale_of_data: 'no', country: null }, ask))).toBe('denied:optout.sale_of_data');
    expect(spell(shopify.judge({ marketing: 'no', country: null }, ask))).toBe('not asked');
  });

  it('permits nothing of it in a regulated region', () => {
    expect(decideOn([{ shopify: { analytics: 'yes', country: null } }])).toMatchObject({ reason: 'category.missing' });
  });
});
