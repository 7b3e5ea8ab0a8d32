import { GppModel } from '@iabgpp/cmpapi';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { gpp } from '../../src/consent/gpp.ts';
import { readGppString, readUsSection } from '../../src/consent/gpp-string.ts';
import type { RuleNote } from '../../src/core/consent.ts';
import type { Region } from '../../src/core/region.ts';
import { askAbout, decideOn, fastest, grantedTc, keyedHash, refusedTc, spell } from './fixture.ts';

// The IAB's own library writes the strings: it shares no line with what reads them here.
const STATES =
  'usca usva usco usut usct usfl usmt usor ustx usde usia usne usnh usnj ustn usmn usmd usin usky usri'.split(' ');
const OPT_OUTS = {
  SaleOptOut: 'sale',
  SharingOptOut: 'sharing',
  TargetedAdvertisingOptOut: 'targeted_advertising',
} as const;
type Field = keyof typeof OPT_OUTS;
const fieldsOf = (section: string): readonly Field[] =>
  section === 'usnat'
    ? ['SaleOptOut', 'SharingOptOut', 'TargetedAdvertisingOptOut']
    : section === 'usca'
      ? ['SaleOptOut', 'SharingOptOut']
      : ['SaleOptOut', 'TargetedAdvertisingOptOut'];

function write(section: string, values: Readonly<Record<string, number | boolean>>): string {
  const model = new GppModel();
  for (const [field, value] of Object.entries(values)) model.setFieldValue(section, field, value);
  return model.encode();
}

const allOf = (section: string, value: number) => Object.fromEntries(fieldsOf(section).map((field) => [field, value]));

function judge(text: string, region: Region = 'opt_out') {
  const evidence = gpp.decode({ gpp: text }, keyedHash);
  return evidence === null ? 'absent' : spell(gpp.judge(evidence, askAbout({ region })));
}

describe.each(['usnat', ...STATES])('the section %s', (section) => {
  it('opts out by each of its fields alone, and by none of the others', () => {
    for (const field of fieldsOf(section)) {
      const text = write(section, { ...allOf(section, 2), [field]: 1 });
      expect(gpp.decode({ gpp: text }, keyedHash)).toMatchObject({
        us: [{ opt_outs: [OPT_OUTS[field]], fault: null }],
      });
      expect(judge(text)).toBe('denied:optout.gpp');
    }
    expect(judge(write(section, allOf(section, 2)))).toBe('none:consent.absent');
    expect(judge(write(section, allOf(section, 0)))).toBe('none:consent.absent');
  });

  it('reads as the library does, whatever its other fields say', () => {
    const values = fc.record({
      SaleOptOut: fc.constantFrom(0, 1, 2),
      SaleOptOutNotice: fc.constantFrom(0, 1, 2),
      MspaCoveredTransaction: fc.constantFrom(1, 2),
    });
    fc.assert(
      fc.property(values, (content) => {
        const text = write(section, content);
        const [, own = ''] = text.split('~');
        const found = readUsSection(new GppModel(text).getSectionIds()[0] ?? 0, own);
        expect(found).toMatchObject({ optOuts: content.SaleOptOut === 1 ? ['sale'] : [] });
      }),
      { numRuns: 30 },
    );
  });
});

