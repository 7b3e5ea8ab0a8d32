import { expect, test } from 'vitest';
import { metaEventName } from '../../src/destinations/event-names.ts';
import { type MetaEvent, toMetaEvent } from '../../src/destinations/meta-event.ts';
import { delivery, EVENT_MS, event, metaAt, purchase } from './deliveries.ts';

const SHAPE = metaAt('http://127.0.0.1');

const shaped = (over: Partial<typeof SHAPE>, of = delivery()) => toMetaEvent(of, { ...SHAPE, ...over });

test('a site names events of its own, and keeps others from Meta', () => {
  const events = { my_quiz: 'QuizDone', search: null, view_item: 'ViewContent' };
  expect(shaped({ events }, delivery(event({ name: 'my_quiz' })))).toMatchObject({ event_name: 'QuizDone' });
  expect(shaped({ events }, delivery(event({ name: 'search' })))).toEqual({ skipped: 'meta.not_mapped' });
  expect(shaped({ events }, delivery(event({ name: 'constructor' })))).toEqual({ skipped: 'meta.not_mapped' });
  expect(shaped({ events }, delivery(purchase()))).toMatchObject({ event_name: 'Purchase' });
});

test('events that serve attribution alone say so, and others say nothing of it', () => {
  expect(shaped({ attributionOnly: true })).toMatchObject({ opt_out: true });
  expect(shaped({})).not.toHaveProperty('opt_out');
});

test.each([
  ['customer_segmentation', 'new_customer_to_business', { customer_segmentation: 'new_customer_to_business' }],
  ['predicted_ltv', 212.5, { custom_data: { predicted_ltv: 212.5 } }],
  ['delivery_category', 'curbside', { custom_data: { delivery_category: 'curbside' } }],
  ['content_type', 'product_group', { custom_data: { content_type: 'product_group' } }],
])('the property %s of %j is told in Meta\u2019s key', (name, value, expected) => {
  expect(shaped({}, delivery(event({ properties: { [name]: value } })))).toMatchObject(expected);
});

test.each([
  ['customer_segmentation', 'vip'],
  ['predicted_ltv', '212.5'],
  ['predicted_ltv', -1],
  ['delivery_category', 'by drone'],
  ['note', 'lena@posteo.example'],
])('the property %s of %j is none of Meta\u2019s, and stays', (name, value) => {
  expect(shaped({}, delivery(event({ properties: { [name]: value } })))).toEqual(shaped({}));
});

test('an amount below zero is none', () => {
  expect(built(event({ value: -3 })).custom_data).not.toHaveProperty('value');
  expect(toMetaEvent(delivery(purchase({ value: -3 })), SHAPE)).toEqual({ skipped: 'meta.incomplete' });
});

function built(...of: Parameters<typeof delivery>): MetaEvent {
  const result = toMetaEvent(delivery(...of), SHAPE);
  if ('skipped' in result) throw new Error(`skipped: ${result.skipped}`);
  return result;
}

test('a checkout becomes InitiateCheckout with everything that was shown, and nothing more', () => {
  const { user_data: _person, ...rest } = built();
  expect(rest).toEqual({
    event_name: 'InitiateCheckout',
    event_time: Math.floor(EVENT_MS / 1000),
    event_id: 'chk-58213',
    action_source: 'website',
    event_source_url: 'https://kaffeehaus.example/checkout?step=2',
    referrer_url: 'https://kaffeehaus.example/cart',
    custom_data: {
      value: 48.7,
      currency: 'EUR',
      content_type: 'product',
      content_ids: ['BOHNE-250', 'KANNE-1'],
      contents: [
        { id: 'BOHNE-250', quantity: 3, item_price: 9.9 },
        { id: 'KANNE-1', quantity: 1, item_price: 19 },
      ],
      num_items: 4,
    },
  });
});

test('a purchase carries its order id, a search its words, and nothing else carries either', () => {
  expect(built(purchase()).custom_data).toMatchObject({ order_id: '1042' });
  expect(built(event({ transaction_id: '1042' })).custom_data).not.toHaveProperty('order_id');
  expect(built(event({ name: 'search', search_term: ' Mokka ' })).custom_data).toMatchObject({
    search_string: 'Mokka',
  });
  expect(built(event({ search_term: 'Mokka' })).custom_data).not.toHaveProperty('search_string');
});

