// `user_data`: who it was, in digests, and what the connection showed, in clear. Nothing is hashed that Meta wants in
// clear and nothing is sent in clear that it wants hashed.
// https://developers.facebook.com/docs/marketing-api/conversions-api/parameters/customer-information-parameters

import type { CollectedEvent, EventUser } from '../core/event.ts';
import { isSha256Hex, sha256Hex } from '../core/identity.ts';
import { fbcOf, fbpOf } from './browser-ids.ts';
import { countryOf } from './countries.ts';
import { type Circumstances, type MetaHashedKey, NORMALISED } from './meta-normalise.ts';
import { publicAddress } from './public-address.ts';

/** Digests as lists of one, everything else as text. */
export type MetaUserData = { readonly [K in MetaHashedKey]?: readonly string[] } & {
  readonly client_ip_address?: string;
  readonly client_user_agent?: string;
  readonly fbc?: string;
  readonly fbp?: string;
};

// Since v13 an event is refused whose keys all lie within one of these sets (best practices, "Required parameters").
const TOO_BROAD = [
  new Set(['ct', 'country', 'st', 'zp', 'ge', 'client_user_agent']),
  new Set(['db', 'client_user_agent']),
  new Set(['fn', 'ge']),
  new Set(['ln', 'ge']),
];

/** What an event shows of its person. Values that cannot be used are left out. */
export function metaUserData(event: CollectedEvent, nowMs: number): MetaUserData {
  const ip = publicAddress(event.client.ip);
  const userAgent = event.client.userAgent?.trim();
  const fbc = fbcOf(event, nowMs);
  const fbp = fbpOf(event, nowMs);
  return {
    ...digests(event.user ?? {}, nowMs),
    ...(ip === null ? {} : { client_ip_address: ip }),
    ...(userAgent ? { client_user_agent: userAgent } : {}),
    ...(fbc === null ? {} : { fbc }),
    ...(fbp === null ? {} : { fbp }),
  };
}

/** Whether Meta would refuse the event, and with it the whole request, as saying too little of the person. */
export function isInsufficient(userData: MetaUserData): boolean {
  const keys = Object.keys(userData);
  return TOO_BROAD.some((set) => keys.every((key) => set.has(key)));
}

function digests(user: EventUser, nowMs: number): { [K in MetaHashedKey]?: readonly string[] } {
  const circumstances = { country: countryOf(user.country), year: new Date(nowMs).getUTCFullYear() };
  const found: { [K in MetaHashedKey]?: readonly string[] } = {};
  for (const [key, field, normalise] of NORMALISED) {
    const value = digestOf(user[field], (text) => normalise(text, circumstances));
    if (value !== null) found[key] = [value];
  }
  return found;
}

type Normalised = (text: string, circumstances?: Circumstances) => string | null;

function digestOf(raw: string | undefined, normalise: Normalised): string | null {
  const text = raw?.trim() ?? '';
  if (text === '') return null;
  if (isSha256Hex(text)) return text.toLowerCase();
  const value = normalise(text);
  return value === null ? null : sha256Hex(value);
}
