import { describe, expect, it } from 'vitest';
import { google } from '../../src/consent/google.ts';
import type { RuleNote } from '../../src/core/consent.ts';
import type { DestinationPolicy } from '../../src/core/policy-file.ts';
import type { Region } from '../../src/core/region.ts';
import { askAbout, decideOn, fastest, keyedHash, spell } from './fixture.ts';

const ADS = ['ad_storage', 'ad_user_data'] as const;
type Signals = NonNullable<DestinationPolicy['google']>['signals'];

function judge(raw: { gcs?: string; gcd?: string }, signals: Signals = [...ADS], sufficient = true) {
  const evidence = google.decode(raw, keyedHash);
  if (evidence === null) return null;
  return google.judge(evidence, {
    ...askAbout(),
    wanted: { optOut: 'drop', events: '*', google: { signals, sufficient } },
  });
}

describe('the letters of gcd', () => {
  // Default and update of one type, as the letter in front of which a digit stands.
  const rows: readonly (readonly [letter: string, meaning: string, verdict: string])[] = [
    ['l', 'unset, unset', 'none:consent.unanswered'],
    ['m', 'unset, then denied', 'denied:storage.denied'],
    ['n', 'unset, then granted', 'granted'],
    ['p', 'denied by default', 'denied:storage.denied'],
    ['q', 'denied, then denied', 'denied:storage.denied'],
    ['r', 'denied, then granted', 'granted'],
    ['t', 'granted by default', 'none:consent.unanswered'],
    ['u', 'granted, then denied', 'denied:storage.denied'],
    ['v', 'granted, then granted', 'granted'],
    ['0', 'no bit at all', 'none:consent.unanswered'],
    ['_', 'bits beyond the four', 'granted'],
  ];
  it.each(rows)('%s is %s', (letter, _meaning, verdict) => {
    expect(spell(judge({ gcd: `13${letter}3r3r3r5` }))).toBe(verdict);
  });

  it('stand in the order ad_storage, analytics_storage, ad_user_data, ad_personalization', () => {
    expect(google.decode({ gcd: '13q3r3l3t5l1' }, keyedHash)).toEqual({
      gcs: null,
      gcd: {
        ad_storage: 'denied',
        analytics_storage: 'granted',
        ad_user_data: 'unset',
        ad_personalization: 'default_granted',
      },
    });
  });
});

