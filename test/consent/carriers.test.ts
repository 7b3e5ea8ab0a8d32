import { describe, expect, it } from 'vitest';
import { carriersOf } from '../../src/consent/carriers.ts';
import { collectEvidence, countryHints } from '../../src/consent/index.ts';
import { writeAlertBoxClosed, writeOptanonConsent } from '../../src/demo/consent-strings.ts';
import { decideOn, grantedTc, keyedHash, NOW, refusedTc } from './fixture.ts';

const cookies = (pairs: readonly (readonly [string, string])[]) => {
  const map = new Map<string, string[]>();
  for (const [name, value] of pairs) map.set(name, [...(map.get(name) ?? []), value]);
  return map;
};
const NONE = cookies([]);
const CLOSED = writeAlertBoxClosed(NOW - 86_400_000);
const optanon = (flag: 0 | 1) =>
  writeOptanonConsent({ groups: { C0001: 1, C0004: flag }, writtenMs: NOW, awaitingReconsent: false });

describe('the carriers of a request', () => {
  it('are none without any consent', () => {
    expect(carriersOf(null, NONE, null)).toEqual([]);
  });

  it('are the body and the cookies', () => {
    const found = carriersOf(
      { tcf: 'A', gpc: false },
      cookies([
        ['eupubconsent-v2', 'B'],
        ['OTAdditionalConsentString', '2~89~dv.'],
        ['OptanonConsent', 'groups=C0004%3A1'],
        ['OptanonAlertBoxClosed', CLOSED],
        ['OTGPPConsent', 'DBABLA~BVQVAAAAAAGA'],
        ['usprivacy', '1YNN'],
        ['_tracking_consent', '%7B%22v%22%3A%222.1%22%7D'],
        ['_fbp', 'fb.1.1700000000000.123456789'],
      ]),
      '1',
    );
    expect(found).toEqual([
      { tcf: 'A', gpc: false },
      {
        tcf: 'B',
        additional_consent: '2~89~dv.',
        onetrust: 'groups=C0004%3A1',
        onetrust_closed: CLOSED,
        gpp: 'DBABLA~BVQVAAAAAAGA',
        usprivacy: '1YNN',
        shopify_cookie: '%7B%22v%22%3A%222.1%22%7D',
        gpc: true,
      },
    ]);
  });

  it('are one for each TC string, all beside the one Additional Consent string', () => {
    const found = carriersOf(
      null,
      cookies([
        ['euconsent-v2', 'B'],
        ['eupubconsent-v2', 'A'],
        ['eupubconsent-v2', 'B'],
        ['OTAdditionalConsentString', '1~89'],
      ]),
      null,
    );
    expect(found).toEqual([
      { tcf: 'A', additional_consent: '1~89' },
      { tcf: 'B', additional_consent: '1~89' },
    ]);
  });

  it('give each OptanonConsent its alert box, of several the earliest', () => {
    const found = carriersOf(
      null,
      cookies([
        ['OptanonConsent', 'a'],
        ['OptanonConsent', 'b'],
        ['OptanonAlertBoxClosed', '2026-11-02T08:00:00.000Z'],
        ['OptanonAlertBoxClosed', '2026-03-01T08:00:00.000Z'],
      ]),
      null,
    );
    expect(found).toEqual([
      { onetrust: 'a', onetrust_closed: '2026-03-01T08:00:00.000Z' },
      { onetrust: 'b', onetrust_closed: '2026-03-01T08:00:00.000Z' },
    ]);
  });

  it('give a body without an alert box that of the cookies', () => {
    const jar = cookies([['OptanonAlertBoxClosed', CLOSED]]);
    expect(carriersOf({ onetrust: 'a' }, jar, null)).toEqual([{ onetrust: 'a', onetrust_closed: CLOSED }]);
    expect(carriersOf({ onetrust: 'a', onetrust_closed: 'own' }, jar, null)).toEqual([
      { onetrust: 'a', onetrust_closed: 'own' },
    ]);
    expect(carriersOf({ tcf: 'A' }, jar, null)).toEqual([{ tcf: 'A' }]);
  });

  it.each([
    ['1', true],
    [' 1 ', true],
    ['0', false],
    ['true', false],
    ['1, 1', false],
    ['', false],
  ])('take Sec-GPC: %j for %s', (header, on) => {
    expect(carriersOf(null, NONE, header)).toEqual(on ? [{ gpc: true }] : []);
  });

  it('leave empty cookies out and are never many', () => {
    const flood = cookies(Array.from({ length: 500 }, (_, i) => ['euconsent-v2', `C${i}`] as const));
    expect(carriersOf(null, cookies([['euconsent-v2', '']]), null)).toEqual([]);
    expect(carriersOf(null, flood, null)).toHaveLength(8);
  });
});

