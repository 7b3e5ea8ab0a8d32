import { TCString } from '@iabtcf/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { tcf } from '../../src/consent/tcf.ts';
import { scanTcString } from '../../src/consent/tcf-prescan.ts';
import { type TcContent, writeTcString } from '../../src/demo/consent-strings.ts';
import { ALL_PURPOSES, fastest, keyedHash, YESTERDAY } from './fixture.ts';

const LIMIT_MS = 5;
const count = (length: number) => Array.from({ length }, (_, i) => i);
const text = (content: Partial<TcContent>, salt = 0) =>
  writeTcString({ createdMs: YESTERDAY + salt * 100, purposes: ALL_PURPOSES, ...content });

const WIDE: readonly [number, number] = [1, 65_535];
const restriction = (purpose: number, ranges: readonly (readonly [number, number])[]) => ({ purpose, type: 1, ranges });

// Shapes that hold a decoder without limits for seconds, or that no consent manager writes.
const BOMBS: readonly (readonly [string, Partial<TcContent>])[] = [
  ['one restriction of all vendors', { restrictions: [restriction(2, [WIDE])] }],
  ['one restriction of half of them', { restrictions: [restriction(2, [[1, 32_768]])] }],
  ['the same range four times', { restrictions: [restriction(3, [WIDE, WIDE, WIDE, WIDE])] }],
  ['four restrictions of all vendors', { restrictions: [1, 2, 3, 4].map((purpose) => restriction(purpose, [WIDE])) }],
  ['more restrictions than anybody has', { restrictions: count(400).map((i) => restriction(1 + (i % 24), [[1, 9]])) }],
  ['restrictions that add up', { restrictions: count(20).map((i) => restriction(1 + i, [[1, 1999]])) }],
  ['one purpose named again and again', { restrictions: count(9).map(() => restriction(4, [[1, 400]])) }],
  ['seven hundred ranges of all vendors', { vendors: { max: 65_535, ranges: count(700).map(() => WIDE) } }],
  [
    'two hundred ranges up to the limit',
    { vendors: { max: 10_000, ranges: count(200).map(() => [1, 10_000] as const) } },
  ],
  ['a range beyond the highest id', { vendors: { max: 5, ranges: [[1, 60_000]] } }],
  ['a disclosed segment of many ranges', { disclosed: { max: 65_535, ranges: count(700).map(() => WIDE) } }],
  ['a bit field of all vendors', { vendors: { max: 65_535, ids: [1, 65_535] } }],
];

describe('strings made to stop a server', () => {
  it.each(BOMBS)('%s: refused within 5 ms', (_name, content) => {
    const bombs = count(5).map((salt) => text(content, salt));
    expect(fastest(bombs.map((bomb) => () => tcf.decode({ tcf: bomb }, keyedHash)))).toBeLessThan(LIMIT_MS);
    expect(scanTcString(bombs[0] ?? '')).toMatchObject({ code: 'consent.malformed' });
  });

  it.each([
    ['a million dots', '.'.repeat(1_048_576)],
    ['a million zeros behind a core', `${text({ disclosed: null })}${'A'.repeat(1_048_576)}`],
    ['hundreds of segments', `${text({})}${'.IAAg'.repeat(340)}`],
  ])('%s: refused within 5 ms', (_name, bomb) => {
    expect(fastest(count(3).map((i) => () => tcf.decode({ tcf: bomb + i }, keyedHash)))).toBeLessThan(LIMIT_MS);
    expect(scanTcString(bomb)).toMatchObject({ code: 'consent.malformed' });
  });
});

