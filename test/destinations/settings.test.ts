import { expect, test } from 'vitest';
import { Secret } from '../../src/core/settings.ts';
import { destinations } from '../../src/destinations/index.ts';
import { klaviyo } from '../../src/destinations/klaviyo.ts';
import { meta } from '../../src/destinations/meta.ts';

const secret = new Secret('not-a-real-one');
const least = {
  meta: { datasetId: '880012345', accessToken: secret },
  klaviyo: { privateKey: secret },
};

test('Meta comes before Klaviyo', () => {
  expect(destinations.map(({ id }) => id)).toEqual(['meta', 'klaviyo']);
});

test('the documented defaults stand where a site says nothing', () => {
  expect(meta.settings.parse(least.meta)).toMatchObject({
    apiVersion: 'v25.0',
    baseUrl: 'https://graph.facebook.com',
    testEventCode: null,
    batch: { max: 1000, lingerMs: 0 },
  });
  expect(klaviyo.settings.parse(least.klaviyo)).toMatchObject({
    revision: '2026-07-15',
    baseUrl: 'https://a.klaviyo.com',
    maxWaitMs: 30_000,
    staleAfterMs: 3_600_000,
    events: { purchase: 'post_purchase_ready', begin_checkout: 'started_checkout_ready' },
    orderedProduct: false,
    transactional: [],
    identifiers: { externalId: 'webhook', kx: 'off' },
  });
});

test.each([
  ['a secret as text', { ...least.meta, accessToken: 'EAAG' }, 'accessToken'],
  ['a dataset that is no number', { ...least.meta, datasetId: 'abc' }, 'datasetId'],
  ['a dataset without quotes', { ...least.meta, datasetId: 880012345 }, 'datasetId'],
  ['a version that is none', { ...least.meta, apiVersion: '25' }, 'apiVersion'],
  ['a batch larger than Meta takes', { ...least.meta, batch: { max: 1001 } }, 'batch.max'],
  ['plain http to somewhere else', { ...least.meta, baseUrl: 'http://graph.example' }, 'baseUrl'],
  ['http to a host that only begins like loopback', { ...least.meta, baseUrl: 'http://127.0.0.1.example' }, 'baseUrl'],
  ['a key in the address', { ...least.meta, baseUrl: 'https://u:p@graph.example' }, 'baseUrl'],
])('Meta: %s is a mistake', (_name, settings, path) => {
  const result = meta.settings.safeParse(settings);
  expect(result.error?.issues.map((issue) => issue.path.join('.'))).toEqual([path]);
});

test.each([
  ['an unknown key', { ...least.klaviyo, privatKey: 'x' }, ''],
  ['a revision that is no date', { ...least.klaviyo, revision: 'latest' }, 'revision'],
  ['a metric of 128 characters', { ...least.klaviyo, events: { purchase: 'x'.repeat(128) } }, 'events.purchase'],
  ['an identifier from nowhere', { ...least.klaviyo, identifiers: { kx: 'yes' } }, 'identifiers.kx'],
])('Klaviyo: %s is a mistake', (_name, settings, path) => {
  const result = klaviyo.settings.safeParse(settings);
  expect(result.error?.issues.map((issue) => issue.path.join('.'))).toEqual([path]);
});

test('loopback may be plain, and a slash at the end does not matter', () => {
  const parsed = klaviyo.settings.parse({ ...least.klaviyo, baseUrl: 'http://127.0.0.1:9981/' });
  expect(parsed.baseUrl).toBe('http://127.0.0.1:9981');
});

test('each destination says how long it waits and how old an event may be', () => {
  const settings = klaviyo.settings.parse({ ...least.klaviyo, maxWaitMs: 1_500 });
  expect(klaviyo.waitMs(settings)).toBe(1_500);
  expect(meta.waitMs(meta.settings.parse(least.meta))).toBe(0);
  expect([meta.maxAgeMs, klaviyo.maxAgeMs]).toEqual([7 * 86_400_000, null]);
});

test('Klaviyo has a name for what the site lists, Meta for what it knows', () => {
  const settings = klaviyo.settings.parse({ ...least.klaviyo, events: { refund: 'Refunded Order' } });
  expect(['refund', 'purchase', 'constructor'].map((name) => klaviyo.maps(name, settings))).toEqual([
    true,
    false,
    false,
  ]);
  const other = meta.settings.parse(least.meta);
  expect(['purchase', 'refund'].map((name) => meta.maps(name, other))).toEqual([true, false]);
});