describe('the header', () => {
  it.each([
    ['DBABM~CPXx', [2]],
    ['DBABMA~CPXx', [2]],
    ['DBACNYA~CPXx~1YNN', [2, 6]],
    ['DBABLA~BVQV', [7]],
  ])('of %s announces the sections %j', (text, ids) => {
    const found = readGppString(text);
    expect('fault' in found ? found : [...found.keys()]).toEqual(ids);
  });

  it('is read as the library writes it, for any set of sections', () => {
    const names = fc.uniqueArray(fc.constantFrom('usnat', ...STATES), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(names, (sections) => {
        const model = new GppModel();
        for (const section of sections) model.setFieldValue(section, 'SaleOptOut', 2);
        const found = readGppString(model.encode());
        expect('fault' in found ? found : [...found.keys()]).toEqual(model.getSectionIds());
      }),
      { numRuns: 60 },
    );
  });

  it.each([
    ['announces a section that is empty', 'DBABLA~', 'consent.malformed'],
    ['announces a section that is not there', 'DBABLA', 'consent.malformed'],
    ['announces fewer sections than there are', 'DBABLA~BVQVAAAAAAGA.YA~extra', 'consent.malformed'],
    ['is of version 2', 'DCABLA~BVQVAAAAAAGA.YA', 'consent.unsupported_version'],
    ['is no header', 'CPXx~BVQV', 'consent.malformed'],
    ['is not of the alphabet', 'DB+BLA~BVQV', 'consent.malformed'],
    ['is missing', '~BVQV', 'consent.malformed'],
    ['has more behind its end', 'DBABLAAAAAAAA~BVQV', 'consent.malformed'],
  ])('that %s is refused', (_name, text, code) => {
    expect(readGppString(text)).toMatchObject({ code });
    expect(judge(text)).toBe(`none:${code}`);
  });

  it('may have its tildes encoded once', () => {
    expect(judge('DBABLA%7EBVQVAAAAAAGA.YA')).toBe('denied:optout.gpp');
  });
});

describe('a US section', () => {
  it('opts out by the GPC inside it as the browser’s own signal would', () => {
    const text = write('usnat', { ...allOf('usnat', 2), Gpc: true });
    expect([judge(text), judge(text, 'open'), judge(text, 'regulated')]).toEqual([
      'denied:optout.gpp',
      'denied:optout.gpp',
      'none:optout.gpp',
    ]);
  });

  it('opts out by its own fields wherever the visitor is', () => {
    expect(judge(write('usca', allOf('usca', 1)), 'regulated')).toBe('denied:optout.gpp');
  });

  it('that is the US Privacy string opts out by its third letter', () => {
    expect([judge('DBABTA~1YYN'), judge('DBABTA~1YNN'), judge('DBABTA~1Y')]).toEqual([
      'denied:optout.gpp',
      'none:consent.absent',
      'none:consent.malformed',
    ]);
  });

  it('of the published form of Maryland, with a header of its own, is read behind that header', () => {
    // Section id 24 and version 1, then the core: MSPA version 1, fields 1 1 1 1 1, sale 1, advertising 2.
    const core = 'BVVg';
    expect(readUsSection(24, `YBAA.${core}`)).toMatchObject({ optOuts: ['sale'] });
  });

  it.each([
    ['too short', 'BV'],
    ['of another alphabet', 'BV+VAAAAAAGA'],
    ['with a value that no field has', 'B____________'],
  ])('%s says nothing', (_name, text) => {
    expect(judge(`DBABLA~${text}`)).toBe('none:consent.malformed');
  });

  it('of an unknown version is honoured where it opts out, and proves nothing where it does not', () => {
    expect(readUsSection(7, 'HVQVAAAAAAGA')).toMatchObject({
      known: false,
      optOuts: ['sale', 'sharing', 'targeted_advertising'],
    });
    expect(judge('DBABLA~HAAAAAAAAAAA')).toBe('none:consent.malformed');
  });

  it('that is broken hides no opt-out beside it', () => {
    const other = write('usnat', allOf('usnat', 1)).split('~')[1] ?? '';
    expect(judge(`DBACLMA~${other}~!`)).toBe('denied:optout.gpp');
  });
});