describe('strings that are large and legal', () => {
  const ids = (max: number) => ({ max, ids: count(max).map((i) => i + 1) });
  const rows: readonly (readonly [string, Partial<TcContent>])[] = [
    ['the whole vendor list as bit fields', { vendors: ids(1500), vendorInterests: ids(1500), disclosed: ids(1500) }],
    [
      'every purpose restricted for 1,500 vendors',
      { restrictions: ALL_PURPOSES.map((n) => restriction(n, [[1, 1500]])) },
    ],
    [
      'two ranges of ten thousand',
      { vendors: { max: 10_000, ranges: [[1, 10_000]] }, vendorInterests: { max: 10_000, ranges: [[1, 10_000]] } },
    ],
    [
      '1,400 single entries',
      { vendors: { max: 9800, ranges: count(1400).map((i) => [7 * i + 7, 7 * i + 7] as const) } },
    ],
  ];
  it.each(rows)('%s: read within 5 ms', (_name, content) => {
    const strings = count(5).map((salt) => text(content, salt));
    expect(fastest(strings.map((one) => () => tcf.decode({ tcf: one }, keyedHash)))).toBeLessThan(LIMIT_MS);
    expect(tcf.decode({ tcf: strings[0] ?? '' }, keyedHash)).toEqual({ tc: strings[0] });
  });
});

describe('structure', () => {
  const rows: readonly (readonly [string, Partial<TcContent>, fault: string])[] = [
    ['vendor 0 in a range', { vendors: { max: 9, ranges: [[0, 3]] } }, 'vendor_range'],
    ['a range that runs backwards', { vendors: { max: 9, ranges: [[7, 3]] } }, 'vendor_range'],
    ['a range beyond the highest id', { vendors: { max: 9, ranges: [[3, 10]] } }, 'vendor_range'],
    ['a restriction of purpose 0', { restrictions: [restriction(0, [[1, 2]])] }, 'restriction'],
    ['a restriction of purpose 25', { restrictions: [restriction(25, [[1, 2]])] }, 'restriction'],
    ['a restriction of type 3', { restrictions: [{ purpose: 2, type: 3, ranges: [[1, 2]] }] }, 'restriction'],
    ['a publisher country without letters', { publisherCountry: '``' }, 'publisher_country'],
  ];
  it.each(rows)('%s is a fault', (_name, content, fault) => {
    expect(scanTcString(text(content))).toEqual({ code: 'consent.malformed', fault });
  });

  it('tells which segments are there, in any order', () => {
    const [core, disclosed, allowed, publisher] = text({
      allowed: { max: 3, ids: [1] },
      publisher: { consents: [1] },
    }).split('.');
    const shuffled = [core, publisher, allowed, disclosed].join('.');
    expect(scanTcString(shuffled)).toMatchObject({ disclosedVendors: true, publisherTc: true });
    expect(scanTcString(`${core}.${allowed}`)).toMatchObject({ disclosedVendors: false, publisherTc: false });
  });

  it('hands the library a string that says of purposes and dates what the whole string says', () => {
    const whole = fc.record({
      purposes: fc.uniqueArray(fc.integer({ min: 1, max: 24 })),
      publisher: fc.option(fc.record({ consents: fc.uniqueArray(fc.integer({ min: 1, max: 24 })) })),
      vendors: fc.uniqueArray(fc.integer({ min: 1, max: 200 })).map((ids) => ({ max: 200, ids })),
      restrictions: fc.array(
        fc.integer({ min: 1, max: 11 }).map((n) => restriction(n, [[3, 30]])),
        { maxLength: 3 },
      ),
    });
    fc.assert(
      fc.property(whole, (content) => {
        const string = text(content);
        const scan = scanTcString(string);
        if ('fault' in scan) throw new Error(scan.fault);
        const [a, b] = [TCString.decode(string), TCString.decode(scan.text)];
        const said = (model: typeof a) => [
          model.created,
          model.policyVersion,
          model.isServiceSpecific,
          [...model.purposeConsents],
          [...model.publisherConsents],
        ];
        expect(said(b)).toEqual(said(a));
      }),
      { numRuns: 60 },
    );
  });
});

describe('any damage', () => {
  const good = text({ purposes: [], disclosed: { max: 30, ids: [3, 30] }, publisher: { consents: [] } });
  it('is answered without an exception', () => {
    const damaged = fc
      .tuple(fc.nat(good.length - 1), fc.nat(good.length), fc.string({ maxLength: 4 }))
      .map(([from, length, put]) => good.slice(0, from) + put + good.slice(from + length));
    fc.assert(
      fc.property(damaged, (string) => void tcf.decode({ tcf: string }, keyedHash)),
      { numRuns: 500 },
    );
  });
});
