import { describe, expect, test } from 'vitest';
import type { CollectedEvent } from '../../src/core/event.ts';
import type { Delivery } from '../../src/core/ports.ts';
import { type KlaviyoDocument, toKlaviyoEvent } from '../../src/destinations/klaviyo-event.ts';
import type { KlaviyoSettings } from '../../src/destinations/klaviyo-settings.ts';
import { delivery, event, klaviyoAt, NOW_MS, purchase } from './deliveries.ts';

const DIGEST = 'a4ff0b1c'.repeat(8);

function documents(of: CollectedEvent, rest: { over?: Partial<Delivery>; settings?: Partial<KlaviyoSettings> } = {}) {
  const result = toKlaviyoEvent(delivery(of, rest.over), klaviyoAt('https://a.klaviyo.example', rest.settings));
  if ('skipped' in result) throw new Error(`skipped: ${result.skipped}`);
  return result.documents.map(({ data }: KlaviyoDocument) => data.attributes);
}

function attributes(...args: Parameters<typeof documents>): KlaviyoDocument['data']['attributes'] {
  const [first] = documents(...args);
  if (first === undefined) throw new Error('no document');
  return first;
}
const profileOf = (...args: Parameters<typeof documents>) => attributes(...args).profile.data.attributes;

test('an order is told with its id, its amount, its second and what Meta made of it', () => {
  expect(attributes(purchase())).toMatchObject({
    unique_id: 'ord-1042',
    time: '2026-11-24T09:29:17Z',
    value: 48.7,
    value_currency: 'EUR',
    metric: { data: { type: 'metric', attributes: { name: 'post_purchase_ready' } } },
    profile: { data: { type: 'profile', attributes: { email: 'Lena.Vogt@Posteo.example' } } },
    properties: {
      capi_event_id: 'ord-1042',
      capi_status: 'sent',
      order_id: '1042',
      ItemNames: ['Espresso 250 g', 'Mokkakanne'],
      Items: [
        { ProductID: 'BOHNE-250', SKU: 'BOHNE-250', ProductName: 'Espresso 250 g', ItemPrice: 9.9, Quantity: 3 },
        { ProductID: 'KANNE-1', Brand: 'Norden', Categories: ['Zubehör'] },
      ],
    },
  });
});

test.each(['sent', 'failed', 'skipped', 'deferred'] as const)(
  'capi_status is %s as it was fixed at the release',
  (capiStatus) => {
    expect(attributes(event(), { over: { capiStatus } }).properties).toMatchObject({ capi_status: capiStatus });
  },
);

test('nothing of the browser and no digest is in the request', () => {
  const of = event({
    properties: {
      gift_wrap: true,
      note: 'für Oma',
      fbp: 'x',
      client_ip_address: '46.5.12.77',
      nested: {
        user_agent: 'x',
        via: 'https://kaffeehaus.example/?fbclid=IwAR2',
        ip: 'x',
        keep: [1, '46.5.12.77', null],
      },
      digest: DIGEST,
      nothing: null,
    },
    page: { url: 'https://kaffeehaus.example/checkout?fbclid=IwAR2xYz' },
    user: { email: 'lena.vogt@posteo.example', first_name: DIGEST, external_id: 'K-7' },
  });
  const sent = attributes(of);
  expect(sent.properties).toMatchObject({ gift_wrap: true, note: 'für Oma', nested: { keep: [1] } });
  expect(JSON.stringify(sent)).not.toMatch(
    /fb\.1\.|fbclid|IwAR2|46\.5\.12\.77|Mozilla|v-90b1|K-7|user_agent|a4ff0b1c|null/,
  );
});

test("the shop's own properties never stand in for ours, and there is a limit to them", () => {
  const many = Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`p${i}`, i]));
  const { properties } = attributes(purchase({ properties: { capi_status: 'sent', order_id: 'x', ...many } }), {
    over: { capiStatus: 'failed' },
  });
  expect(properties).toMatchObject({ capi_status: 'failed', order_id: '1042' });
  expect(Object.keys(properties).length).toBeLessThanOrEqual(400);
});

