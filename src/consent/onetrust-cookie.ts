// The OptanonConsent value taken apart: `&`-joined fields, each form-encoded. Nothing of it is trusted to be well formed,
// and a field that occurs twice with two values says nothing. (OneTrust publishes no format; this is what SDK 6.14 to
// 202606.1 writes.)

import { parseCountry } from '../core/region.ts';
import { type Fault, MAX_SIGNAL_LENGTH, malformed } from './unreadable.ts';

const MAX_GROUPS = 1000;

/** The interactions of the SDK: 3 closes the banner and keeps the defaults, the others are answers. */
const INTERACTIONS = ['1', '2', '3', '4', '5', '6'];
export const BANNER_CLOSED = 3;

/** What the value says, before any rule. */
export interface OneTrustCookie {
  /** Group ids in ascending order; an id with any flag but a plain 1, anywhere, is denied. */
  readonly granted: readonly string[];
  readonly denied: readonly string[];
  /** The shop's own "general vendors", read like groups; null where the value has none. */
  readonly vendors: Flags | null;
  readonly awaitingReconsent: boolean;
  readonly country: string | null;
  /** The value was decoded by somebody and cut at the semicolon of its geolocation: what came behind is lost. */
  readonly cut: boolean;
  readonly interaction: number | null;
  /** Times of consent, epoch milliseconds. */
  readonly crTimeMs: number | null;
  readonly lastConsentMs: number | null;
  /** The last write, on each page: never earlier than the consent. */
  readonly writtenMs: number | null;
}

/** Reads an OptanonConsent value. Never throws. */
export function readOneTrustCookie(text: string): OneTrustCookie | Fault {
  if (text.length > MAX_SIGNAL_LENGTH) return malformed('length');
  const value = unwrap(text);
  const fields = splitFields(value);
  const groups = readFlags(valuesOf(fields, 'groups'));
  if (groups === null) return malformed('no_groups');
  if ('fault' in groups) return groups;
  const vendors = readFlags(valuesOf(fields, 'genVendors'));
  const geolocation = single(fields, 'geolocation');
  return {
    ...groups,
    vendors: vendors === null || 'fault' in vendors ? null : vendors,
    awaitingReconsent: valuesOf(fields, 'AwaitingReconsent').some((value) => value !== 'false'),
    country: parseCountry(geolocation?.split(';')[0]),
    cut: /(?:^|&)geolocation=[A-Za-z]{2}$/.test(value) && geolocation !== null,
    interaction: readInteraction(fields),
    crTimeMs: readDigits(single(fields, 'crTime'), 1),
    lastConsentMs: readDigits(single(fields, 'lastConsentTs'), 1000),
    writtenMs: readDateText(single(fields, 'datestamp')),
  };
}

/** A field; null for a value that cannot be decoded. */
type Field = readonly [name: string, value: string | null];

// Some sites encode the whole value once more; one layer is removed, never two.
function unwrap(text: string): string {
  return !text.includes('=') && /%3d/i.test(text) ? (decodeForm(text) ?? '') : text;
}

const READ = new Set(
  'groups genVendors geolocation AwaitingReconsent intType iType crTime lastConsentTs datestamp'.split(' '),
);

// First split, then decode: a landing page's address may hold an encoded `&groups=`. What no rule reads is passed over.
function splitFields(text: string): readonly Field[] {
  return text.split('&').flatMap((part): Field[] => {
    const at = part.indexOf('=');
    const name = at < 0 ? part : part.slice(0, at);
    return READ.has(name) ? [[name, at < 0 ? '' : decodeForm(part.slice(at + 1))]] : [];
  });
}

function decodeForm(text: string): string | null {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return null;
  }
}

const valuesOf = (fields: readonly Field[], name: string): readonly (string | null)[] =>
  fields.flatMap(([key, value]) => (key === name ? [value] : []));