describe('Google Consent Mode', () => {
  const rows: readonly (readonly [string, { gcs?: string; gcd?: string }, string])[] = [
    ['grants where an update granted all that is asked', { gcs: 'G111', gcd: '13r3r3r3r5' }, 'granted'],
    ['does not look at what is not asked', { gcs: 'G110', gcd: '13r3q3r3q5' }, 'granted'],
    ['refuses where ad_user_data is denied', { gcs: 'G111', gcd: '13r3r3q3r5' }, 'denied:purpose.denied'],
    ['names storage before purposes', { gcd: '13q3r3q3r5' }, 'denied:storage.denied'],
    ['refuses by gcs what gcd grants', { gcs: 'G100', gcd: '13r3r3r3r5' }, 'denied:storage.denied'],
    ['refuses by gcd what gcs grants', { gcs: 'G111', gcd: '13u3r3r3r5' }, 'denied:storage.denied'],
    [
      'takes no default for an answer, whatever gcs says',
      { gcs: 'G111', gcd: '13t3t3t3t5' },
      'none:consent.unanswered',
    ],
    [
      'takes no unset state for an answer, whatever gcs says',
      { gcs: 'G111', gcd: '13l3l3l3l1l1' },
      'none:consent.unanswered',
    ],
    ['knows nothing of ad_user_data by gcs alone', { gcs: 'G111' }, 'none:consent.unanswered'],
    ['refuses by gcs alone', { gcs: 'G100' }, 'denied:storage.denied'],
    ['reads gcd beside a broken gcs', { gcs: 'G1--', gcd: '13r3r3r3r5' }, 'granted'],
    ['reads gcs beside a broken gcd', { gcs: 'G101', gcd: '13r' }, 'denied:storage.denied'],
  ];
  it.each(rows)('%s', (_name, raw, verdict) => {
    expect(spell(judge(raw))).toBe(verdict);
  });

  it.each(['G1--', 'g111', 'G211', 'G11', 'G1111', 'G1 11', 'G111\n'])('cannot read gcs %j', (gcs) => {
    expect(spell(judge({ gcs }))).toBe('none:consent.malformed');
  });

  it.each([
    ['xxxxxxxxx', 'consent.malformed'],
    ['13r3r3r', 'consent.malformed'],
    ['13r3r3r3r5'.repeat(500), 'consent.malformed'],
    ['13r3r3r3r5\n', 'consent.malformed'],
    ['23r3r3r3r5', 'consent.unsupported_version'],
  ])('cannot read gcd %.30j: %s', (gcd, code) => {
    expect(spell(judge({ gcd }))).toBe(`none:${code}`);
  });

  it('is no signal when it is empty', () => {
    expect([google.decode({}, keyedHash), google.decode({ gcs: '', gcd: '' }, keyedHash)]).toEqual([null, null]);
  });

  it('by gcs alone never permits, because gcs cannot tell an answer from a default', () => {
    expect(judge({ gcs: 'G111' }, ['ad_storage'])).toMatchObject({ result: 'granted', sufficient: false });
    expect(judge({ gcd: '13n3l3l3l5' }, ['ad_storage'])).toMatchObject({
      result: 'granted',
      sufficient: true,
      time: null,
    });
  });

  it('corroborates, and permits nothing, where the policy does not call it sufficient', () => {
    expect(judge({ gcd: '13r3r3r3r5' }, [...ADS], false)).toMatchObject({ result: 'granted', sufficient: false });
    const evidence = google.decode({ gcs: 'G111', gcd: '13r3r3r3r5' }, keyedHash);
    if (evidence === null) throw new Error('it is there');
    expect(decideOn([{ google: evidence }])).toMatchObject({ verdict: 'drop', reason: 'consent.absent' });
  });

  it.each<Region>(['regulated', 'opt_out', 'open'])(
    'as G100 withdraws in a region that is %s, beside a grant',
    (region) => {
      const evidence = google.decode({ gcs: 'G100' }, keyedHash);
      if (evidence === null) throw new Error('it is there');
      const oneTrust = { granted: ['C0004'], denied: [], reconsent: false, country: 'DE', cut: false, interaction: 1 };
      const time = { ms: Date.UTC(2026, 10, 23), from: 'alert_box' };
      const bundle = [{ google: evidence, onetrust: { ...oneTrust, time } }];
      expect(decideOn(bundle, 'klaviyo', region)).toMatchObject({ verdict: 'drop', reason: 'storage.denied' });
    },
  );

  it('refuses ad storage also where the policy asks nothing of it, and grants nothing there', () => {
    const ask = { ...askAbout(), wanted: { optOut: 'drop' as const, events: '*' as const } };
    const found = ['G100', 'G111', 'G1--'].map((gcs) => {
      const evidence = google.decode({ gcs }, keyedHash);
      return evidence === null ? 'absent' : spell(google.judge(evidence, ask));
    });
    expect(found).toEqual(['denied:storage.denied', 'not asked', 'not asked']);
  });

  it('tells each rule as it was applied', () => {
    const notes: RuleNote[] = [];
    const evidence = google.decode({ gcd: '13r3r3t3r5' }, keyedHash);
    if (evidence === null) throw new Error('it is there');
    google.judge(evidence, askAbout({ notes }));
    expect(notes).toEqual([
      { signal: 'google', rule: 'ad_storage', required: 'granted by the visitor', found: 'granted', holds: true },
      {
        signal: 'google',
        rule: 'ad_user_data',
        required: 'granted by the visitor',
        found: 'default_granted',
        holds: false,
      },
    ]);
  });

  it.each([
    ['gcd', '1'.repeat(1_000_000)],
    ['gcd', `1${'3r'.repeat(30_000)}`],
    ['gcs', 'G'.repeat(1_000_000)],
  ] as const)('answers a hostile %s within 5 ms', (key, text) => {
    expect(fastest(['a', 'b', 'c'].map((end) => () => google.decode({ [key]: text + end }, keyedHash)))).toBeLessThan(
      5,
    );
  });
});
