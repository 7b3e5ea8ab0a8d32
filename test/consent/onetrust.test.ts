import { describe, expect, it } from 'vitest';
import { onetrust } from '../../src/consent/onetrust.ts';
import type { RawConsent, RuleNote } from '../../src/core/consent.ts';
import type { Region } from '../../src/core/region.ts';
import { type OptanonContent, writeAlertBoxClosed, writeOptanonConsent } from '../../src/demo/consent-strings.ts';
import { askAbout, DAY, defaultPolicy, HOUR, keyedHash, NOW, spell } from './fixture.ts';

const ANSWERED = NOW - 3 * DAY;
const CLOSED = writeAlertBoxClosed(ANSWERED);
const GROUPS = { C0001: 1, C0002: 1, C0004: 1 } as const;

const cookie = (content: Partial<OptanonContent> = {}) =>
  writeOptanonConsent({ groups: GROUPS, writtenMs: NOW - HOUR, ...content });
const withGroups = (text: string) => cookie({ geolocation: 'DE;BE' }).replace(/groups=[^&]*/, `groups=${text}`);

function verdict(raw: RawConsent, region: Region = 'regulated', policy = defaultPolicy) {
  const evidence = onetrust.decode(raw, keyedHash);
  if (evidence === null) throw new Error('no evidence');
  return onetrust.judge(evidence, askAbout({ region, policy }));
}
const judge = (value: string, closed: string | null = CLOSED, region: Region = 'regulated') =>
  spell(verdict({ onetrust: value, ...(closed === null ? {} : { onetrust_closed: closed }) }, region));

describe('the groups of OptanonConsent', () => {
  const rows: readonly (readonly [string, string, string])[] = [
    ['grant', 'C0001%3A1%2CC0004%3A1', 'granted'],
    ['refuse', 'C0001%3A1%2CC0004%3A0', 'denied:category.denied'],
    ['do not mention the category', 'C0001%3A1%2CC0002%3A1', 'none:category.missing'],
    ['are case-sensitive', 'c0004%3A1', 'none:category.missing'],
    ['are compared whole', 'C00040%3A1%2CXC0004%3A1', 'none:category.missing'],
    ['contradict themselves, grant first', 'C0004%3A1%2CC0004%3A0', 'denied:category.denied'],
    ['contradict themselves, refusal first', 'C0004%3A0%2CC0004%3A1', 'denied:category.denied'],
    ['hold a flag of 2', 'C0004%3A2', 'denied:category.denied'],
    ['hold a flag of 11', 'C0004%3A11', 'denied:category.denied'],
    ['hold no flag', 'C0004%3A', 'denied:category.denied'],
    ['hold a flag and a space', 'C0004%3A1+', 'denied:category.denied'],
    ['hold names of prototypes', '__proto__%3A1%2Cconstructor%3A1%2CC0004%3A0', 'denied:category.denied'],
    ['are empty', '', 'none:consent.malformed'],
    ['have no flags at all', 'C0001%2CC0004', 'none:consent.malformed'],
    ['cannot be decoded', 'C0004%3A1%ZZ', 'none:consent.malformed'],
    ['hold control characters', 'C0001%3A1%00%2CC0004%3A1', 'none:consent.malformed'],
    ['are too many', `C0004:1,${'B1:1,'.repeat(1000)}`, 'none:consent.malformed'],
    ['were decoded by somebody', 'C0001:1,C0004:1', 'granted'],
  ];
  it.each(rows)('%s', (_name, groups, expected) => {
    expect(judge(withGroups(groups))).toBe(expected);
  });

  it('must all be granted where the policy names several', () => {
    const { meta } = defaultPolicy.destinations;
    if (meta === undefined) throw new Error('the default policy has Meta');
    const policy = { ...defaultPolicy, destinations: { meta: { ...meta, onetrust: { groups: ['C0002', 'C0004'] } } } };
    const of = (groups: string) =>
      spell(verdict({ onetrust: withGroups(groups), onetrust_closed: CLOSED }, 'regulated', policy));
    expect([of('C0002:1,C0004:1'), of('C0002:1'), of('C0004:0'), of('C0002:1,C0004:0')]).toEqual([
      'granted',
      'none:category.missing',
      'denied:category.denied',
      'denied:category.denied',
    ]);
  });
});