function single(fields: readonly Field[], name: string): string | null {
  const [first = null, ...others] = valuesOf(fields, name);
  return others.every((other) => other === first) ? first : null;
}

/** Ids in ascending order. */
export type Flags = { readonly granted: readonly string[]; readonly denied: readonly string[] };

/** An `id:flag` list. An id counts as granted only where every list grants it. @returns null where no list has an entry */
function readFlags(lists: readonly (string | null)[]): Flags | Fault | null {
  const granted = new Map<string, number>();
  const denied = new Set<string>();
  let entries = 0;
  for (const list of new Set(lists)) {
    if (list === null || hasControls(list)) return malformed('groups');
    const grants = new Set<string>();
    for (const entry of list.split(',')) {
      const at = entry.lastIndexOf(':');
      if (at < 1) continue;
      if (++entries > MAX_GROUPS) return malformed('group_count');
      const id = entry.slice(0, at);
      if (entry.slice(at + 1) === '1') grants.add(id);
      else denied.add(id);
    }
    for (const id of grants) granted.set(id, (granted.get(id) ?? 0) + 1);
  }
  if (entries === 0) return null;
  const everywhere = new Set(lists).size;
  const all = [...granted].flatMap(([id, count]) => (count === everywhere && !denied.has(id) ? [id] : []));
  return { granted: all.sort(), denied: [...denied].sort() };
}

const hasControls = (text: string): boolean => /\p{Cc}/u.test(text);

function readInteraction(fields: readonly Field[]): number | null {
  const values = [...valuesOf(fields, 'intType'), ...valuesOf(fields, 'iType')];
  if (values.includes(String(BANNER_CLOSED))) return BANNER_CLOSED;
  const [first = null, ...others] = values;
  if (first === null || others.some((other) => other !== first)) return null;
  return INTERACTIONS.includes(first) ? Number(first) : null;
}

const LAST_MS = 8.64e15;

function readDigits(text: string | null, unitMs: number): number | null {
  if (text === null || !/^[1-9]\d{8,14}$/.test(text)) return null;
  const ms = Number(text) * unitMs;
  return ms <= LAST_MS ? ms : null;
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const DATE_TEXT =
  /^[A-Z][a-z]{2} ([A-Z][a-z]{2}) (\d{1,2}) (\d{4}) (\d{2}):(\d{2}):(\d{2}) GMT([-+ ])(\d{2})(\d{2})(?!\d)/;

/** `Date.prototype.toString()` of a browser up to its offset; the zone's name behind it is in the visitor's language. */
function readDateText(text: string | null): number | null {
  const parts = text === null ? null : DATE_TEXT.exec(text);
  if (parts === null) return null;
  const [, month = '', day, year, hours, minutes, seconds, sign, offsetHours, offsetMinutes] = parts;
  const monthIndex = MONTHS.indexOf(month);
  if (monthIndex < 0) return null;
  const local = Date.UTC(Number(year), monthIndex, Number(day), Number(hours), Number(minutes), Number(seconds));
  // Day 31 of a month with 30 would roll over into the next.
  if (new Date(local).getUTCDate() !== Number(day)) return null;
  const offsetMs = (Number(offsetHours) * 60 + Number(offsetMinutes)) * 60_000;
  return sign === '-' ? local + offsetMs : local - offsetMs;
}

const ALERT_BOX_LENGTH = 64;
const INSTANT = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,3})?Z$/;

/** OptanonAlertBoxClosed: an ISO instant in UTC, at times encoded and in quotes. Epoch milliseconds, or null. */
export function readAlertBox(text: string | undefined): number | null {
  if (text === undefined || text.length > ALERT_BOX_LENGTH) return null;
  const value = decodeForm(text)?.replace(/^"(.*)"$/, '$1') ?? '';
  const ms = INSTANT.test(value) ? Date.parse(value) : Number.NaN;
  return Number.isNaN(ms) ? null : ms;
}
