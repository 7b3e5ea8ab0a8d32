import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type FakeKlaviyo, startFakeKlaviyo } from '../../src/demo/fake-klaviyo.ts';
import { klaviyoError } from '../../src/demo/fake-klaviyo-answers.ts';
import { type FakeMeta, graphError, startFakeMeta } from '../../src/demo/fake-meta.ts';
import { customData, graphEvent, klaviyoBody, NOW_MS, NOW_S, sha256, userData } from './vendor-events.ts';

const TOKEN = 'EAAFakeTokenOfTheTest';
const KEY = 'pk_fake_key_of_the_test';

let meta: FakeMeta;
let klaviyo: FakeKlaviyo;

beforeEach(async () => {
  meta = await startFakeMeta({ datasets: { 55: TOKEN, 66: 'EAAOther' }, now: () => NOW_MS });
  klaviyo = await startFakeKlaviyo({ key: KEY, keysWithoutScope: ['pk_read_only'], meta, now: () => NOW_MS });
});
afterEach(async () => {
  await Promise.all([meta.close(), klaviyo.close()]);
});

async function toMeta(events: readonly object[], over: { path?: string; body?: object } = {}) {
  const response = await fetch(meta.url + (over.path ?? '/v25.0/55/events'), {
    method: 'POST',
    body: JSON.stringify({ data: events, access_token: TOKEN, ...over.body }),
  });
  return { status: response.status, body: JSON.parse(await response.text()) };
}