describe('the value of OptanonConsent', () => {
  const granted = cookie({ geolocation: 'DE;BE' });
  const rows: readonly (readonly [string, string, string])[] = [
    ['counts when encoded once more', encodeURIComponent(granted), 'granted'],
    [
      'counts for nothing when encoded twice more',
      encodeURIComponent(encodeURIComponent(granted)),
      'none:consent.malformed',
    ],
    ['counts though another field cannot be decoded', `hosts=%C3%28&${granted}`, 'granted'],
    [
      'is not forged by a landing page',
      cookie({ groups: { C0004: 0 }, landingPath: 'https://shop.example/?a=1&groups=C0004:1&b=2', geolocation: 'DE;' }),
      'denied:category.denied',
    ],
    ['denies where two lists of groups differ', `${granted}&groups=C0001%3A1%2CC0004%3A0`, 'denied:category.denied'],
    ['grants only what each list of groups grants', `${granted}&groups=C0001%3A1`, 'none:category.missing'],
    ['is malformed without groups', 'isGpcEnabled=0&version=202606.1.0', 'none:consent.malformed'],
    ['is malformed as a word', 'undefined', 'none:consent.malformed'],
    ['is malformed as a list of active groups', ',C0001,C0004,', 'none:consent.malformed'],
    ['is malformed beyond 8 KiB', `${granted}&hosts=${'H1%3A1%2C'.repeat(1000)}`, 'none:consent.malformed'],
    [
      'denies while the banner waits for a new answer',
      cookie({ awaitingReconsent: true, geolocation: 'DE;BE' }),
      'denied:consent.reconsent_due',
    ],
    ['takes any word but false for waiting', `${granted}&AwaitingReconsent=`, 'denied:consent.reconsent_due'],
    ['takes an undecodable word for waiting', `${granted}&AwaitingReconsent=%ZZ`, 'denied:consent.reconsent_due'],
    [
      'names re-consent before the category',
      cookie({ awaitingReconsent: true, groups: { C0004: 0 } }),
      'denied:consent.reconsent_due',
    ],
  ];
  it.each(rows)('%s', (_name, value, expected) => {
    expect(judge(value)).toBe(expected);
  });
});

describe('the proof of an answer', () => {
  const rows: readonly (readonly [string, string, closed: string | null, string])[] = [
    ['is the alert box', cookie(), CLOSED, 'granted'],
    ['is the alert box, encoded and quoted', cookie(), encodeURIComponent(`"${CLOSED}"`), 'granted'],
    ['is a country in geolocation', cookie({ geolocation: 'DE;' }), null, 'granted'],
    ['is an answer in the banner', cookie({ interaction: 1 }), null, 'granted'],
    ['is an answer in the preference centre', cookie({ interaction: 6 }), null, 'granted'],
    ['is the time of consent', cookie({ crTimeMs: ANSWERED }), null, 'granted'],
    ['is the time of consent in seconds', `${cookie()}&lastConsentTs=${ANSWERED / 1000}`, null, 'granted'],
    ['is not interactionCount', cookie(), null, 'none:consent.unanswered'],
    ['is not an empty geolocation', cookie({ geolocation: ';' }), null, 'none:consent.unanswered'],
    ['is not a geolocation in words', cookie({ geolocation: 'Germany;Berlin' }), null, 'none:consent.unanswered'],
    ['is not an unknown interaction', cookie({ interaction: 99 }), null, 'none:consent.unanswered'],
    ['is not a banner that was only closed', cookie({ interaction: 3 }), CLOSED, 'none:consent.unanswered'],
    [
      'is not a country that contradicts another',
      `${cookie({ geolocation: 'DE;' })}&geolocation=FR%3B`,
      null,
      'none:consent.unanswered',
    ],
    [
      'is not an interaction that contradicts another',
      `${cookie({ interaction: 1 })}&intType=2`,
      null,
      'none:consent.unanswered',
    ],
    [
      'is not a banner that was closed, whatever else it says',
      `${cookie({ interaction: 1 })}&intType=3`,
      CLOSED,
      'none:consent.unanswered',
    ],
    ['is not an alert box that cannot be read', cookie(), 'null', 'none:consent.unanswered'],
    ['is not an alert box of a day alone', cookie(), '2026-11-20', 'none:consent.unanswered'],
    ['is not an alert box of no calendar', cookie(), '2026-13-45T99:99:99.999Z', 'none:consent.unanswered'],
    ['comes after the refusal', cookie({ groups: { C0004: 0 } }), null, 'denied:category.denied'],
  ];
  it.each(rows)('%s', (_name, value, closed, expected) => {
    expect(judge(value, closed)).toBe(expected);
  });

  it('is not asked for where opting out is the law', () => {
    expect(judge(cookie(), null, 'opt_out')).toBe('granted');
    expect(judge(cookie({ interaction: 3 }), null, 'open')).toBe('granted');
    expect(judge(cookie({ groups: { C0004: 0 } }), null, 'opt_out')).toBe('denied:category.denied');
    expect(judge(cookie({ awaitingReconsent: true }), null, 'opt_out')).toBe('denied:consent.reconsent_due');
  });

  it('is the alert box alone where the policy is strict', () => {
    const policy = { ...defaultPolicy, consent: { ...defaultPolicy.consent, requireAlertBoxCookie: true } };
    const value = cookie({ geolocation: 'DE;BE', interaction: 1, crTimeMs: ANSWERED });
    expect(spell(verdict({ onetrust: value }, 'regulated', policy))).toBe('none:consent.unanswered');
    expect(spell(verdict({ onetrust: value, onetrust_closed: CLOSED }, 'regulated', policy))).toBe('granted');
  });

  it('is the alert box alone in a value that was cut at its geolocation', () => {
    const cut = `${cookie({ crTimeMs: ANSWERED, interaction: 1 })}&geolocation=FR`;
    expect([judge(cut, null), judge(cut, CLOSED)]).toEqual(['none:consent.unanswered', 'granted']);
  });
});

