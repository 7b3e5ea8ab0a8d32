import { afterEach, beforeEach, expect, test } from 'vitest';
import type { OpenDestination } from '../../src/core/ports.ts';
import { Secret } from '../../src/core/settings.ts';
import { type FakeKlaviyo, startFakeKlaviyo } from '../../src/demo/fake-klaviyo.ts';
import { klaviyoError } from '../../src/demo/fake-klaviyo-answers.ts';
import { klaviyo } from '../../src/destinations/klaviyo.ts';
import { delivery, event, KEY, klaviyoAt, LIMITS, NOW_MS, purchase } from './deliveries.ts';

let fake: FakeKlaviyo;
let destination: OpenDestination;
const signal = new AbortController().signal;

beforeEach(async () => {
  fake = await startFakeKlaviyo({ key: KEY, now: () => NOW_MS });
  destination = klaviyo.open(klaviyoAt(fake.url, { orderedProduct: true }), LIMITS);
});
afterEach(async () => {
  await destination.close();
  await fake.close();
});

const metrics = () => fake.accepted().map(({ metric, duplicate }) => (duplicate ? `${metric} again` : metric));

test('the lines of an order follow it, one request each', async () => {
  const [sent] = await destination.send([delivery(purchase())], signal);
  expect(sent?.outcome).toMatchObject({ kind: 'accepted' });
  expect(metrics()).toEqual(['post_purchase_ready', 'Ordered Product', 'Ordered Product']);
  expect(fake.violations()).toEqual([]);
});

test('a line that fails for now is the outcome, and the next attempt records nothing twice', async () => {
  fake.faults.push(klaviyoError(503, { match: ({ text }) => text.includes('ord-1042:2') }));
  const [first] = await destination.send([delivery(purchase())], signal);
  expect(first?.outcome).toMatchObject({ kind: 'transient', unknown: true });
  await destination.send([delivery(purchase(), { earlierUnknown: true })], signal);
  expect(metrics()).toEqual([
    'post_purchase_ready',
    'Ordered Product',
    'post_purchase_ready again',
    'Ordered Product again',
    'Ordered Product',
  ]);
  expect(fake.violations()).toEqual([]);
});

test('an order that is refused sends no lines', async () => {
  fake.faults.push(klaviyoError(400));
  const [sent] = await destination.send([delivery(purchase())], signal);
  expect(sent?.outcome).toMatchObject({ kind: 'refused', code: 'klaviyo.400.invalid', httpStatus: 400 });
  expect(fake.ledger).toHaveLength(1);
});

test('several deliveries are several requests, each with its own outcome', async () => {
  const sent = await destination.send(
    [delivery(event({ eventId: 'a' })), delivery(event({ eventId: 'b', user: {} })), delivery(event({ eventId: 'c' }))],
    signal,
  );
  expect(sent.map(({ outcome }) => outcome.kind)).toEqual(['accepted', 'skipped', 'accepted']);
  expect(fake.accepted().map(({ uniqueId }) => uniqueId)).toEqual(['a', 'c']);
});

test('a late event says that it is one, and that is to be remembered', async () => {
  const [sent] = await destination.send([delivery(event(), { nowMs: NOW_MS + 7_200_000 })], signal);
  expect(sent).toMatchObject({ backfill: true, outcome: { kind: 'accepted' } });
  expect(fake.flowsFired()).toEqual([]);
});

test('an event that Klaviyo did not take may turn stale before the next attempt', async () => {
  fake.faults.push(klaviyoError(503));
  const [first] = await destination.send([delivery()], signal);
  expect(first).toMatchObject({ backfill: false, outcome: { kind: 'transient', unknown: false } });
  const [second] = await destination.send([delivery(event(), { nowMs: NOW_MS + 7_200_000 })], signal);
  expect(second).toMatchObject({ backfill: true, outcome: { kind: 'accepted' } });
});

test('sites of one account share its windows, and another account has its own', async () => {
  fake.faults.push(klaviyoError(429, { headers: { 'retry-after': '30' } }));
  const one = klaviyo.open(klaviyoAt(fake.url), LIMITS);
  const other = klaviyo.open(klaviyoAt(fake.url, { privateKey: new Secret('pk_another_test_only') }), LIMITS);
  await destination.send([delivery()], signal);
  const [held] = await one.send([delivery(event({ eventId: 'b' }))], signal);
  expect(held?.outcome).toMatchObject({ kind: 'throttled', code: 'klaviyo.window_full' });
  expect(held?.outcome.kind === 'throttled' && held.outcome.retryAfterMs).toBeGreaterThan(29_000);
  const [free] = await other.send([delivery(event({ eventId: 'c' }))], signal);
  expect(free?.outcome).toMatchObject({ kind: 'misconfigured' });
  expect(fake.ledger).toHaveLength(2);
  expect(fake.violations()).toEqual([]);
  await Promise.all([one.close(), other.close()]);
});

test('a minute that others have used up is not overdrawn: nothing leaves, and nothing is refused', async () => {
  const narrow = await startFakeKlaviyo({ key: KEY, now: () => NOW_MS, limits: { burst: 50, steady: 20 } });
  const careful = klaviyo.open(klaviyoAt(narrow.url), { ...LIMITS });
  const many = Array.from({ length: 25 }, (_, i) => delivery(event({ eventId: `e-${i}` })));
  const sent = await careful.send(many, signal);
  await Promise.all([careful.close(), narrow.close()]);
  const kinds = sent.map(({ outcome }) => outcome.kind);
  expect(kinds.filter((kind) => kind === 'accepted')).toHaveLength(19);
  expect(kinds.filter((kind) => kind === 'throttled')).toHaveLength(6);
  expect(narrow.ledger.map(({ status }) => status).filter((status) => status === 429)).toEqual([]);
});
