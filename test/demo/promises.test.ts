import { expect, test } from 'vitest';
import { brokenPromises } from '../../src/demo/promises.ts';
import type { Step } from '../../src/demo/row.ts';
import { played, toKlaviyo, toMeta, withdrawn } from './rows.ts';

const MAX_WAIT_MS = 1500;

const outage = [toMeta(5, 503), toKlaviyo(1504, 'deferred'), toMeta(1700)];

test.each<[string, readonly Step[]]>([
  ['Lena', [toMeta(5), toKlaviyo(107, 'sent')]],
  ['Marc', []],
  ['Olga', [toKlaviyo(5, 'skipped')]],
  ['Karl', [toMeta(5, 503), toMeta(400), toKlaviyo(503, 'sent')]],
  ['Nora', outage],
  ['Emil', [toMeta(5, 503), withdrawn(130)]],
])('%s gets what was promised', (name, steps) => {
  const { visitor, row } = played(name, steps);
  expect(brokenPromises(visitor, row, MAX_WAIT_MS)).toEqual([]);
});

test.each<[string, string, readonly Step[], RegExp]>([
  ['Klaviyo before Meta', 'Lena', [toMeta(5), toKlaviyo(60, 'sent')], /before Meta had answered/],
  ['Klaviyo never', 'Lena', [toMeta(5)], /Klaviyo must have got 202 sent and got nothing/],
  ['Klaviyo twice', 'Lena', [toMeta(5), toKlaviyo(107, 'sent'), toKlaviyo(110, 'sent')], /202 sent, 202 sent/],
  ['Klaviyo told wrongly', 'Olga', [toKlaviyo(5, 'sent')], /202 skipped and got 202 sent/],
  ['Meta never', 'Lena', [toKlaviyo(5, 'sent')], /Meta must have it once and has it 0 times/],
  ['Meta about somebody who refused', 'Marc', [toMeta(5, 503)], /1 requests about it reached Meta/],
  ['Klaviyo about somebody who refused', 'Marc', [toKlaviyo(5, 'skipped')], /must have got nothing/],
  ['no failure where one was to be shown', 'Karl', [toMeta(5), toKlaviyo(107, 'sent')], /was to fail and did not/],
  ['a wait cut short', 'Nora', [toMeta(5, 503), toKlaviyo(900, 'deferred'), toMeta(1700)], /before maxWaitMs was over/],
  ['a wait without end', 'Nora', [toMeta(5, 503), toKlaviyo(4000, 'deferred'), toMeta(4100)], /long after maxWaitMs/],
  ['an event lost after the outage', 'Nora', outage.slice(0, 2), /Meta must have it once and has it 0 times/],
  ['a send behind the withdrawal', 'Emil', [toMeta(5, 503), withdrawn(130), toMeta(2300)], /Meta must not have it/],
  ['a withdrawal that stopped one of two', 'Emil', [toMeta(5, 503), withdrawn(130, 1)], /cancelled 1/],
  ['a withdrawal without an answer', 'Emil', [toMeta(5, 503)], /withdrawal was not answered/],
])('%s is a broken promise', (_what, name, steps, expected) => {
  const { visitor, row } = played(name, steps);
  const broken = brokenPromises(visitor, row, MAX_WAIT_MS);
  expect(broken.join('\n')).toMatch(expected);
  expect(broken.every((line) => line.startsWith(`${row.visitor}: `))).toBe(true);
});

test('a decision with another reason than the promised one is a broken promise', () => {
  const { visitor, row } = played('Marc', []);
  const other = row.decisions.map((decision) => ({ ...decision, reason: 'consent.absent' }));
  expect(brokenPromises(visitor, { ...row, decisions: other }, MAX_WAIT_MS)).toEqual([
    'Marc: the log must say drop storage.denied for meta and says drop consent.absent',
    'Marc: the log must say drop storage.denied for klaviyo and says drop consent.absent',
  ]);
});
