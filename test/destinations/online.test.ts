import { afterEach, beforeEach, expect, test } from 'vitest';
import { Secret } from '../../src/core/settings.ts';
import { type FakeKlaviyo, startFakeKlaviyo } from '../../src/demo/fake-klaviyo.ts';
import { type FakeMeta, graphError, startFakeMeta } from '../../src/demo/fake-meta.ts';
import { klaviyo } from '../../src/destinations/klaviyo.ts';
import { meta } from '../../src/destinations/meta.ts';
import { KEY, klaviyoAt, LIMITS, metaAt, TOKEN } from './deliveries.ts';

let graph: FakeMeta;
let events: FakeKlaviyo;

beforeEach(async () => {
  graph = await startFakeMeta({ datasets: { 880012345: TOKEN } });
  events = await startFakeKlaviyo({ key: KEY, keysWithoutScope: ['pk_read_only_test'] });
});
afterEach(() => Promise.all([graph.close(), events.close()]));

test('what is right is accepted, and nothing was recorded by the question', async () => {
  const findings = [
    ...(await meta.check(metaAt(graph.url), LIMITS)),
    ...(await klaviyo.check(klaviyoAt(events.url), LIMITS)),
  ];
  expect(findings.map(({ subject, verdict, code }) => [subject, verdict, code])).toEqual([
    ['dataset 880012345', 'accepted', null],
    ['private key', 'accepted', null],
  ]);
  expect([graph.accepted(), events.accepted(), graph.violations(), events.violations()]).toEqual([[], [], [], []]);
});

test.each([
  ['a wrong token', { accessToken: new Secret('EAAwrong') }, 'meta.190', /access token/],
  ['a dataset of somebody else', { datasetId: '770000000' }, 'meta.100.33', /dataset/],
  ['a version that is not served', { apiVersion: 'v12.0' }, 'meta.2500', /version/],
])('Meta: %s is refused in words', async (_name, over, code, says) => {
  const [finding] = await meta.check(metaAt(graph.url, over), LIMITS);
  expect(finding).toMatchObject({ verdict: 'refused', code, says: expect.stringMatching(says) });
});

test.each([
  ['a wrong key', { privateKey: new Secret('pk_wrong_test') }, 'klaviyo.401.not_authenticated', /private key/],
  [
    'a key without scope',
    { privateKey: new Secret('pk_read_only_test') },
    'klaviyo.403.permission_denied',
    /events:write/,
  ],
  ['a retired revision', { revision: '2023-02-22' }, 'klaviyo.410.gone', /2023-02-22/],
  ['a revision that never was', { revision: '2026-07-16' }, 'klaviyo.400.invalid', /2026-07-16/],
])('Klaviyo: %s is refused in words', async (_name, over, code, says) => {
  const [finding] = await klaviyo.check(klaviyoAt(events.url, over), LIMITS);
  expect(finding).toMatchObject({ verdict: 'refused', code, says: expect.stringMatching(says) });
});

test('each further dataset is asked about by its own token', async () => {
  const settings = metaAt(graph.url, { furtherDatasets: { 990000001: new Secret('EAAof-nobody') } });
  const findings = await meta.check(settings, LIMITS);
  expect(findings.map(({ subject, verdict }) => [subject, verdict])).toEqual([
    ['dataset 880012345', 'accepted'],
    ['dataset 990000001', 'refused'],
  ]);
});

test('no answer is no verdict', async () => {
  graph.faults.push(graphError(2));
  expect(await meta.check(metaAt(graph.url), LIMITS)).toMatchObject([{ verdict: 'unreachable', code: 'meta.2' }]);
  events.faults.push({ do: 'html' });
  expect(await klaviyo.check(klaviyoAt(events.url), LIMITS)).toMatchObject([{ verdict: 'unreachable' }]);
  await graph.close();
  expect(await meta.check(metaAt(graph.url), LIMITS)).toMatchObject([{ verdict: 'unreachable', code: 'http.refused' }]);
});
