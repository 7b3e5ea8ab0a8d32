// The event as the shop sends it (contract section 3, "The event"), and the event as the rest of the program knows it.

import { z } from 'zod';

const CONTROL = /[\p{Cc}]/u;
const ID_LENGTH = 128;

const text = z.string();

/** An id of somebody else's making: at most 128 characters, no control characters. */
export const foreignId = z
  .string()
  .max(ID_LENGTH)
  .refine((value) => !CONTROL.test(value), 'must not hold control characters');

const item = z.strictObject({
  item_id: text.optional(),
  item_name: text.optional(),
  item_brand: text.optional(),
  item_category: text.optional(),
  item_variant: text.optional(),
  price: z.number().optional(),
  quantity: z.number().optional(),
  discount: z.number().optional(),
  coupon: text.optional(),
});

const page = z.strictObject({ url: text.optional(), referrer: text.optional(), title: text.optional() });

const user = z.strictObject({
  email: text.optional(),
  phone: text.optional(),
  first_name: text.optional(),
  last_name: text.optional(),
  street: text.optional(),
  city: text.optional(),
  region: text.optional(),
  postal_code: text.optional(),
  country: text.optional(),
  external_id: text.optional(),
  gender: text.optional(),
  birthday: text.optional(),
});

const ids = z.strictObject({
  fbp: text.optional(),
  fbc: text.optional(),
  fbclid: text.optional(),
  kx: text.optional(),
});

const shopifyConsent = z.strictObject({
  marketing: z.boolean().optional(),
  analytics: z.boolean().optional(),
  preferences: z.boolean().optional(),
  sale_of_data: z.boolean().optional(),
});

/** The consent signals of a body, raw; what they mean is decided by `src/consent/`. */
export const wireConsent = z.strictObject({
  tcf: text.optional(),
  additional_consent: text.optional(),
  onetrust: text.optional(),
  onetrust_closed: text.optional(),
  gcs: text.optional(),
  gcd: text.optional(),
  shopify: shopifyConsent.optional(),
  gpp: text.optional(),
  usprivacy: text.optional(),
  gpc: z.boolean().optional(),
});

const browserKeys = {
  name: foreignId.min(1),
  event_id: foreignId.optional(),
  time: z.iso.datetime({ offset: true }).optional(),
  visitor_id: foreignId.optional(),
  page: page.optional(),
  currency: text.optional(),
  value: z.number().optional(),
  transaction_id: foreignId.optional(),
  coupon: text.optional(),
  search_term: text.optional(),
  items: z.array(item).optional(),
  user: user.optional(),
  ids: ids.optional(),
  consent: wireConsent.optional(),
  properties: z.record(z.string(), z.unknown()).optional(),
};

/** An event of a browser. */
export const browserEvent = z.strictObject(browserKeys);

/** An event of the shop's own server, which may say whom it speaks for. */
export const serverEvent = z.strictObject({
  ...browserKeys,
  client_ip: z.union([z.ipv4(), z.ipv6()]).optional(),
  user_agent: text.optional(),
  country: text.optional(),
});

export type WireEvent = z.infer<typeof serverEvent>;
export type WireConsent = z.infer<typeof wireConsent>;
export type EventItem = DeepReadonly<z.infer<typeof item>>;
export type EventUser = DeepReadonly<z.infer<typeof user>>;

export type DeepReadonly<T> = T extends object ? { readonly [K in keyof T]: DeepReadonly<T[K]> } : T;

export type SourceName = 'browser' | 'shopify' | 'shopify_pixel' | 'recharge' | 'ga4' | 'stape';
/** Who vouches for the event: a visitor's browser, the shop's server with a token, or a signed webhook. */
export type Trust = 'browser' | 'server' | 'webhook';

/** An event after parsing: read-only, with an id and a time, without its consent signals (they are evidence, not content). */
export type CollectedEvent = DeepReadonly<
  Omit<WireEvent, 'event_id' | 'time' | 'consent' | 'client_ip' | 'user_agent' | 'country'> & {
    source: SourceName;
    trust: Trust;
    eventId: string;
    /** When it happened, epoch milliseconds, never later than its receipt. */
    timeMs: number;
    client: { ip: string | null; userAgent: string | null };
  }
>;
