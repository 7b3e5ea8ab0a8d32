import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { classifyRegion, parseCountry, type RegionIndication, resolveRegion } from '../../src/core/region.ts';

const RULES = { regulated: ['BR'], opt_out: ['US'], apply_everywhere: false };
const STRICTNESS = { open: 0, opt_out: 1, regulated: 2 };
const list = (text: string) => text.split(' ');

describe('a country', () => {
  it.each([
    ['of the European Union', list('AT BE BG HR CY CZ DK EE FI FR DE GR HU IE IT LV LT LU MT NL PL PT RO SK SI ES SE')],
    ['of the European Economic Area', list('IS LI NO')],
    ['of the United Kingdom or Switzerland', list('GB CH')],
    ['under the same law with a code of its own', list('AX GF GP MQ RE YT MF SJ GI GG JE IM')],
    ['that is treated alike', list('PM BL WF PF NC TF')],
    ['that the policy adds', ['BR']],
  ])('%s is regulated', (_name, codes) => {
    for (const code of codes) expect([code, classifyRegion(code, RULES)]).toEqual([code, 'regulated']);
  });

  it('that is not known is regulated', () => {
    expect(classifyRegion(null, RULES)).toBe('regulated');
  });

  it('where opting out is the law, and any other, is what the policy says', () => {
    expect([classifyRegion('US', RULES), classifyRegion('JP', RULES)]).toEqual(['opt_out', 'open']);
    expect(classifyRegion('DE', { ...RULES, opt_out: ['DE', 'US'] })).toBe('regulated');
    expect(classifyRegion('US', { ...RULES, apply_everywhere: true })).toBe('regulated');
  });

  it.each([
    ['de', 'DE'],
    ['UK', 'GB'],
    ['el', 'GR'],
    ['US', 'US'],
  ])('is read from %s as %s', (text, code) => {
    expect(parseCountry(text)).toBe(code);
  });

  it.each([
    'EU',
    'AP',
    'A1',
    'A2',
    'XX',
    'ZZ',
    'T1',
    '',
    '-',
    'D',
    'DEU',
    '??',
    'US, US',
    ' US',
    'U\u017f',
    null,
    undefined,
  ])('is not read from %j', (text) => {
    expect(parseCountry(text)).toBeNull();
  });
});

const country = fc.constantFrom('DE', 'GB', 'BR', 'US', 'JP', 'AU', null);
const own = fc.record({
  country,
  basis: fc.constantFrom('proxy_header' as const, 'ip_database' as const, 'order_address' as const),
});
const hint = fc.record({ country, basis: fc.constant('hint' as const) });
const regionOf = (indications: readonly RegionIndication[]) =>
  classifyRegion(resolveRegion(indications, RULES).country, RULES);

describe('several indications', () => {
  const rows: readonly (readonly [string, readonly RegionIndication[], ReturnType<typeof resolveRegion>])[] = [
    ['none is unknown', [], { country: null, basis: 'unknown' }],
    [
      'one without a country is unknown',
      [{ country: null, basis: 'proxy_header' }],
      { country: null, basis: 'unknown' },
    ],
    ['one decides', [{ country: 'US', basis: 'proxy_header' }], { country: 'US', basis: 'proxy_header' }],
    [
      'the strictest of our own decides, with its basis',
      [
        { country: 'US', basis: 'ip_database' },
        { country: 'FR', basis: 'order_address' },
      ],
      { country: 'FR', basis: 'order_address' },
    ],
    [
      'of equally strict ones the first decides',
      [
        { country: 'DE', basis: 'proxy_header' },
        { country: 'FR', basis: 'order_address' },
      ],
      { country: 'DE', basis: 'proxy_header' },
    ],
    [
      'a hint tightens and leaves the basis',
      [
        { country: 'DE', basis: 'hint' },
        { country: 'US', basis: 'proxy_header' },
      ],
      { country: 'DE', basis: 'proxy_header' },
    ],
    [
      'a hint does not loosen',
      [
        { country: 'DE', basis: 'proxy_header' },
        { country: 'US', basis: 'hint' },
      ],
      { country: 'DE', basis: 'proxy_header' },
    ],
    [
      'a hint alone does not make the unknown known',
      [{ country: 'US', basis: 'hint' }],
      { country: null, basis: 'unknown' },
    ],
  ];
  it.each(rows)('%s', (_name, indications, expected) => {
    expect(resolveRegion(indications, RULES)).toEqual(expected);
  });

  it('are never less strict than any of our own that knows a country', () => {
    fc.assert(
      fc.property(fc.array(own, { minLength: 1, maxLength: 4 }), (indications) => {
        const strictness = STRICTNESS[regionOf(indications)];
        for (const one of indications) {
          if (one.country !== null)
            expect(strictness).toBeGreaterThanOrEqual(STRICTNESS[classifyRegion(one.country, RULES)]);
        }
      }),
    );
  });

  it('are never loosened by hints, wherever these stand', () => {
    fc.assert(
      fc.property(fc.array(own, { maxLength: 3 }), fc.array(hint, { maxLength: 3 }), (indications, hints) => {
        const without = STRICTNESS[regionOf(indications)];
        expect(STRICTNESS[regionOf([...hints, ...indications])]).toBeGreaterThanOrEqual(without);
        expect(STRICTNESS[regionOf([...indications, ...hints])]).toBeGreaterThanOrEqual(without);
      }),
    );
  });
});
