import { afterEach, beforeEach, expect, test } from 'vitest';
import type { OpenDestination } from '../../src/core/ports.ts';
import { Secret } from '../../src/core/settings.ts';
import { type FakeMeta, graphError, startFakeMeta } from '../../src/demo/fake-meta.ts';
import { meta } from '../../src/destinations/meta.ts';
import { delivery, event, LIMITS, metaAt, NOW_MS, TOKEN } from './deliveries.ts';

const SECOND = 'EAAsecondTestOnly';
let fake: FakeMeta;
let destination: OpenDestination;
const signal = new AbortController().signal;
const at =
  (dataset: string) =>
  ({ path }: { path: string }) =>
    path.includes(`/${dataset}/`);

beforeEach(async () => {
  fake = await startFakeMeta({ datasets: { 880012345: TOKEN, 990000001: SECOND }, now: () => NOW_MS });
  destination = meta.open(metaAt(fake.url, { furtherDatasets: { 990000001: new Secret(SECOND) } }), LIMITS);
});
afterEach(async () => {
  await destination.close();
  await fake.close();
});

const two = [delivery(event({ eventId: 'a' })), delivery(event({ eventId: 'b' }))];
const taken = () =>
  fake
    .accepted()
    .map(({ dataset, event: { event_id } }) => `${dataset} ${event_id}`)
    .sort();
const EVERYWHERE = ['880012345 a', '880012345 b', '990000001 a', '990000001 b'];

test('each dataset gets every event with its own token', async () => {
  const sent = await destination.send(two, signal);
  expect(sent.map(({ outcome }) => outcome.kind)).toEqual(['accepted', 'accepted']);
  expect(taken()).toEqual(EVERYWHERE);
});

test.each([
  ['transient', graphError(2)],
  ['throttled', graphError(4)],
  ['misconfigured', graphError(190)],
] as const)('one that is %s leaves the event open, and the other is not asked again', async (kind, fault) => {
  fake.faults.push({ ...fault, match: at('990000001') });
  const first = await destination.send(two, signal);
  expect(first.map(({ outcome }) => outcome.kind)).toEqual([kind, kind]);
  const second = await destination.send(two, signal);
  expect(second.map(({ outcome }) => outcome.kind)).toEqual(['accepted', 'accepted']);
  expect(taken()).toEqual(EVERYWHERE);
  expect(fake.ledger).toHaveLength(3);
});

test('several that a further dataset refuses are told so, to be divided; one alone is what the own dataset says', async () => {
  fake.faults.push({ ...graphError(100, { times: 2 }), match: at('990000001') });
  expect((await destination.send(two, signal)).map(({ outcome }) => outcome.kind)).toEqual(['refused', 'refused']);
  expect((await destination.send(two.slice(0, 1), signal)).map(({ outcome }) => outcome.kind)).toEqual(['accepted']);
  await destination.send(two.slice(1), signal);
  expect(taken()).toEqual(['880012345 a', '880012345 b', '990000001 b']);
});
