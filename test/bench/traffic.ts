// The requests of the bench: checkouts and purchases of 100,000 visitors in Germany, each event with a random id.

import { randomInt, randomUUID } from 'node:crypto';
import { writeAdditionalConsent, writeTcString } from '../../src/demo/consent-strings.ts';

/**
 * Shops that share the collector. Sluice paces each Klaviyo account to what Klaviyo takes (350 events a second): one shop
 * alone would measure that pace.
 */
export const SITES: readonly { readonly id: string; readonly origin: string }[] = Array.from({ length: 16 }, (_, i) => {
  const id = `shop-${String(i).padStart(2, '0')}`;
  return { id, origin: `https://${id}.example` };
});

const VISITORS = 100_000;
const TEMPLATES = 500;
const DAY_MS = 86_400_000;
/** Vendors in a TC string: the short ones of small shops and the long ones of publishers. */
const VENDOR_COUNTS = [0, 20, 80, 180, 320, 500, 750, 1000, 1300, 1600];
/** Meta as a provider of Google's Additional Consent. */
const META_PROVIDER = 89;
const CHROME =
  'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36';

/** A request whose ids are still to be written. */
interface Template {
  readonly bytes: Buffer;
  readonly slots: readonly { readonly at: number; readonly kind: SlotKind }[];
}

type SlotKind = 'event' | 'visitor' | 'contact' | 'order' | 'address' | 'origin';

// As long as what takes their place.
const SLOTS: Readonly<Record<SlotKind, string>> = {
  event: '@event-id@'.padEnd(36, '@'),
  visitor: '@visitor-id@'.padEnd(36, '@'),
  contact: '@99999',
  order: '@order-id@'.padEnd(36, '@'),
  address: '@address@'.padEnd(15, '@'),
  origin: 'https://@site@@.example',
};

export interface TrafficRequest {
  readonly bytes: Buffer;
  /** The id of its last event. */
  readonly eventId: string;
}

/** Makes requests; every call gives another one. `eventsPerRequest` over 1: a batch. */
export function createTraffic(eventsPerRequest: number, nowMs: number): () => TrafficRequest {
  const visitors = Array.from({ length: VISITORS }, () => randomUUID());
  const templates = bodies(eventsPerRequest, nowMs).map(toTemplate);
  return () => {
    const template = templates[randomInt(TEMPLATES)];
    if (template === undefined) throw new Error('there is no template');
    return fill(template, visitors);
  };
}

/** Bytes of a body of one event on average. */
export function bodyBytes(nowMs: number): number {
  return Math.round(bodies(1, nowMs).reduce((sum, body) => sum + body.length, 0) / TEMPLATES);
}

/** TC strings of which each destination of the default policy is content, from 66 characters up. */
export function consentingTcStrings(nowMs: number): readonly string[] {
  return VENDOR_COUNTS.map((max, i) => {
    const vendors = { max, ids: Array.from({ length: max }, (_, id) => id + 1).filter((id) => (id * 7 + i) % 3 !== 0) };
    const purposes = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
    return writeTcString({
      createdMs: nowMs - (i + 2) * DAY_MS,
      purposes,
      vendors,
      vendorInterests: vendors,
      disclosed: vendors,
    });
  });
}

export const additionalConsent = (): string => writeAdditionalConsent([META_PROVIDER, 143, 1097, 2373], [311, 1558]);

function bodies(eventsPerRequest: number, nowMs: number): readonly string[] {
  const tcStrings = consentingTcStrings(nowMs);
  const one = (number: number) => eventOf(number, tcStrings[number % tcStrings.length] ?? '', nowMs);
  return Array.from({ length: TEMPLATES }, (_, i) => {
    const events = Array.from({ length: eventsPerRequest }, (_, place) => one(i * eventsPerRequest + place));
    return JSON.stringify(eventsPerRequest === 1 ? events[0] : { events });
  });
}