describe('who it was', () => {
  test('the phone number is in E.164, by the country of the user, or it is left out', () => {
    const email = 'lena.vogt@posteo.example';
    expect(profileOf(event({ user: { email, phone: '0151 23456789', country: 'Deutschland' } }))).toMatchObject({
      phone_number: '+4915123456789',
    });
    expect(profileOf(event({ user: { email, phone: '0151 23456789' } }))).toEqual({ email });
  });

  test('names and place are sent as they are where they are known', () => {
    const user = {
      email: ' lena.vogt@posteo.example ',
      first_name: 'Lena',
      city: 'Köln',
      postal_code: '50667',
      last_name: ' ',
    };
    expect(profileOf(event({ user }))).toEqual({
      email: 'lena.vogt@posteo.example',
      first_name: 'Lena',
      location: { city: 'Köln', zip: '50667' },
    });
  });

  test.each([
    ['nobody', {}],
    ['a digest in place of the e-mail', { email: DIGEST }],
    ['a digest in capitals', { email: DIGEST.toUpperCase() }],
    ['an e-mail that is none', { email: 'lena@posteo' }],
    ['a phone number that is none', { phone: '12345', country: 'US' }],
    ['a name', { first_name: 'Lena', last_name: 'Vogt' }],
    ['a customer id from a browser', { external_id: 'K-7' }],
  ])('%s identifies no profile', (_name, user) => {
    expect(toKlaviyoEvent(delivery(event({ user })), klaviyoAt('https://a.klaviyo.example'))).toEqual({
      skipped: 'klaviyo.no_identifier',
    });
  });

  test('a customer id goes along from where the site trusts it', () => {
    const user = { email: 'lena.vogt@posteo.example', external_id: 'K-7' };
    expect(profileOf(event({ user }))).not.toHaveProperty('external_id');
    expect(profileOf(event({ user, source: 'shopify', trust: 'webhook' }))).toMatchObject({ external_id: 'K-7' });
    expect(profileOf(event({ user }), { settings: { identifiers: { externalId: 'all', kx: 'off' } } })).toMatchObject({
      external_id: 'K-7',
    });
  });

  test("a link's exchange id goes along only where the site asked for it, and never with a transactional event", () => {
    const of = purchase({ ids: { kx: 'kx-9Zq' } });
    const all = { identifiers: { externalId: 'off', kx: 'all' } } as const;
    expect(profileOf(of)).not.toHaveProperty('_kx');
    expect(profileOf(of, { settings: all })).toMatchObject({ _kx: 'kx-9Zq' });
    expect(profileOf(of, { settings: { ...all, transactional: ['purchase'] } })).not.toHaveProperty('_kx');
  });
});

describe('the amount', () => {
  const { value: _value, currency: _currency, ...bare } = event();

  test('is never made up, and zero is one', () => {
    expect(attributes(bare)).not.toHaveProperty('value');
    expect(attributes({ ...bare, currency: 'EUR' })).not.toHaveProperty('value_currency');
    expect(attributes({ ...bare, value: 0, currency: 'eur' })).toMatchObject({ value: 0, value_currency: 'EUR' });
    expect(attributes({ ...bare, value: 3, currency: 'FAKE' })).not.toHaveProperty('value_currency');
  });
});

describe('lines of an order', () => {
  const settings = { orderedProduct: true };

  test('each is an event of its own with an id of its own', () => {
    const items = [
      { item_id: 'TASSE', item_variant: 'rot', price: 19.99, quantity: 3 },
      { item_id: 'TASSE', item_variant: 'blau', price: 5 },
    ];
    const [, ...lines] = documents(purchase({ items }), { settings });
    expect(lines).toMatchObject([
      { unique_id: 'ord-1042:1', value: 59.97, properties: { Variant: 'rot', order_id: '1042', capi_status: 'sent' } },
      { unique_id: 'ord-1042:2', value: 5, properties: { Variant: 'blau', capi_event_id: 'ord-1042' } },
    ]);
    expect(lines.map(({ metric }) => metric.data.attributes.name)).toEqual(['Ordered Product', 'Ordered Product']);
  });

  test('exist for purchases, where the site wants them', () => {
    expect(documents(event(), { settings })).toHaveLength(1);
    expect(documents(purchase())).toHaveLength(1);
  });
});

