// docs/consent.md is what compliance relies on: it must say what the program does.

import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { gpc } from '../../src/consent/gpc.ts';
import { collectEvidence, signals } from '../../src/consent/index.ts';
import type { RawConsent } from '../../src/core/consent.ts';
import { isReasonCode, REASONS, type ReasonCode } from '../../src/core/reasons.ts';
import { classifyRegion } from '../../src/core/region.ts';
import { askAbout, decideOn, keyedHash } from '../consent/fixture.ts';

const page = readFileSync(new URL('../../docs/consent.md', import.meta.url), 'utf8');
const section = (title: string) => {
  const [, rest = ''] = page.split(`\n## ${title}\n`);
  return rest.split('\n## ')[0] ?? '';
};
const rows = (text: string) =>
  text
    .split('\n')
    .filter((line) => line.startsWith('|') && !/^\|[-|]+$/.test(line))
    .slice(1)
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
const code = (cell = '') => cell.replaceAll('`', '');

describe('the reason codes of docs/consent.md', () => {
  it('are all of them, with their class and their very sentence, in the program’s order', () => {
    const written = rows(section('Reason codes')).map(([name, reasonClass, , sentence]) => [
      code(name),
      reasonClass,
      sentence,
    ]);
    expect(written).toEqual(Object.entries(REASONS).map(([name, reason]) => [name, reason.class, reason.sentence]));
  });

  // The contract's list of codes by which a signal is no answer (section 4).
  const NO_ANSWER: readonly ReasonCode[] = [
    'consent.absent',
    'consent.malformed',
    'consent.unsupported_version',
    'consent.expired',
    'consent.future',
    'consent.unanswered',
    'vendor.not_disclosed',
    'category.missing',
  ];
  it('say which of them are no answer, and that every other one about consent denies', () => {
    const bySignal = new Map(rows(section('Reason codes')).map(([name, , signal]) => [code(name), signal]));
    const noAnswer = [...bySignal].filter(([, signal]) => signal === 'no answer').map(([name]) => name);
    expect(noAnswer).toEqual(expect.arrayContaining([...NO_ANSWER]));
    expect(noAnswer).toHaveLength(NO_ANSWER.length);
    const denies = [...bySignal].filter(([, signal]) => signal === 'denies').map(([name]) => name);
    expect(denies).toEqual(
      Object.keys(REASONS).filter((name) =>
        /^(storage|purpose|vendor\.denied|category\.denied|optout|consent\.reconsent)/.test(name),
      ),
    );
  });

  it('are the only codes that the page names', () => {
    const named = [
      ...page.matchAll(
        /`(?:none:)?((?:consent|storage|purpose|vendor|category|optout|subject|event|order|source|destination)\.[a-z_]+)`/g,
      ),
    ];
    const unknown = named.map(([, name = '']) => name).filter((name) => !isReasonCode(name));
    // Keys of the body under `consent` are written alike.
    expect(
      unknown.filter(
        (name) =>
          !/^consent\.(tcf|additional_consent|onetrust|onetrust_closed|gcs|gcd|shopify|gpp|usprivacy|gpc)$/.test(name),
      ),
    ).toEqual([]);
  });
});

describe('the signals of docs/consent.md', () => {
  it('are those of the program, in its order', () => {
    const titles = [...section('The signals').matchAll(/^### `([a-z_]+)`/gm)].map(([, name]) => name);
    expect(titles).toEqual(signals.map(({ name }) => name));
  });

  it.each<[string, RawConsent]>([
    ['`consent.tcf`', { tcf: 'x' }],
    ['`consent.additional_consent`', { additional_consent: 'x' }],
    ['`consent.onetrust`', { onetrust: 'x' }],
    ['`consent.gcs`', { gcs: 'x' }],
    ['`consent.gcd`', { gcd: 'x' }],
    ['`consent.shopify`', { shopify: { marketing: true } }],
    ['`_tracking_consent`', { shopify_cookie: 'x' }],
    ['`consent.gpp`', { gpp: 'x' }],
    ['`consent.usprivacy`', { usprivacy: 'x' }],
    ['`consent.gpc`', { gpc: true }],
  ])('read %s, and the page says so', (name, raw) => {
    expect(section('The signals')).toContain(name);
    expect(collectEvidence([raw], keyedHash)).toHaveLength(1);
  });

  it('treat GPC in a regulated region as the page says', () => {
    expect(gpc.judge({ gpc: true }, askAbout())).toMatchObject({ result: 'none', code: 'optout.gpc' });
    expect(section('The signals')).toContain('`none:optout.gpc`');
  });

  it('honour a US opt-out in every region, as the page says', () => {
    const bundle = collectEvidence([{ usprivacy: '1YYN' }], keyedHash);
    expect(decideOn(bundle).reason).toBe('optout.us_privacy');
    expect(section('Conflicts')).toMatch(/US opt-out by `gpp` or `us_privacy` is .* honoured in every region/);
  });
});

describe('the regions and policies of docs/consent.md', () => {
  it('are those of the program, unknown being regulated', () => {
    expect(rows(section('Regions')).map(([name]) => code(name))).toEqual(['regulated', 'opt_out', 'open']);
    expect(classifyRegion(null, { regulated: [], opt_out: [], apply_everywhere: false })).toBe('regulated');
  });

  it('are the files that come with the product', () => {
    const files = readdirSync(new URL('../../config/policies/', import.meta.url)).map((file) =>
      file.replace('.yaml', ''),
    );
    expect(
      rows(section('Policies'))
        .map(([name]) => code(name))
        .sort(),
    ).toEqual(files.sort());
  });
});