describe('the stand-in for Meta', () => {
  test('takes a valid event and remembers it without the token', async () => {
    expect(await toMeta([graphEvent()])).toMatchObject({ status: 200, body: { events_received: 1 } });
    expect(meta.acceptedFor('o-7')).toMatchObject([{ dataset: '55', duplicate: false }]);
    expect(JSON.stringify(meta.ledger)).not.toContain(TOKEN);
    expect(meta.violations()).toEqual([]);
  });

  test.each<[string, object, string]>([
    ['older than seven days', { event_time: NOW_S - 604_801 }, 'G10'],
    ['of the future', { event_time: NOW_S + 120 }, 'G11'],
    ['with a time in milliseconds', { event_time: NOW_MS }, 'G11'],
    ['with a time as text', { event_time: String(NOW_S) }, 'G8'],
    ['without a name', { event_name: '' }, 'G8'],
    ['from a source that is none', { action_source: 'web' }, 'G8'],
    ['without a page', { event_source_url: undefined }, 'G9'],
    ['without a user agent', { user_data: { ...userData, client_user_agent: undefined } }, 'G9'],
    ['with a misspelt key', { evnt_id: 'x' }, 'G23'],
    ['with a misspelt key of the person', { user_data: { ...userData, email: 'x' } }, 'G23'],
    ['with a raw e-mail', { user_data: { ...userData, em: ['rosa@garten.example'] } }, 'G13'],
    ['with the digest of nothing', { user_data: { ...userData, em: [sha256('')] } }, 'G13'],
    ['with the digest of undefined', { user_data: { ...userData, ph: [sha256('undefined')] } }, 'G13'],
    ['with a private address', { user_data: { ...userData, client_ip_address: '10.0.0.9' } }, 'G14'],
    ['with a hashed address', { user_data: { ...userData, client_ip_address: sha256('46.5.12.77') } }, 'G14'],
    ['with a broken fbc', { user_data: { ...userData, fbc: 'fb.1.AbC' } }, 'G15'],
    ['with an fbp of tomorrow', { user_data: { ...userData, fbp: `fb.1.${NOW_MS + 86_400_000}.99` } }, 'G15'],
    ['that knows a country only', { user_data: { client_user_agent: 'x', country: [sha256('de')] } }, 'G12'],
    ['of a purchase without value', { custom_data: { currency: 'EUR' } }, 'G16'],
    ['of a purchase without currency', { custom_data: { value: 3 } }, 'G16'],
    ['in money that is none', { custom_data: { value: 3, currency: 'FAKE' } }, 'G16'],
    ['with half an article', { custom_data: { ...customData, contents: [{ id: 'R-1', quantity: 0.5 }] } }, 'G17'],
    ['with an article without id', { custom_data: { ...customData, contents: [{ quantity: 1 }] } }, 'G17'],
    ['with limited data use and no country', { data_processing_options: ['LDU'] }, 'G18'],
    [
      'with limited data use, no address and no state',
      {
        data_processing_options: ['LDU'],
        data_processing_options_country: 0,
        data_processing_options_state: 0,
        user_data: { ...userData, client_ip_address: undefined },
      },
      'G18',
    ],
    ['of a customer of no known kind', { customer_segmentation: 'vip' }, 'G8'],
    ['with a worth that is text', { custom_data: { ...customData, predicted_ltv: '80' } }, 'G17'],
    ['with an e-mail in its address', { event_source_url: 'https://garten.example/?m=rosa%40garten.example' }, 'G24'],
    ['with a phone number in its address', { event_source_url: 'https://garten.example/?t=%2B4915123456789' }, 'G24'],
  ])('refuses an event %s', async (_name, over, rule) => {
    expect((await toMeta([graphEvent(over)])).status).toBe(400);
    expect(meta.ledger[0]).toMatchObject({ verdict: 'rejected', rule });
    expect(meta.accepted()).toEqual([]);
  });

  test('refuses all for one, and a thousand and one', async () => {
    const events = Array.from({ length: 10 }, (_, i) => graphEvent({ event_id: `o-${i}` }));
    const bad = events.with(7, graphEvent({ event_id: 'o-7', event_time: NOW_S - 604_801 }));
    expect(await toMeta(bad)).toMatchObject({
      body: { error: { code: 100, error_subcode: 2804003, is_transient: false } },
    });
    expect((await toMeta(Array.from({ length: 1001 }, () => graphEvent()))).status).toBe(400);
    expect((await toMeta([])).status).toBe(400);
    expect(meta.accepted()).toEqual([]);
  });

  test.each<[string, { path?: string; body?: object }, object]>([
    ['a wrong token', { body: { access_token: 'EAANobody' } }, { code: 190 }],
    ["another dataset's token", { path: '/v25.0/66/events' }, { code: 100, error_subcode: 33 }],
    ['a version that is no longer served', { path: '/v12.0/55/events' }, { code: 2500 }],
  ])('refuses %s', async (_name, over, error) => {
    expect(await toMeta([graphEvent()], over)).toMatchObject({ status: 400, body: { error } });
  });

  test('counts an event once in 48 hours, and minds when a retry says something else', async () => {
    await toMeta([graphEvent()]);
    await toMeta([graphEvent()]);
    expect(meta.accepted().map(({ duplicate }) => duplicate)).toEqual([false, true]);
    expect(meta.violations()).toEqual([]);
    await toMeta([graphEvent({ event_time: NOW_S - 29 })]);
    expect(meta.violations()).toMatchObject([{ rule: 'G19', n: 3 }]);
  });

  test('minds a token in the address, a test code and what was never to be sent', async () => {
    meta.forbid('rosa@garten.example');
    await toMeta([graphEvent()], {
      path: `/v25.0/55/events?access_token=${TOKEN}`,
      body: { test_event_code: 'TEST1' },
    });
    expect(meta.violations().map(({ rule }) => rule)).toEqual(['G3', 'G20', 'G25']);
    expect(JSON.stringify(meta.ledger)).not.toContain(TOKEN);
  });
});

async function toKlaviyo(body: object, headers: Record<string, string> = {}, path = '/api/events') {
  const response = await fetch(klaviyo.url + path, {
    method: 'POST',
    headers: {
      authorization: `Klaviyo-API-Key ${KEY}`,
      revision: '2026-07-15',
      'x-klaviyo-revision-fall-forward-opt-out': '1',
      'content-type': 'application/vnd.api+json',
      ...headers,
    },
    body: JSON.stringify(body),
  });
  return { status: response.status, text: await response.text(), headers: response.headers };
}
const rules = () => klaviyo.violations().map(({ rule }) => rule);
const claiming = (capiStatus: string) => klaviyoBody({ properties: { capi_event_id: 'o-7', capi_status: capiStatus } });