describe('the TC string of section 2', () => {
  const withTc = (tc: string) => `DBABMA~${tc}`;
  const decideFor = (text: string, destination: 'meta' | 'klaviyo', additional_consent?: string) => {
    const evidence = gpp.decode({ gpp: text }, keyedHash);
    if (evidence === null) throw new Error('it is there');
    return decideOn(
      [{ gpp: evidence, ...(additional_consent ? { additional_consent: { ac: additional_consent } } : {}) }],
      destination,
    );
  };

  it('is judged by the rules of any TC string', () => {
    expect(decideFor(withTc(grantedTc()), 'klaviyo')).toMatchObject({ verdict: 'permit', reason: 'consent.granted' });
    expect(decideFor(withTc(refusedTc()), 'klaviyo')).toMatchObject({ verdict: 'drop', reason: 'storage.denied' });
    expect(decideFor(withTc('CPXxRfAPXxRfAAfKABENB-CgAAAAAAAAAAYgAAAAAAAA'), 'meta').verdict).toBe('drop');
  });

  it('counts for Meta beside its Additional Consent string', () => {
    expect(decideFor(withTc(grantedTc()), 'meta')).toMatchObject({ verdict: 'drop', reason: 'vendor.not_disclosed' });
    expect(decideFor(withTc(grantedTc()), 'meta', '2~89~dv.')).toMatchObject({ verdict: 'permit' });
    expect(decideFor(withTc(grantedTc()), 'meta', '2~~dv.89')).toMatchObject({
      verdict: 'drop',
      reason: 'vendor.denied',
    });
  });

  it('does not undo an opt-out beside it', () => {
    expect(decideFor(`DBACNYA~${grantedTc()}~1YYN`, 'klaviyo')).toMatchObject({
      verdict: 'drop',
      reason: 'optout.gpp',
    });
  });

  it('tells its rules as rules of this signal', () => {
    const notes: RuleNote[] = [];
    const evidence = gpp.decode({ gpp: withTc(refusedTc()) }, keyedHash);
    if (evidence === null) throw new Error('it is there');
    gpp.judge(evidence, askAbout({ notes }));
    expect(new Set(notes.map(({ signal }) => signal))).toEqual(new Set(['gpp']));
    expect(notes).toContainEqual({
      signal: 'gpp',
      rule: 'section_2 purpose_1',
      required: 'consent',
      found: 'no consent',
      holds: false,
    });
  });
});

describe('strings made to stop a server', () => {
  const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  const pack = (bits: string) =>
    (bits.padEnd(Math.ceil(bits.length / 6) * 6, '0').match(/.{6}/g) ?? [])
      .map((six) => ALPHABET[Number.parseInt(six, 2)])
      .join('');
  function fibonacci(value: number): string {
    const weights = [1, 2];
    for (let next = 3; next <= value; next = (weights.at(-1) ?? 0) + (weights.at(-2) ?? 0)) weights.push(next);
    let [rest, bits] = [value, ''];
    for (const weight of weights.toReversed()) {
      if (weight <= rest) [rest, bits] = [rest - weight, `1${bits}`];
      else if (bits !== '') bits = `0${bits}`;
    }
    return `${bits}1`;
  }
  const header = (entries: number, range: string) =>
    pack(`000011000001${entries.toString(2).padStart(12, '0')}${range}`);

  it.each([
    ['a header that announces a million sections', `${header(1, `1${fibonacci(2)}${fibonacci(1_000_000)}`)}~BVQV`],
    ['a header that announces a billion sections', `${header(1, `1${fibonacci(2)}${fibonacci(1_000_000_000)}`)}~BVQV`],
    ['a header of 4,095 entries', `${header(4095, `0${fibonacci(1)}`.repeat(4095))}${'~BVQV'.repeat(400)}`],
    ['six hundred sections', `DBABLA${'~BVQVAAAAAAGA'.repeat(600)}`],
    ['fifty thousand sections', `DBABLA${'~BVQVAAAAAAGA'.repeat(50_000)}`],
    ['a section of 8,000 characters', `DBABLA~${'BVQV'.repeat(2000)}`],
    ['a section of 8,000 dots', `DBABLA~${'.'.repeat(8000)}`],
    ['8,000 tildes', '~'.repeat(8000)],
    ['a header without an end', `DB${'A'.repeat(8000)}`],
  ])('%s: answered within 5 ms, never as a grant', (_name, text) => {
    const runs = ['A', 'B', 'C'].map((end) => () => gpp.decode({ gpp: text + end }, keyedHash));
    expect(fastest(runs)).toBeLessThan(5);
    expect(judge(text, 'regulated')).not.toBe('granted');
  });
});
