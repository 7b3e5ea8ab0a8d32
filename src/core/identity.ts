// Who a person is to us: keyed derivations of what an event names, and the digests that destinations want.
// HMAC-SHA-256 everywhere, because a plain SHA-256 of an e-mail is a join key at Meta and everywhere else.

import { createHmac, createSecretKey, hash, hkdfSync, type KeyObject } from 'node:crypto';
import type { CollectedEvent } from './event.ts';

/** The static keys of an installation, each for one purpose, derived from the master key of the key file. */
export interface Keys {
  /** AES-256-GCM of outbox payloads. */
  readonly seal: KeyObject;
  /** `state_ref`: consent state, sessions, suppression. Stable. */
  readonly state: KeyObject;
  /** Lanes of queued jobs; gone with the job. */
  readonly lane: KeyObject;
  /** Look-ups of event and order ids, and the keyed hashes in evidence. */
  readonly lookup: KeyObject;
  /** Wraps the epoch keys that live in the database. */
  readonly wrap: KeyObject;
}

const PURPOSES = ['seal', 'state', 'lane', 'lookup', 'wrap'] as const;

/** Derives the keys by HKDF-SHA-256; KeyObjects once, because a raw Buffer as key costs four times the time of the hash. */
export function deriveKeys(master: Uint8Array): Keys {
  const derive = (purpose: string) =>
    createSecretKey(Buffer.from(hkdfSync('sha256', master, Buffer.alloc(0), `sluice ${purpose} v1`, 32)));
  const [seal, state, lane, lookup, wrap] = PURPOSES.map(derive) as [
    KeyObject,
    KeyObject,
    KeyObject,
    KeyObject,
    KeyObject,
  ];
  return { seal, state, lane, lookup, wrap };
}

/** SHA-256 as lower-case hex of the UTF-8 text: the form that Meta documents for hashed customer information. */
export function sha256Hex(text: string): string {
  return hash('sha256', text, 'hex');
}

/** True for what already is a SHA-256 in hex: 64 digits, no more, no fewer. */
export function isSha256Hex(text: string): boolean {
  return /^[0-9a-f]{64}$/i.test(text);
}

/** An e-mail as it is hashed and compared: trimmed, lower case. */
export function normaliseEmail(email: string): string {
  return email.trim().toLowerCase();
}

/** A keyed hash of several texts, cut to `bytes`, as a latin1 string (the cheap form of bytes between threads). */
export function keyedHash(key: KeyObject, bytes: number, ...parts: readonly string[]): string {
  const text = parts.map((part) => `${part.length}:${part}`).join('');
  return createHmac('sha256', key).update(text, 'utf8').digest('binary').slice(0, bytes);
}

/** The kinds of id by which a person may be named, strongest first for the lane. */
export type PersonKind = 'visitor' | 'customer' | 'email' | 'phone' | 'order' | 'consent';

export interface PersonId {
  readonly kind: PersonKind;
  readonly id: string;
}

const PERSON_CODES: Readonly<Record<PersonKind, number>> = {
  visitor: 1,
  customer: 2,
  email: 3,
  phone: 4,
  order: 5,
  consent: 6,
};

/** Every id of a person that an event names, the visitor's first. `visitors`: event, cookie, session, in that order. */
export function personsOf(event: CollectedEvent, visitors: readonly string[]): readonly PersonId[] {
  const persons: PersonId[] = visitors.map((id) => ({ kind: 'visitor', id }));
  const { user } = event;
  if (user?.external_id) persons.push({ kind: 'customer', id: user.external_id });
  if (user?.email?.trim()) persons.push({ kind: 'email', id: emailIdentity(user.email) });
  if (user?.phone?.trim()) persons.push({ kind: 'phone', id: phoneIdentity(user.phone) });
  if (event.transaction_id) persons.push({ kind: 'order', id: event.transaction_id });
  return persons;
}

// A shop may send a digest in place of the value: both name the same person.
function emailIdentity(email: string): string {
  return isSha256Hex(email.trim()) ? email.trim().toLowerCase() : sha256Hex(normaliseEmail(email));
}

function phoneIdentity(phone: string): string {
  return isSha256Hex(phone.trim())
    ? phone.trim().toLowerCase()
    : sha256Hex(phone.replace(/\D/g, '').replace(/^0+/, ''));
}

/** `state_ref` (16 bytes, latin1): stable, for consent state, sessions and suppression. */
export function stateRef(keys: Keys, site: string, person: PersonId): string {
  return keyedHash(keys.state, 16, site, person.kind, person.id);
}

/** `lane` (8 bytes, latin1): all events of one person in one order; without a person each event is a lane of its own. */
export function laneOf(keys: Keys, site: string, persons: readonly PersonId[], eventId: string): string {
  const [person] = persons;
  return person === undefined
    ? keyedHash(keys.lane, 8, site, 'event', eventId)
    : keyedHash(keys.lane, 8, site, person.kind, person.id);
}

const REF_BYTES = 16;
/** One packed reference: a byte for the kind and 16 for the hash. */
export const PACKED_REF_BYTES = REF_BYTES + 1;

/** `subject_ref`s of one event under an epoch key, packed (kind byte and 16 bytes each), latin1. */
export function packSubjectRefs(epochKey: KeyObject, site: string, persons: readonly PersonId[]): string {
  const refs = persons.map(
    (person) =>
      String.fromCharCode(PERSON_CODES[person.kind]) + keyedHash(epochKey, REF_BYTES, site, person.kind, person.id),
  );
  return refs.join('');
}
