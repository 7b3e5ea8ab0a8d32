// The properties of an event at Klaviyo: what Meta made of it, the order, the articles under the names that Klaviyo's own
// templates use, and the shop's own properties as far as they say nothing of the browser.
// https://developers.klaviyo.com/en/docs/guide_to_integrating_a_platform_without_a_pre_built_klaviyo_integration

import { isIP } from 'node:net';
import type { CollectedEvent, EventItem } from '../core/event.ts';
import { isSha256Hex } from '../core/identity.ts';
import type { Json } from '../core/json.ts';
import type { Delivery } from '../core/ports.ts';
import { bareUrl } from './clean-url.ts';
import { allowedOf } from './klaviyo-fields.ts';
import type { KlaviyoSettings } from './klaviyo-settings.ts';

export type KlaviyoProperties = Readonly<Record<string, Json>>;

const MAX_PROPERTIES = 400;
const MAX_DEPTH = 8;
/** Of a list, and of a text. What is longer is no property that a flow reads. */
const MAX_MEMBERS = 4000;
const MAX_TEXT_BYTES = 100 * 1024;
/** Names and values that belong to a browser, not to a person's order. */
const BROWSER_NAME =
  /^_?(?:fbp|fbc|fbclid|gclid|kx|ip|ip_?address|client_ip(?:_address)?|remote_addr|(?:client_)?user_?agent|visitor_?id|session|_slc|_dcid|_sluice)$/i;
const BROWSER_VALUE = /\bfb\.\d\.\d{3,15}\.\S|^Mozilla\/\d|[?&]fbclid=/;

/** A transactional event may go without cookie consent: it says nothing that only a browser knows. */
export function klaviyoProperties(delivery: Delivery, { transactional, fields }: KlaviyoSettings): KlaviyoProperties {
  const { event } = delivery;
  const isStripped = transactional.includes(event.name);
  const shown = { ...articles(event, fields), ...(isStripped ? {} : pages(event)) };
  const own = { ...allowedOf(shown, fields), ...capi(delivery) };
  const room = MAX_PROPERTIES - Object.keys(own).length;
  const shops = isStripped ? {} : allowedOf(event.properties ?? {}, fields);
  const kept = Object.entries(shops).flatMap(([key, value]) => keptMember(key, value, 0));
  return { ...Object.fromEntries(kept.slice(0, room)), ...own };
}

/** The properties of one line of an order, for "Ordered Product". */
export function lineProperties(delivery: Delivery, item: EventItem, { fields }: KlaviyoSettings): KlaviyoProperties {
  return { ...allowedOf(articleNames(item), fields), ...capi(delivery) };
}

/** What a flow cannot do without: left where an event is larger than Klaviyo takes. */
export function leastProperties(delivery: Delivery): KlaviyoProperties {
  return capi(delivery);
}

function capi({ event, capiStatus }: Delivery): KlaviyoProperties {
  return {
    capi_event_id: event.eventId,
    // Null would mean that nobody was asked before: then Meta got nothing.
    capi_status: capiStatus ?? 'skipped',
    ...(event.name === 'purchase' && event.transaction_id ? { order_id: event.transaction_id } : {}),
  };
}

function articles(event: CollectedEvent, fields: KlaviyoSettings['fields']): KlaviyoProperties {
  const items = (event.items ?? []).slice(0, MAX_MEMBERS);
  const [first] = items;
  return {
    ...(event.name === 'view_item' && first !== undefined && items.length === 1 ? articleNames(first) : {}),
    ...(event.name === 'add_to_cart' && first !== undefined ? addedItem(first) : {}),
    ...(items.length === 0
      ? {}
      : { Items: items.map((item) => allowedOf(articleNames(item), fields)), ItemNames: items.flatMap(nameOf) }),
    ...(event.coupon?.trim() ? { DiscountCode: event.coupon.trim() } : {}),
    ...(event.search_term?.trim() ? { SearchTerm: event.search_term.trim() } : {}),
  };
}

function articleNames(item: EventItem): KlaviyoProperties {
  const category = item.item_category?.trim();
  return {
    ...text('ProductID', item.item_id),
    ...text('SKU', item.item_id),
    ...text('ProductName', item.item_name),
    ...text('Brand', item.item_brand),
    ...text('Variant', item.item_variant),
    ...(category ? { Categories: [category] } : {}),
    ...(item.price === undefined ? {} : { ItemPrice: item.price, Price: item.price }),
    ...(item.quantity === undefined ? {} : { Quantity: item.quantity }),
    ...(item.discount === undefined ? {} : { Discount: item.discount }),
  };
}

function addedItem(item: EventItem): KlaviyoProperties {
  return Object.fromEntries(Object.entries(articleNames(item)).map(([key, value]) => [`AddedItem${key}`, value]));
}

// Without query: what a click left there is the browser's.
function pages(event: CollectedEvent): KlaviyoProperties {
  const url = bareUrl(event.page?.url);
  if (url === null) return {};
  return event.name === 'begin_checkout' ? { CheckoutURL: url } : { URL: url };
}

function text(key: string, value: string | undefined): KlaviyoProperties {
  const trimmed = value?.trim();
  return trimmed && !isTooLong(trimmed) ? { [key]: trimmed } : {};
}

function nameOf(item: EventItem): readonly string[] {
  const name = item.item_name?.trim();
  return name ? [name] : [];
}

function keptMember(key: string, value: unknown, depth: number): readonly [string, Json][] {
  const clean = BROWSER_NAME.test(key) ? undefined : withoutBrowser(value, depth);
  return clean === undefined ? [] : [[key, clean]];
}

// Null would be stored as a value of its own; it is left out like everything that cannot be kept.
function withoutBrowser(value: unknown, depth: number): Json | undefined {
  if (typeof value === 'number' || typeof value === 'boolean') return value;
  if (typeof value === 'string') return isBrowserValue(value) || isTooLong(value) ? undefined : value;
  if (typeof value !== 'object' || value === null || depth >= MAX_DEPTH) return undefined;
  if (Array.isArray(value)) {
    return value
      .slice(0, MAX_MEMBERS)
      .map((member) => withoutBrowser(member, depth + 1))
      .filter((member) => member !== undefined);
  }
  return Object.fromEntries(Object.entries(value).flatMap(([key, member]) => keptMember(key, member, depth + 1)));
}

function isTooLong(value: string): boolean {
  return Buffer.byteLength(value) > MAX_TEXT_BYTES;
}

function isBrowserValue(value: string): boolean {
  return isSha256Hex(value.trim()) || isIP(value.trim()) !== 0 || BROWSER_VALUE.test(value);
}
