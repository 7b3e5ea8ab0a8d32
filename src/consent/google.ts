// Google Consent Mode: what the page told Google's tags. Google documents neither `gcs` nor `gcd`; the bit rule is what its
// tags are seen to write. It says nothing of when or how consent was given, so that by default it can refuse, and only
// corroborate.

import type { Ask, ConsentSignal, SignalVerdict } from '../core/consent.ts';
import type { ReasonCode } from '../core/reasons.ts';
import { type Fault, malformed, type Unreadable, unreadable } from './unreadable.ts';

const TYPES = ['ad_storage', 'analytics_storage', 'ad_user_data', 'ad_personalization'] as const;
type ConsentType = (typeof TYPES)[number];

/** `default_granted`: the page's own default, nobody's answer. */
type State = 'granted' | 'denied' | 'default_granted' | 'unset';

/** `gcs` knows two types and no default; `gcd` knows all four and both. Null: absent, or not readable. */
export type GoogleStates = {
  readonly gcs: { readonly ad_storage: boolean; readonly analytics_storage: boolean } | null;
  readonly gcd: Readonly<Record<ConsentType, State>> | null;
};

export type GoogleEvidence = GoogleStates | Unreadable;

const DENIAL: Readonly<Record<ConsentType, ReasonCode>> = {
  ad_storage: 'storage.denied',
  analytics_storage: 'storage.denied',
  ad_user_data: 'purpose.denied',
  ad_personalization: 'purpose.denied',
};

export const google: ConsentSignal<GoogleEvidence> = {
  name: 'google',
  decode({ gcs: gcsText = '', gcd: gcdText = '' }, keyedHash) {
    if (gcsText === '' && gcdText === '') return null;
    const gcd = readGcd(gcdText);
    const gcs = readGcs(gcsText);
    if (gcs !== null || !isFault(gcd)) return { gcs, gcd: isFault(gcd) ? null : gcd };
    return unreadable(`${gcsText} ${gcdText}`, gcdText === '' ? malformed('gcs') : gcd, keyedHash);
  },
  judge(evidence, ask) {
    if ('unreadable' in evidence) {
      if (ask.wanted.google === undefined) return null;
      note(ask, 'readable', ['gcs or gcd', evidence.unreadable, false]);
      return { result: 'none', code: evidence.code };
    }
    return ask.wanted.google === undefined
      ? judgeUnasked(evidence, ask)
      : judgeStates(evidence, ask.wanted.google, ask);
  },
};

// Under a policy that does not ask: the refusal of all ad storage is how a page withdraws consent, and is heard all the same.
function judgeUnasked(states: GoogleStates, ask: Ask): SignalVerdict | null {
  if (stateOf(states, 'ad_storage') !== 'denied') return null;
  note(ask, 'ad_storage', ['no refusal', 'denied', false]);
  return { result: 'denied', code: DENIAL.ad_storage };
}

function judgeStates(states: GoogleStates, wanted: NonNullable<Ask['wanted']['google']>, ask: Ask): SignalVerdict {
  // Storage is named before purposes, whatever the policy's order.
  const asked = TYPES.filter((type) => wanted.signals.includes(type)).sort((a, b) => rank(a) - rank(b));
  const found = asked.map((type) => stateOf(states, type));
  asked.forEach((type, i) => {
    note(ask, type, ['granted by the visitor', found[i] ?? 'unset', found[i] === 'granted']);
  });
  const refused = asked.find((_, i) => found[i] === 'denied');
  if (refused !== undefined) return { result: 'denied', code: DENIAL[refused] };
  if (!found.every((state) => state === 'granted')) return { result: 'none', code: 'consent.unanswered' };
  // gcs alone cannot tell a visitor's answer from a default.
  return { result: 'granted', sufficient: wanted.sufficient && states.gcd !== null, time: null };
}

const rank = (type: ConsentType): number => (DENIAL[type] === 'storage.denied' ? 0 : 1);

/** A denial by either counts; where both can be read, gcd alone can grant. */
function stateOf({ gcs, gcd }: GoogleStates, type: ConsentType): State {
  const bit = type === 'ad_storage' || type === 'analytics_storage' ? gcs?.[type] : undefined;
  if (bit === false) return 'denied';
  return gcd === null ? (bit === true ? 'granted' : 'unset') : gcd[type];
}

const GCS = /^G1([01])([01])$/;

function readGcs(text: string): GoogleStates['gcs'] {
  const match = GCS.exec(text);
  return match === null ? null : { ad_storage: match[1] === '1', analytics_storage: match[2] === '1' };
}

// A version, a pair for each type (a digit, then the letter that holds the bits), then parts that no rule reads.
const GCD = /^(\w)(?:\d([\w-]))(?:\d([\w-]))(?:\d([\w-]))(?:\d([\w-]))(?:\d[\w-]*)?$/;
const GCD_LENGTH = 64;
const LETTERS = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_';

function readGcd(text: string): Readonly<Record<ConsentType, State>> | Fault {
  const match = text.length > GCD_LENGTH ? null : GCD.exec(text);
  if (match === null) return malformed('gcd');
  const [, version, ...letters] = match;
  if (version !== '1') return { code: 'consent.unsupported_version', fault: 'gcd_version' };
  const [ad_storage, analytics_storage, ad_user_data, ad_personalization] = TYPES.map((_, i) => readLetter(letters[i]));
  return {
    ad_storage: ad_storage ?? 'unset',
    analytics_storage: analytics_storage ?? 'unset',
    ad_user_data: ad_user_data ?? 'unset',
    ad_personalization: ad_personalization ?? 'unset',
  };
}

/** Two bits of the default above two bits of the update: 1 unset, 2 denied, 3 granted. An update replaces the default. */
function readLetter(letter = ''): State {
  const bits = LETTERS.indexOf(letter);
  const update = bits & 3;
  const byDefault = (bits >> 2) & 3;
  if (update === 2) return 'denied';
  if (update === 3) return 'granted';
  return byDefault === 2 ? 'denied' : byDefault === 3 ? 'default_granted' : 'unset';
}

const isFault = (found: object): found is Fault => 'fault' in found;

function note(ask: Ask, rule: string, [required, found, holds]: readonly [string, string, boolean]): void {
  ask.note?.({ signal: 'google', rule, required, found, holds });
}
