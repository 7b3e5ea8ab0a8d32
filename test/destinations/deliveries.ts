// Deliveries of a plausible shop, for the tests of the destinations.

import type { CollectedEvent } from '../../src/core/event.ts';
import type { Delivery } from '../../src/core/ports.ts';
import { Secret } from '../../src/core/settings.ts';
import { type KlaviyoSettings, klaviyoSettings } from '../../src/destinations/klaviyo-settings.ts';
import { type MetaSettings, metaSettings } from '../../src/destinations/meta-settings.ts';

export const NOW_MS = Date.UTC(2026, 10, 24, 9, 30, 0);
export const EVENT_MS = NOW_MS - 42_500;
export const TOKEN = 'EAAGm0PX4ZCpsBAtestonly';
export const KEY = 'pk_7c1f0d42b9testonly';
export const LIMITS = { connections: 4, connectTimeoutMs: 500, headersTimeoutMs: 5_000, totalTimeoutMs: 5_000 };

/** A checkout with everything a browser shows and an e-mail. */
export function event(over: Partial<CollectedEvent> = {}): CollectedEvent {
  return {
    source: 'browser',
    trust: 'browser',
    name: 'begin_checkout',
    eventId: 'chk-58213',
    timeMs: EVENT_MS,
    visitor_id: 'v-90b1',
    page: { url: 'https://kaffeehaus.example/checkout?step=2', referrer: 'https://kaffeehaus.example/cart' },
    currency: 'EUR',
    value: 48.7,
    items: [
      { item_id: 'BOHNE-250', item_name: 'Espresso 250 g', price: 9.9, quantity: 3 },
      { item_id: 'KANNE-1', item_name: 'Mokkakanne', item_brand: 'Norden', item_category: 'Zubehör', price: 19 },
    ],
    user: { email: 'Lena.Vogt@Posteo.example' },
    ids: { fbp: 'fb.1.1763970000000.4711008150', fbc: 'fb.1.1763970000000.IwAR2xYz_aBc-Q' },
    client: { ip: '46.5.12.77', userAgent: 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0' },
    ...over,
  };
}

/** An order of two articles. */
export function purchase(over: Partial<CollectedEvent> = {}): CollectedEvent {
  return event({ name: 'purchase', eventId: 'ord-1042', transaction_id: '1042', ...over });
}

export function delivery(of: CollectedEvent = event(), over: Partial<Delivery> = {}): Delivery {
  return {
    event: of,
    limitedDataUse: false,
    capiStatus: 'sent',
    earlierUnknown: false,
    backfill: false,
    nowMs: NOW_MS,
    ...over,
  };
}

export function metaAt(baseUrl: string, over: Partial<MetaSettings> = {}): MetaSettings {
  return { ...metaSettings.parse({ datasetId: '880012345', accessToken: new Secret(TOKEN), baseUrl }), ...over };
}

export function klaviyoAt(baseUrl: string, over: Partial<KlaviyoSettings> = {}): KlaviyoSettings {
  return { ...klaviyoSettings.parse({ privateKey: new Secret(KEY), baseUrl }), ...over };
}
