// What of an event a site lets Meta see. A pharmacy's product names and addresses say what a person suffers from: such a
// site lists the fields that may leave, and everything else stays.

import { bareUrl, cleanUrl } from './clean-url.ts';

/** Everything that can be held back. What Meta demands of each event (name, time, user agent, origin of the page) cannot. */
export const META_FIELDS = [
  'url_path',
  'url_query',
  'referrer_url',
  'em',
  'ph',
  'fn',
  'ln',
  'ge',
  'db',
  'ct',
  'st',
  'zp',
  'country',
  'external_id',
  'client_ip_address',
  'fbc',
  'fbp',
  'value',
  'content_ids',
  'contents',
  'num_items',
  'order_id',
  'search_string',
  'predicted_ltv',
  'delivery_category',
  'customer_segmentation',
] as const;

export type MetaField = (typeof META_FIELDS)[number];
/** Null: all of them. */
export type AllowedFields = readonly MetaField[] | null;

/** Whether a field may leave. */
export function allows(fields: AllowedFields, field: MetaField): boolean {
  return fields === null || fields.includes(field);
}

// Which field stands behind a key that is not called like it.
const GOES_WITH: Readonly<Record<string, MetaField>> = { currency: 'value', content_type: 'content_ids' };

/** The members of `user_data` or `custom_data` that may leave. */
export function allowedOf<T extends object>(data: T, fields: AllowedFields): T {
  if (fields === null) return data;
  const named: readonly string[] = fields;
  const isKept = (key: string) => key === 'client_user_agent' || named.includes(GOES_WITH[key] ?? key);
  return Object.fromEntries(Object.entries(data).filter(([key]) => isKept(key))) as T;
}

/** The page's address as far as it may leave: Meta demands one of a website's event, and the origin alone is one. */
export function allowedUrl(text: string | undefined, fields: AllowedFields): string | null {
  if (allows(fields, 'url_query')) return cleanUrl(text);
  if (allows(fields, 'url_path')) return bareUrl(text);
  const url = cleanUrl(text);
  return url === null ? null : `${new URL(url).origin}/`;
}

/** The address of the page before; without its query where the page's own may not leave with it. */
export function allowedReferrer(text: string | undefined, fields: AllowedFields): string | null {
  if (!allows(fields, 'referrer_url')) return null;
  return allowedUrl(text, fields);
}
