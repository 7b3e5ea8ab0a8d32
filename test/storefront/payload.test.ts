import { describe, expect, it } from 'vitest';
import { browserEvent } from '../../src/core/event.ts';
import { makeEvent, packBodies, withConsent } from '../../src/storefront/payload.ts';

const moment = {
  eventId: 'b7c1f0de-5a0e-4a6e-9c59-0f4f6f1f2a11',
  time: '2026-11-24T08:00:00.000Z',
  page: { url: 'https://shop.example/cart', title: 'Cart' },
};

describe('makeEvent', () => {
  it('gives an event that the schema of the core accepts', () => {
    const event = makeEvent(
      'add_to_cart',
      { currency: 'EUR', value: 29.95, items: [{ item_id: 'TEE-M', price: 29.95, quantity: 1 }], colour: 'green' },
      moment,
    );
    expect(browserEvent.parse(event)).toEqual({
      name: 'add_to_cart',
      event_id: moment.eventId,
      time: moment.time,
      page: moment.page,
      currency: 'EUR',
      value: 29.95,
      items: [{ item_id: 'TEE-M', price: 29.95, quantity: 1 }],
      properties: { colour: 'green' },
    });
  });

  it('knows every key of the schema and puts none of them below properties', () => {
    const keys = Object.keys(browserEvent.shape).filter((key) => key !== 'name' && key !== 'properties');
    const event = makeEvent('purchase', Object.fromEntries(keys.map((key) => [key, 'x'])), moment);
    expect(Object.keys(event).sort()).toEqual([...keys, 'name'].sort());
  });

  it('keeps the id, the time and the page that the shop names itself', () => {
    const own = {
      event_id: 'order-1001',
      time: '2026-11-24T07:59:58.000Z',
      page: { url: 'https://shop.example/thanks' },
    };
    expect(makeEvent('purchase', own, moment)).toEqual({ ...own, name: 'purchase' });
  });

  it('joins unknown keys and given properties, and lets no parameter rename the event', () => {
    const event = makeEvent('sign_up', { name: 'Ada', properties: { plan: 'trial' } }, moment);
    expect(event.name).toBe('sign_up');
    expect(event['properties']).toEqual({ name: 'Ada', plan: 'trial' });
  });

  it.each([undefined, null, 'EUR', 7, true])('makes a plain event of the parameters %j', (params) => {
    expect(makeEvent('page_view', params, moment)).toEqual({
      name: 'page_view',
      event_id: moment.eventId,
      time: moment.time,
      page: moment.page,
    });
  });
});

describe('withConsent', () => {
  const event = makeEvent('page_view', {}, moment);

  it('adds no consent key where nothing was read', () => {
    expect(withConsent(event, {})).not.toHaveProperty('consent');
  });

  it('prefers what the browser shows to what the page said about the same signal', () => {
    const spoken = { ...event, consent: { tcf: 'C-of-the-page', gcs: 'G100' } };
    expect(withConsent(spoken, { tcf: 'C-of-the-CMP' })['consent']).toEqual({ tcf: 'C-of-the-CMP', gcs: 'G100' });
  });
});

describe('packBodies', () => {
  const numbered = (count: number, more: object = {}) =>
    Array.from({ length: count }, (_, n) => ({ name: 'view_item', event_id: `e${n}`, ...more }));
  const idsOf = (body: string): string[] => {
    const parsed: { event_id?: string; events?: { event_id: string }[] } = JSON.parse(body);
    return parsed.events?.map((event) => event.event_id) ?? [String(parsed.event_id)];
  };

  it('sends nothing for no event and a lone event without a batch around it', () => {
    expect(packBodies([])).toEqual([]);
    expect(packBodies(numbered(1))).toEqual(['{"name":"view_item","event_id":"e0"}']);
  });

  it('keeps the order across batches of at most 20', () => {
    const bodies = packBodies(numbered(45));
    expect(bodies.map((body) => idsOf(body).length)).toEqual([20, 20, 5]);
    expect(bodies.flatMap(idsOf)).toEqual(numbered(45).map((event) => event.event_id));
  });

  it('cuts a batch before it outgrows a keepalive request, counting bytes and not characters', () => {
    const bodies = packBodies(numbered(3, { search_term: 'é'.repeat(14_000) }));
    expect(bodies.map((body) => idsOf(body).length)).toEqual([2, 1]);
    for (const body of bodies) expect(Buffer.byteLength(body)).toBeLessThan(65_536);
  });

  it('lets an event through that is too large for any batch: the server says so', () => {
    const bodies = packBodies([...numbered(1), ...numbered(1, { search_term: 'x'.repeat(70_000) })]);
    expect(bodies).toHaveLength(2);
  });
});