describe('the evidence of a request', () => {
  const evidence = (body: Parameters<typeof carriersOf>[0], pairs: readonly (readonly [string, string])[]) =>
    collectEvidence(carriersOf(body, cookies(pairs), null), keyedHash);

  it('leaves out carriers that say nothing or repeat another', () => {
    const tc = grantedTc();
    const bundle = evidence({ tcf: tc }, [
      ['eupubconsent-v2', tc],
      ['OTAdditionalConsentString', '2~89~dv.'],
    ]);
    expect(bundle).toEqual([{ tcf: { tc }, additional_consent: { ac: '2~89~dv.' } }]);
    expect(evidence({}, [])).toEqual([]);
    expect(evidence({ gpc: false }, [['usprivacy', '']])).toEqual([]);
    expect(evidence({ tcf: tc }, [['euconsent-v2', tc]])).toHaveLength(1);
  });

  const rows: readonly (readonly [string, Parameters<typeof evidence>, string])[] = [
    [
      'a TC string in the body and its companion in a cookie',
      [{ tcf: grantedTc() }, [['OTAdditionalConsentString', '2~89~dv.']]],
      'consent.granted',
    ],
    [
      'a refusal in a cookie beside a grant in the body',
      [{ tcf: grantedTc(), additional_consent: '2~89~dv.' }, [['euconsent-v2', refusedTc()]]],
      'storage.denied',
    ],
    [
      'a grant in a cookie beside a refusal in the body',
      [
        { tcf: refusedTc() },
        [
          ['euconsent-v2', grantedTc()],
          ['OTAdditionalConsentString', '2~89~dv.'],
        ],
      ],
      'storage.denied',
    ],
    [
      'a repeated cookie that grants first',
      [
        null,
        [
          ['OptanonConsent', optanon(1)],
          ['OptanonConsent', optanon(0)],
          ['OptanonAlertBoxClosed', CLOSED],
        ],
      ],
      'category.denied',
    ],
    [
      'a repeated cookie that refuses first',
      [
        null,
        [
          ['OptanonConsent', optanon(0)],
          ['OptanonConsent', optanon(1)],
          ['OptanonAlertBoxClosed', CLOSED],
        ],
      ],
      'category.denied',
    ],
    [
      'an answer in the body, its alert box in a cookie',
      [{ onetrust: optanon(1) }, [['OptanonAlertBoxClosed', CLOSED]]],
      'consent.granted',
    ],
    [
      'OneTrust that refuses beside TCF that grants',
      [{ tcf: grantedTc(), additional_consent: '1~89' }, [['OptanonConsent', optanon(0)]]],
      'category.denied',
    ],
  ];
  it.each(rows)('%s', (_name, [body, pairs], reason) => {
    expect(decideOn(evidence(body, pairs)).reason).toBe(reason);
  });

  it('names the countries at which its signals hint, each once', () => {
    const at = (geolocation: string) => writeOptanonConsent({ groups: { C0004: 1 }, writtenMs: NOW, geolocation });
    const bundle = evidence({ onetrust: at('DE;BE') }, [
      ['OptanonConsent', at('FR;')],
      ['OptanonConsent', at('DE;')],
    ]);
    expect(countryHints(bundle)).toEqual(['DE', 'FR']);
  });
});
