import { expect, test } from 'vitest';
import { toMetaEvent } from '../../src/destinations/meta-event.ts';
import { META_FIELDS, type MetaField } from '../../src/destinations/meta-fields.ts';
import { delivery, event, metaAt, purchase } from './deliveries.ts';

const rich = purchase({
  page: { url: 'https://apotheke.example/hiv-test/danke?kur=3&order=9', referrer: 'https://apotheke.example/prep?x=1' },
  user: {
    email: 'lena.vogt@posteo.example',
    phone: '+4915123456789',
    first_name: 'Lena',
    last_name: 'Vogt',
    city: 'Köln',
    region: 'NW',
    postal_code: '50667',
    country: 'DE',
    external_id: 'K-77',
    gender: 'f',
    birthday: '1990-12-31',
  },
  properties: {
    predicted_ltv: 80,
    delivery_category: 'in_store',
    customer_segmentation: 'customer_in_loyalty_program',
  },
});
const sent = (fields: readonly MetaField[] | null, of = rich) =>
  toMetaEvent(delivery(of), { ...metaAt('http://127.0.0.1'), fields: fields === null ? null : [...fields] });

test('a list of all fields is the same as none', () => {
  expect(sent(META_FIELDS)).toEqual(sent(null));
});

test('what is not listed stays: a shop for delicate things tells of an order and not of what was in it', () => {
  expect(sent(['em', 'value', 'order_id'])).toEqual({
    event_name: 'Purchase',
    event_time: expect.any(Number),
    event_id: 'ord-1042',
    action_source: 'website',
    event_source_url: 'https://apotheke.example/',
    user_data: { em: [expect.stringMatching(/^[0-9a-f]{64}$/)], client_user_agent: expect.any(String) },
    custom_data: { value: 48.7, currency: 'EUR', order_id: '1042' },
  });
});

test.each<[readonly MetaField[], string, string | undefined]>([
  [
    ['em', 'value', 'url_query', 'referrer_url'],
    'https://apotheke.example/hiv-test/danke?kur=3&order=9',
    'https://apotheke.example/prep?x=1',
  ],
  [
    ['em', 'value', 'url_path', 'referrer_url'],
    'https://apotheke.example/hiv-test/danke',
    'https://apotheke.example/prep',
  ],
  [['em', 'value', 'referrer_url'], 'https://apotheke.example/', 'https://apotheke.example/'],
  [['em', 'value', 'url_query'], 'https://apotheke.example/hiv-test/danke?kur=3&order=9', undefined],
])('with %j the page is %s', (fields, page, referrer) => {
  const event = sent(fields);
  expect([Reflect.get(event, 'event_source_url'), Reflect.get(event, 'referrer_url')]).toEqual([page, referrer]);
});

test('articles leave with their ids, or their contents, or not at all', () => {
  expect(sent(['em', 'value', 'content_ids'])).toMatchObject({
    custom_data: { content_type: 'product', content_ids: ['BOHNE-250', 'KANNE-1'] },
  });
  expect(JSON.stringify(sent(['em', 'value', 'content_ids']))).not.toContain('quantity');
});

test('what is left must still be enough for Meta', () => {
  expect(sent(['country', 'value'])).toEqual({ skipped: 'meta.insufficient_data' });
  expect(sent(['em'])).toEqual({ skipped: 'meta.incomplete' });
  expect(sent([], event())).toEqual({ skipped: 'meta.insufficient_data' });
});