function eventOf(number: number, tcf: string, nowMs: number): object {
  const isPurchase = number % 4 === 0;
  return {
    name: isPurchase ? 'purchase' : 'begin_checkout',
    event_id: SLOTS.event,
    time: new Date(nowMs - (number % 60) * 1000).toISOString(),
    visitor_id: SLOTS.visitor,
    page: {
      url: `${SLOTS.origin}/checkouts/c/${number}?step=contact`,
      referrer: `${SLOTS.origin}/cart`,
      title: 'Checkout',
    },
    currency: 'EUR',
    value: 59.9 + (number % 40),
    ...(isPurchase ? { transaction_id: SLOTS.order } : {}),
    items: [itemOf(number), itemOf(number + 1)],
    user: { email: `shopper-${SLOTS.contact}@example.com` },
    ids: {
      fbp: `fb.1.${nowMs}.${1_000_000_000 + number}`,
      fbc: `fb.1.${nowMs}.IwAR2F4-dbP0l7Mn1IawQQGCINEz7PYXQvwjNwB_qa2ofrHyiLjcbCRxTDMgk${1000 + number}`,
    },
    consent: { tcf, additional_consent: additionalConsent() },
    properties: { theme: 'dawn', step: number % 5, express: false },
  };
}

function itemOf(number: number): object {
  return {
    item_id: `SKU-${4000 + (number % 900)}`,
    item_name: 'Merino jumper, crew neck',
    item_brand: 'Nordwind',
    item_category: 'Knitwear',
    item_variant: 'navy / M',
    price: 29.95,
    quantity: 1 + (number % 3),
  };
}

function toTemplate(body: string): Template {
  const head = [
    'POST /collect HTTP/1.1',
    'Host: collect.shop.example',
    `Origin: ${SLOTS.origin}`,
    'Content-Type: application/json',
    `User-Agent: ${CHROME}`,
    'Accept-Language: de-DE,de;q=0.9',
    `X-Forwarded-For: ${SLOTS.address}`,
    'CF-IPCountry: DE',
    `Content-Length: ${Buffer.byteLength(body)}`,
  ].join('\r\n');
  const text = `${head}\r\n\r\n${body}`;
  return { bytes: Buffer.from(text, 'latin1'), slots: slotsOf(text) };
}

function slotsOf(text: string): Template['slots'] {
  const kinds: readonly SlotKind[] = ['event', 'visitor', 'contact', 'order', 'address', 'origin'];
  return kinds.flatMap((kind) => placesOf(text, SLOTS[kind]).map((at) => ({ at, kind })));
}

function placesOf(text: string, word: string): readonly number[] {
  const places: number[] = [];
  for (let at = text.indexOf(word); at >= 0; at = text.indexOf(word, at + word.length)) places.push(at);
  return places;
}

// One visitor of one shop a request: a batch is one browser's.
function fill({ bytes, slots }: Template, visitors: readonly string[]): TrafficRequest {
  const copy = Buffer.allocUnsafe(bytes.length);
  bytes.copy(copy);
  const visitor = randomInt(VISITORS);
  let eventId = '';
  for (const { at, kind } of slots) {
    const value = slotValue(kind, visitor, visitors);
    copy.write(value, at, 'latin1');
    if (kind === 'event') eventId = value;
  }
  return { bytes: copy, eventId };
}

function slotValue(kind: SlotKind, visitor: number, visitors: readonly string[]): string {
  switch (kind) {
    case 'event':
    case 'order':
      return randomUUID();
    case 'visitor':
      return visitors[visitor] ?? '';
    case 'contact':
      return String(visitor).padStart(6, '0');
    case 'origin':
      return SITES[visitor % SITES.length]?.origin ?? '';
    case 'address':
      return `203.${100 + Math.floor(visitor / 10_000)}.${100 + (Math.floor(visitor / 100) % 100)}.${100 + (visitor % 100)}`;
  }
}
