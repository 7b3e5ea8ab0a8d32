import { stripVTControlCharacters } from 'node:util';
import { describe, expect, test } from 'vitest';
import type { Step } from '../../src/demo/row.ts';
import { describeSteps, packParts, renderRows, wrapWords } from '../../src/demo/table.ts';
import { played, toKlaviyo, toMeta, withdrawn } from './rows.ts';

/** The widest that may come: everything that is said at once. */
const ROWS = [
  played('Lena', [toMeta(4.2), toKlaviyo(106.9, 'sent')]).row,
  played('Amy', []).row,
  played('Nora', [toMeta(4, 503), toMeta(400, 503), toMeta(900, 503), toKlaviyo(1503, 'deferred'), toMeta(1700)]).row,
];

describe('what is said of the steps', () => {
  test.each<[string, readonly Step[], readonly string[]]>([
    ['nothing left', [], ['nothing']],
    ['Meta first', [toMeta(18.9), toKlaviyo(120.4, 'sent')], ['meta +118 ms', 'klaviyo +120 ms (sent)']],
    ['Klaviyo alone', [toKlaviyo(3, 'skipped')], ['klaviyo +3 ms (skipped)']],
    ['one failure', [toMeta(5, 503), toMeta(300)], ['meta +105 ms (503)', 'meta +400 ms']],
    ['failures in a row are one', [toMeta(5, 503), toMeta(300, 503)], ['meta +105…400 ms (2 × 503)']],
    ['no answer at all', [toMeta(5, null)], ['meta +5 ms (no answer)']],
    ['a refusal of Klaviyo', [{ ...toKlaviyo(7, 'sent', 400) }], ['klaviyo +7 ms (sent, 400)']],
    ['a withdrawal', [toMeta(5, 503), withdrawn(160)], ['meta +105 ms (503)', 'withdrawn +160 ms: 2 cancelled']],
    ['a clock that was set back', [toMeta(-3000)], ['meta +0 ms']],
  ])('%s', (_name, steps, expected) => {
    expect(describeSteps(steps)).toEqual(expected);
  });
});

describe('lines', () => {
  test.each([
    [40, ['meta +1 ms → klaviyo +2 ms (sent)']],
    [24, ['meta +1 ms', '→ klaviyo +2 ms (sent)']],
    [5, ['meta +1 ms', '→ klaviyo +2 ms (sent)']],
  ])('of width %i take as many parts as fit, and break none', (width, expected) => {
    expect(packParts(['meta +1 ms', 'klaviyo +2 ms (sent)'], width)).toEqual(expected);
  });

  test('break at spaces alone', () => {
    expect(wrapWords('consent.not_required is a long word', 10)).toEqual(['consent.not_required', 'is a long', 'word']);
  });
});

describe('the table', () => {
  test.each([60, 80, 111, 112, 120, 300])('keeps within a terminal of %i columns, and within 120', (width) => {
    const lines = renderRows(ROWS, { width, color: false }).split('\n');
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(Math.min(width, 120));
  });

  test('shows each destination beside its decision and its reason, and Meta before Klaviyo', () => {
    const lines = renderRows(ROWS, { width: 120, color: false }).split('\n');
    const lineOf = (name: string) => lines.findIndex((line) => line.startsWith(name));
    const [lena, amy] = [lineOf('Lena'), lineOf('Amy')];
    expect(lines[lena]).toMatch(
      /^Lena +DE +TCF \+ +meta +permit consent\.granted +meta \+104 ms → klaviyo \+106 ms \(sent\)$/,
    );
    expect(lines[lena + 1]).toMatch(/^accepts +regulated +Google AC +klaviyo permit consent\.granted$/);
    expect(lines[amy]).toMatch(/^Amy +US +Sec-GPC: 1 +meta +drop +optout\.gpc +nothing$/);
  });

  test('becomes a list where columns have no room', () => {
    const text = renderRows(ROWS.slice(0, 1), { width: 60, color: false });
    expect(text.split('\n')).toEqual([
      'Lena, accepts',
      '  DE regulated, signal: TCF + Google AC',
      '  meta    permit consent.granted',
      '  klaviyo permit consent.granted',
      '  meta +104 ms → klaviyo +106 ms (sent)',
      '',
      '',
    ]);
  });

  test('without colour holds no escape; with colour the same text', () => {
    const plain = renderRows(ROWS, { width: 120, color: false });
    const coloured = renderRows(ROWS, { width: 120, color: true });
    expect(plain).not.toContain('\u001b');
    expect(coloured).toContain('\u001b[32m');
    expect(stripVTControlCharacters(coloured)).toBe(plain);
  });
});
