// One event as Klaviyo's JSON:API documents, or the reason why there is none to send. Pure.
// https://developers.klaviyo.com/en/reference/create_event, revision 2026-07-15

import type { EventItem } from '../core/event.ts';
import type { Delivery } from '../core/ports.ts';
import { parseCurrency } from './currency.ts';
import { type KlaviyoProfile, klaviyoProfile } from './klaviyo-profile.ts';
import { type KlaviyoProperties, klaviyoProperties, leastProperties, lineProperties } from './klaviyo-properties.ts';
import type { KlaviyoSettings } from './klaviyo-settings.ts';

export interface KlaviyoDocument {
  readonly data: {
    readonly type: 'event';
    readonly attributes: {
      readonly unique_id: string;
      readonly time: string;
      readonly value?: number;
      readonly value_currency?: string;
      readonly backfill?: true;
      readonly metric: { readonly data: { readonly type: 'metric'; readonly attributes: { readonly name: string } } };
      readonly profile: { readonly data: { readonly type: 'profile'; readonly attributes: KlaviyoProfile } };
      readonly properties: KlaviyoProperties;
    };
  };
}

export interface KlaviyoEvent {
  /** The event itself, then its lines where the site wants them; each is a request of its own. */
  readonly documents: readonly KlaviyoDocument[];
  readonly backfill: boolean;
}

export type KlaviyoSkip = 'klaviyo.not_mapped' | 'klaviyo.no_identifier';

const ORDERED_PRODUCT = 'Ordered Product';
/** Klaviyo takes 5 MB. */
const MAX_BYTES = 5_000_000;

/** What is sent for a delivery. Calling it again for a retry gives the same documents, but for `backfill` where that may turn. */
export function toKlaviyoEvent(
  delivery: Delivery,
  settings: KlaviyoSettings,
): KlaviyoEvent | { readonly skipped: KlaviyoSkip } {
  const { event } = delivery;
  const metric = metricOf(event.name, settings);
  if (metric === null) return { skipped: 'klaviyo.not_mapped' };
  const profile = klaviyoProfile(event, settings);
  if (profile === null) return { skipped: 'klaviyo.no_identifier' };
  const backfill = isBackfill(delivery, settings);
  const shared = { delivery, profile, backfill };
  const own = { uniqueId: event.eventId, metric, value: event.value };
  const whole = documentOf(shared, { ...own, properties: klaviyoProperties(delivery, settings) });
  const main = isTooLarge(whole) ? documentOf(shared, { ...own, properties: leastProperties(delivery) }) : whole;
  const lines = settings.orderedProduct && event.name === 'purchase' ? (event.items ?? []) : [];
  return {
    documents: [main, ...lines.map((item, index) => lineDocument(shared, item, { index, settings }))],
    backfill,
  };
}

function isTooLarge(document: KlaviyoDocument): boolean {
  return Buffer.byteLength(JSON.stringify(document)) > MAX_BYTES;
}

/** The metric that an event becomes, or null where the site lists none. */
export function metricOf(eventName: string, { events }: KlaviyoSettings): string | null {
  return Object.hasOwn(events, eventName) ? (events[eventName] ?? null) : null;
}

// A stale event is recorded and starts no flow. While an earlier attempt may have been recorded the body must stay the same.
function isBackfill({ event, backfill, earlierUnknown, nowMs }: Delivery, { staleAfterMs }: KlaviyoSettings): boolean {
  return backfill || (!earlierUnknown && nowMs - event.timeMs > staleAfterMs);
}

interface Shared {
  readonly delivery: Delivery;
  readonly profile: KlaviyoProfile;
  readonly backfill: boolean;
}

interface Own {
  readonly uniqueId: string;
  readonly metric: string;
  readonly value: number | undefined;
  readonly properties: KlaviyoProperties;
}

function documentOf({ delivery, profile, backfill }: Shared, own: Own): KlaviyoDocument {
  const { event } = delivery;
  const currency = parseCurrency(event.currency);
  return {
    data: {
      type: 'event',
      attributes: {
        unique_id: own.uniqueId,
        time: secondsIso(event.timeMs),
        ...(own.value === undefined ? {} : { value: own.value }),
        ...(own.value === undefined || currency === null ? {} : { value_currency: currency }),
        ...(backfill ? { backfill: true } : {}),
        metric: { data: { type: 'metric', attributes: { name: own.metric } } },
        profile: { data: { type: 'profile', attributes: profile } },
        properties: own.properties,
      },
    },
  };
}

function lineDocument(
  shared: Shared,
  item: EventItem,
  { index, settings }: { index: number; settings: KlaviyoSettings },
): KlaviyoDocument {
  return documentOf(shared, {
    // The position tells two lines of one article apart.
    uniqueId: `${shared.delivery.event.eventId}:${index + 1}`,
    metric: ORDERED_PRODUCT,
    value: rowTotal(item),
    properties: lineProperties(shared.delivery, item, settings),
  });
}

// Rounded to the decimals that the factors have, so that 3 × 19.99 is 59.97 and not what binary fractions make of it.
function rowTotal({ price, quantity = 1 }: EventItem): number | undefined {
  if (price === undefined) return undefined;
  return Number((price * quantity).toFixed(Math.min(decimals(price) + decimals(quantity), 20)));
}

function decimals(amount: number): number {
  return /\.(\d+)$/.exec(String(amount))?.[1]?.length ?? 0;
}

// Klaviyo keeps whole seconds; saying no more keeps retries and duplicates equal.
function secondsIso(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}