test.each([
  ['a currency in small letters is written large', { currency: ' eur ' }, { currency: 'EUR' }],
  ['a value of zero is a value', { value: 0 }, { value: 0, currency: 'EUR' }],
  [
    'a price of zero is a price',
    { items: [{ item_id: 'A', price: 0 }] },
    { contents: [{ id: 'A', quantity: 1, item_price: 0 }] },
  ],
  ['an article without an id is left out', { items: [{ item_name: 'x' }, { item_id: 'B' }] }, { content_ids: ['B'] }],
  [
    'an article that was taken out is left out',
    { items: [{ item_id: 'A', quantity: 0 }, { item_id: 'B' }] },
    { content_ids: ['B'] },
  ],
  ['half a piece has no quantity', { items: [{ item_id: 'A', quantity: 0.5 }] }, { contents: [{ id: 'A' }] }],
  ['zeros in front of an id stay', { items: [{ item_id: '0045' }] }, { content_ids: ['0045'] }],
])('%s', (_name, over, expected) => {
  expect(built(event(over)).custom_data).toMatchObject(expected);
});

test('no money, no articles: no custom data is made up', () => {
  const bare = event({ name: 'page_view', items: [] });
  const { value: _value, currency: _currency, ...rest } = bare;
  expect(built(rest)).not.toHaveProperty('custom_data');
});

const { value: _value, ...withoutValue } = purchase();
const { currency: _currency, ...withoutCurrency } = purchase();
const { page: _page, ...withoutPage } = event();
const { user: _user, ids: _ids, ...unknownPerson } = event({ client: { ip: '10.1.2.3', userAgent: 'Mozilla/5.0' } });

test.each([
  ['an event that Meta has no name for', event({ name: 'view_cart' }), 'meta.not_mapped'],
  ['a purchase without a value', withoutValue, 'meta.incomplete'],
  ['a purchase without a currency', withoutCurrency, 'meta.incomplete'],
  ['a purchase in a currency that is none', purchase({ currency: 'EURO' }), 'meta.incomplete'],
  ['no user agent', event({ client: { ip: '46.5.12.77', userAgent: null } }), 'meta.no_user_agent'],
  ['a blank user agent', event({ client: { ip: '46.5.12.77', userAgent: '  ' } }), 'meta.no_user_agent'],
  ['no page', withoutPage, 'meta.no_url'],
  ['a page that is no web address', event({ page: { url: 'file:///tmp/x' } }), 'meta.no_url'],
  ['nobody but a user agent', unknownPerson, 'meta.insufficient_data'],
  ['a country and a user agent', { ...unknownPerson, user: { country: 'DE' } }, 'meta.insufficient_data'],
  ['a birthday and a user agent', { ...unknownPerson, user: { birthday: '1990-12-31' } }, 'meta.insufficient_data'],
])('%s is skipped: %#', (_name, of, code) => {
  expect(toMetaEvent(delivery(of), SHAPE)).toEqual({ skipped: code });
});

test('an address that is public makes an event valid', () => {
  const person = { ...unknownPerson, client: { ip: '46.5.12.77', userAgent: 'Mozilla/5.0' } };
  expect(built(person).user_data).toEqual({ client_ip_address: '46.5.12.77', client_user_agent: 'Mozilla/5.0' });
});

test('limited data use is asked for only where the decision says so', () => {
  expect(built(event(), { limitedDataUse: true })).toMatchObject({
    data_processing_options: ['LDU'],
    data_processing_options_country: 0,
    data_processing_options_state: 0,
  });
  expect(built()).not.toHaveProperty('data_processing_options');
});

test('no e-mail address and no phone number leaves in an address or in a search', () => {
  const of = event({
    name: 'search',
    search_term: 'lena.vogt@posteo.example',
    page: {
      url: 'https://kaffeehaus.example/konto/lena%40posteo.example/?utm_source=mail&e=lena%2540posteo.example&tel=01511234567#lena@posteo.example',
      referrer: 'https://lena:geheim@mail.example/?to=lena@posteo.example&p=%2B491511234567',
    },
  });
  const text = JSON.stringify(built(of));
  expect(text).not.toMatch(/lena|geheim|1234567/i);
  expect(built(of).event_source_url).toBe('https://kaffeehaus.example/konto/-/?utm_source=mail');
  expect(built(of).custom_data).not.toHaveProperty('search_string');
});

test.each([
  ['page_view', 'PageView'],
  ['view_search_results', 'Search'],
  ['generate_lead', 'Lead'],
  ['start_trial', 'StartTrial'],
  ['refund', null],
  ['add_shipping_info', null],
  ['constructor', null],
])('%s is %s at Meta', (name, expected) => {
  expect(metaEventName(name)).toBe(expected);
});

test('the same delivery gives the same bytes at every retry', () => {
  const later = delivery(event(), { nowMs: EVENT_MS + 86_400_000, earlierUnknown: true });
  expect(JSON.stringify(toMetaEvent(later, SHAPE))).toBe(JSON.stringify(built()));
});