describe('an event that is late', () => {
  const late = { nowMs: NOW_MS + 3_600_000 };

  test.each<[string, Partial<Delivery>, boolean]>([
    ['in time', {}, false],
    ['an hour late', late, true],
    ['an hour late while an earlier attempt may have been recorded', { ...late, earlierUnknown: true }, false],
    ['marked before and unknown', { earlierUnknown: true, backfill: true }, true],
    ['marked before', { backfill: true }, true],
  ])('%s: backfill', (_name, over, expected) => {
    const result = toKlaviyoEvent(delivery(event(), over), klaviyoAt('https://a.klaviyo.example'));
    expect(result).toMatchObject({ backfill: expected });
    expect(attributes(event(), { over }).backfill).toBe(expected ? true : undefined);
  });

  test('keeps its own time', () => {
    expect(attributes(event(), { over: late }).time).toBe('2026-11-24T09:29:17Z');
  });
});

test('an event that the site lists no metric for is not sent', () => {
  for (const name of ['page_view', 'toString']) {
    expect(toKlaviyoEvent(delivery(event({ name })), klaviyoAt('https://a.klaviyo.example'))).toEqual({
      skipped: 'klaviyo.not_mapped',
    });
  }
});

const rich = () =>
  purchase({
    user: { email: 'Lena.Vogt@Posteo.example', first_name: 'Lena', last_name: 'Vogt', city: 'Köln', country: 'DE' },
    coupon: 'HERBST',
    properties: { loyalty: 'gold', diagnosis: 'x' },
  });

test('with a list of fields nothing else leaves but who it is and what Meta made of it', () => {
  const [attributes, line] = documents(rich(), {
    settings: {
      fields: ['Items', 'ProductID', 'last_name', 'loyalty'],
      orderedProduct: true,
    },
  });
  expect(attributes?.profile.data.attributes).toEqual({ email: 'Lena.Vogt@Posteo.example', last_name: 'Vogt' });
  expect(attributes?.properties).toEqual({
    Items: [{ ProductID: 'BOHNE-250' }, { ProductID: 'KANNE-1' }],
    loyalty: 'gold',
    capi_event_id: 'ord-1042',
    capi_status: 'sent',
    order_id: '1042',
  });
  expect(line?.properties).toEqual({
    ProductID: 'BOHNE-250',
    capi_event_id: 'ord-1042',
    capi_status: 'sent',
    order_id: '1042',
  });
});

test('an article that was added is listed by the name behind the prefix', () => {
  const settings = { events: { add_to_cart: 'Added to Cart' }, fields: ['Price'] };
  const [attributes] = documents(event({ name: 'add_to_cart' }), { settings });
  expect(attributes?.properties).toMatchObject({ AddedItemPrice: 9.9 });
  expect(attributes?.properties).not.toHaveProperty('AddedItemProductName');
});

test('lists are cut at 4,000 and texts beyond 100 KB stay', () => {
  const properties = { views: Array.from({ length: 4_100 }, (_, i) => i), essay: 'x'.repeat(102_401), note: 'ok' };
  const [attributes] = documents(purchase({ properties }));
  expect(attributes?.properties['views']).toHaveLength(4_000);
  expect(attributes?.properties).not.toHaveProperty('essay');
  expect(attributes?.properties).toMatchObject({ note: 'ok' });
});

test('an event larger than Klaviyo takes still starts its flow', () => {
  const properties = Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`text_${i}`, 'x'.repeat(100_000)]));
  const [attributes] = documents(purchase({ properties }));
  expect(attributes?.properties).toEqual({ capi_event_id: 'ord-1042', capi_status: 'sent', order_id: '1042' });
});