describe('the time of a OneTrust consent', () => {
  const limit = Date.UTC(2025, 9, 24, 12);
  const rows: readonly (readonly [string, string, closed: string | null, string])[] = [
    ['ends after thirteen months', cookie(), writeAlertBoxClosed(limit - 1), 'none:consent.expired'],
    ['counts to the thirteenth', cookie(), writeAlertBoxClosed(limit), 'granted'],
    ['may be a clock ahead', cookie(), writeAlertBoxClosed(NOW + HOUR), 'granted'],
    ['is not in the future', cookie(), writeAlertBoxClosed(NOW + 2 * DAY), 'none:consent.future'],
    [
      'is the alert box before the time of the SDK',
      cookie({ crTimeMs: ANSWERED }),
      writeAlertBoxClosed(limit - DAY),
      'none:consent.expired',
    ],
    ['is the time of the SDK before the last write', cookie({ crTimeMs: limit - DAY }), null, 'none:consent.expired'],
    [
      'is the last write where nothing else is known',
      cookie({ geolocation: 'DE;', writtenMs: limit - HOUR }),
      null,
      'none:consent.expired',
    ],
    ['is needed', cookie({ geolocation: 'DE;' }).replace(/datestamp=[^&]*&/, ''), null, 'none:consent.unanswered'],
    [
      'is needed in a form that can be read',
      cookie({ geolocation: 'DE;' }).replace(/datestamp=[^&]*/, 'datestamp=yesterday'),
      null,
      'none:consent.unanswered',
    ],
  ];
  it.each(rows)('%s', (_name, value, closed, expected) => {
    expect(judge(value, closed)).toBe(expected);
  });

  it('is an instant, so that an answer of the same day can follow a withdrawal', () => {
    expect(verdict({ onetrust: cookie(), onetrust_closed: CLOSED })).toEqual({
      result: 'granted',
      sufficient: true,
      time: { ms: ANSWERED, precision: 'instant' },
    });
  });

  it('is unknown to a withdrawal where only the last write is known: every page renews that', () => {
    expect(verdict({ onetrust: cookie({ geolocation: 'DE;BE' }) })).toMatchObject({ result: 'granted', time: null });
  });

  it.each([
    ['Tue+Nov+24+2026+10%3A30%3A00+GMT%2B0100+(Mitteleurop%C3%A4ische+Normalzeit)', Date.UTC(2026, 10, 24, 9, 30)],
    ['Tue Nov 24 2026 10:30:00 GMT+0100 (CET)', Date.UTC(2026, 10, 24, 9, 30)],
    ['Mon+Nov+23+2026+22%3A00%3A00+GMT-0330', Date.UTC(2026, 10, 24, 1, 30)],
    ['Tue+Nov+31+2026+10%3A30%3A00+GMT%2B0000', null],
    ['Tue+Abc+24+2026+10%3A30%3A00+GMT%2B0000', null],
  ])('reads the date %s', (datestamp, ms) => {
    const value = cookie({ geolocation: 'DE;' }).replace(/datestamp=[^&]*/, `datestamp=${datestamp}`);
    const evidence = onetrust.decode({ onetrust: value }, keyedHash);
    expect(evidence).toMatchObject({ time: ms === null ? null : { ms, from: 'write' } });
  });
});

describe('the evidence of OneTrust', () => {
  it('is what the rules read: no consent id, no landing page, no last write beside a time of consent', () => {
    const value = cookie({
      geolocation: 'de;be',
      interaction: 4,
      landingPath: 'https://shop.example/?email=alice@shop.example',
    });
    expect(onetrust.decode({ onetrust: value, onetrust_closed: CLOSED }, keyedHash)).toEqual({
      granted: ['C0001', 'C0002', 'C0004'],
      denied: [],
      reconsent: false,
      country: 'DE',
      cut: false,
      interaction: 4,
      time: { ms: ANSWERED, from: 'alert_box' },
    });
  });

  it('hints at the country of the geolocation', () => {
    const hints = (geolocation: string) => {
      const evidence = onetrust.decode({ onetrust: cookie({ geolocation }) }, keyedHash);
      return evidence && onetrust.hints?.(evidence);
    };
    expect([hints('FR;IDF'), hints('UK;'), hints(';'), hints('XX;')]).toEqual([['FR'], ['GB'], [], []]);
  });

  it('is absent without a cookie, whatever the alert box says', () => {
    expect(onetrust.decode({ onetrust_closed: CLOSED }, keyedHash)).toBeNull();
  });

  it('is explained rule by rule', () => {
    const notes: RuleNote[] = [];
    const evidence = onetrust.decode({ onetrust: cookie(), onetrust_closed: CLOSED }, keyedHash);
    if (evidence) onetrust.judge(evidence, askAbout({ notes }));
    expect(notes.map(({ rule, found }) => `${rule}: ${found}`)).toEqual([
      'readable: readable',
      'reconsent: not due',
      'group C0004: granted',
      'answered: alert_box',
      'time: alert_box',
      `not_future: ${CLOSED}`,
      `age: ${CLOSED}`,
    ]);
  });
});