describe('the stand-in for Klaviyo', () => {
  test('takes a valid event with an empty 202 that says what is left', async () => {
    await toMeta([graphEvent()]);
    const answer = await toKlaviyo(klaviyoBody());
    expect(answer).toMatchObject({ status: 202, text: '' });
    expect(answer.headers.get('ratelimit-remaining')).toBe('3499');
    expect(klaviyo.acceptedFor('o-7')).toMatchObject([{ metric: 'post_purchase_ready', duplicate: false }]);
    expect(JSON.stringify(klaviyo.ledger)).not.toContain(KEY);
    expect(rules()).toEqual([]);
  });

  test.each<[string, object, string]>([
    ['without anybody', klaviyoBody({}, {}), 'K6'],
    ['with a hashed e-mail', klaviyoBody({}, { email: sha256('x') }), 'K7'],
    ['with a national phone number', klaviyoBody({}, { phone_number: '0151 23456789' }), 'K7'],
    ['with an exchange id that nobody gave', klaviyoBody({}, { _kx: 'abc' }), 'K7'],
    [
      'with a metric of 128 characters',
      klaviyoBody({ metric: { data: { type: 'metric', attributes: { name: 'x'.repeat(128) } } } }),
      'K5',
    ],
    ['without properties', klaviyoBody({ properties: undefined }), 'K5'],
    ['with null in the properties', klaviyoBody({ properties: { coupon: null } }), 'K6'],
    [
      'with 401 properties',
      klaviyoBody({ properties: Object.fromEntries(Array.from({ length: 401 }, (_, i) => [`p${i}`, i])) }),
      'K10',
    ],
    ['of two years ahead', klaviyoBody({ time: '2028-12-01T00:00:00Z' }), 'K8'],
    ['with an amount as text', klaviyoBody({ value: '21.4' }), 'K9'],
    ['with an unknown attribute', klaviyoBody({ uniqueId: 'x' }), 'K5'],
    ['with an fbp in the properties', klaviyoBody({ properties: { x: 'fb.1.1763970000000.99' } }), 'K18'],
    ['with a digest in the properties', klaviyoBody({ properties: { mail: sha256('x') } }), 'K18'],
  ])('refuses an event %s', async (_name, body, rule) => {
    expect((await toKlaviyo(body)).status).toBe(400);
    expect(klaviyo.ledger[0]).toMatchObject({ verdict: 'rejected', rule });
  });

  test.each<[string, Record<string, string>, number]>([
    ['no key', { authorization: '' }, 401],
    ['a bearer', { authorization: `Bearer ${KEY}` }, 401],
    ['a key without scope', { authorization: 'Klaviyo-API-Key pk_read_only' }, 403],
    ['a retired revision', { revision: '2023-02-22' }, 410],
    ['a revision that never was', { revision: '2026-07-16' }, 400],
    ['falling forward', { 'x-klaviyo-revision-fall-forward-opt-out': '0' }, 400],
    ['plain text', { 'content-type': 'text/plain' }, 415],
  ])('refuses %s', async (_name, headers, status) => {
    expect((await toKlaviyo(klaviyoBody(), headers)).status).toBe(status);
  });

  test('records an event once and starts no flow for a duplicate or a backfill', async () => {
    await toKlaviyo(klaviyoBody());
    await toKlaviyo(klaviyoBody());
    await toKlaviyo(klaviyoBody({ unique_id: 'o-8', backfill: true }));
    expect(klaviyo.accepted().map(({ duplicate }) => duplicate)).toEqual([false, true, false]);
    expect(klaviyo.flowsFired()).toHaveLength(1);
  });

  test('minds an address that is not for servers, and subscriptions', async () => {
    expect((await toKlaviyo(klaviyoBody(), {}, '/client/events')).status).toBe(404);
    await toKlaviyo({}, {}, '/api/profile-subscription-bulk-create-jobs');
    await toKlaviyo({}, {}, `/api/events?key=${KEY}`);
    expect(rules()).toEqual(['K1', 'K19', 'K2']);
  });

  test('throttles the whole account, and minds who does not wait', async () => {
    const slow = await startFakeKlaviyo({ key: KEY, limits: { burst: 1, steady: 10 }, now: () => NOW_MS });
    const real = klaviyo;
    klaviyo = slow;
    await toKlaviyo(klaviyoBody());
    const throttled = await toKlaviyo(klaviyoBody({ unique_id: 'o-8' }));
    klaviyo = real;
    await slow.close();
    expect(throttled).toMatchObject({ status: 429 });
    expect(throttled.headers.get('retry-after')).toBe('1');
    expect(throttled.headers.get('ratelimit-limit')).toBeNull();
  });
});

describe('the order, as the stand-ins see it', () => {
  test.each(['sent', 'failed'])('%s without a word from Meta is a violation', async (status) => {
    await toKlaviyo(claiming(status));
    expect(rules()).toEqual(['K17']);
  });

  test.each(['skipped', 'deferred'])('%s needs no word from Meta', async (status) => {
    await toKlaviyo(claiming(status));
    expect(rules()).toEqual([]);
  });

  test('Meta after Klaviyo is a violation, but where Klaviyo was told that Meta is late', async () => {
    await toKlaviyo(claiming('skipped'));
    await toMeta([graphEvent()]);
    expect(rules()).toEqual(['K17']);
    await toKlaviyo(klaviyoBody({ unique_id: 'o-9', properties: { capi_event_id: 'o-9', capi_status: 'deferred' } }));
    await toMeta([graphEvent({ event_id: 'o-9' })]);
    expect(rules()).toEqual(['K17']);
  });

  test('failed is true after a refusal, and false after a success', async () => {
    meta.faults.push(graphError(100, { subcode: 2804050 }));
    await toMeta([graphEvent()]);
    await toKlaviyo(claiming('failed'));
    expect(rules()).toEqual([]);
    await toMeta([graphEvent({ event_id: 'o-9' })]);
    await toKlaviyo(klaviyoBody({ unique_id: 'o-9', properties: { capi_event_id: 'o-9', capi_status: 'failed' } }));
    expect(rules()).toEqual(['K17']);
  });

  test('a missing capi_status is a violation', async () => {
    await toKlaviyo(klaviyoBody({ properties: { capi_event_id: 'o-7' } }));
    expect(rules()).toEqual(['K17']);
  });
});

describe('faults', () => {
  test('strike the requests that they match, as often as they say', async () => {
    klaviyo.faults.push(klaviyoError(503, { times: 2, match: ({ text }) => text.includes('o-8') }));
    const statuses: number[] = [];
    for (const unique_id of ['o-7', 'o-8', 'o-8', 'o-8'])
      statuses.push((await toKlaviyo(klaviyoBody({ unique_id }))).status);
    expect(statuses).toEqual([202, 503, 503, 202]);
    expect(klaviyo.faults).toEqual([]);
  });

  test('an outage ends when it is taken back', async () => {
    meta.faults.push({ do: 'html', status: 503, times: Number.POSITIVE_INFINITY });
    const status = async () => (await fetch(`${meta.url}/v25.0/55/events`, { method: 'POST' })).status;
    expect([await status(), await status()]).toEqual([503, 503]);
    meta.faults.length = 0;
    expect(await status()).toBe(400);
  });

  test('a reset after recording counts the event', async () => {
    meta.faults.push({ do: 'reset-after-recording' });
    await expect(toMeta([graphEvent()])).rejects.toThrow();
    expect(meta.acceptedFor('o-7')).toHaveLength(1);
    expect(meta.ledger[0]).toMatchObject({ status: null, fault: 'reset-after-recording' });
  });
});
