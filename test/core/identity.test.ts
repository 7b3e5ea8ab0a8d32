import { createHash, createHmac, createSecretKey } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { CollectedEvent } from '../../src/core/event.ts';
import {
  deriveKeys,
  isSha256Hex,
  keyedHash,
  laneOf,
  normaliseEmail,
  PACKED_REF_BYTES,
  packSubjectRefs,
  personsOf,
  sha256Hex,
  stateRef,
} from '../../src/core/identity.ts';

const KEYS = deriveKeys(Buffer.alloc(32, 7));
const OTHER = deriveKeys(Buffer.alloc(32, 8));
const EVENT: CollectedEvent = {
  name: 'purchase',
  source: 'browser',
  trust: 'browser',
  eventId: 'order-1001',
  timeMs: Date.UTC(2026, 10, 24, 8),
  client: { ip: null, userAgent: null },
};
const VISITOR = { kind: 'visitor', id: 'v-81c4' } as const;
const MAIL_DIGEST = createHash('sha256').update('anna.weber@example.org').digest('hex');
const PHONE_DIGEST = createHash('sha256').update('4915112345678').digest('hex');

describe('digests', () => {
  it('are SHA-256 in lower-case hex', () => {
    expect(sha256Hex('abc')).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
  });

  it.each([
    [MAIL_DIGEST, true],
    [MAIL_DIGEST.toUpperCase(), true],
    [MAIL_DIGEST.slice(1), false],
    [`${MAIL_DIGEST}0`, false],
    [MAIL_DIGEST.replace(/^./, 'g'), false],
    [`${MAIL_DIGEST}\n`, false],
    ['anna.weber@example.org', false],
  ])('%j is one already: %s', (text, is) => {
    expect(isSha256Hex(text)).toBe(is);
  });

  it('are taken of an e-mail without its blanks and in lower case', () => {
    expect(normaliseEmail('  Anna.Weber@Example.ORG\n')).toBe('anna.weber@example.org');
  });
});

describe('a keyed hash', () => {
  const key = createSecretKey(Buffer.alloc(32, 1));

  it('is the beginning of an HMAC over its parts, each with its length before it', () => {
    const full = createHmac('sha256', key).update('4:shop7:v-81c4é').digest();
    expect(Buffer.from(keyedHash(key, 8, 'shop', 'v-81c4é'), 'latin1')).toEqual(full.subarray(0, 8));
  });

  it('does not let one part slip into the next', () => {
    expect(keyedHash(key, 16, 'ab', 'c')).not.toBe(keyedHash(key, 16, 'a', 'bc'));
    expect(keyedHash(key, 16, 'a', '')).not.toBe(keyedHash(key, 16, 'a'));
  });
});

describe('the keys of an installation', () => {
  const raw = (keys: typeof KEYS) => Object.values(keys).map((key) => key.export().toString('hex'));

  it('are one for each purpose, and the same after every start', () => {
    expect(new Set(raw(KEYS)).size).toBe(5);
    expect(raw(deriveKeys(Buffer.alloc(32, 7)))).toEqual(raw(KEYS));
  });

  it('have nothing in common with those of another', () => {
    expect(raw(KEYS).filter((key) => raw(OTHER).includes(key))).toEqual([]);
  });
});

describe('the persons that an event names', () => {
  it.each<[string, Partial<CollectedEvent>, readonly string[], readonly { kind: string; id: string }[]]>([
    ['nobody', {}, [], []],
    [
      'visitors, in their order',
      {},
      ['v-1', 'v-2'],
      [
        { kind: 'visitor', id: 'v-1' },
        { kind: 'visitor', id: 'v-2' },
      ],
    ],
    ['a customer', { user: { external_id: '7001' } }, [], [{ kind: 'customer', id: '7001' }]],
    ['an e-mail', { user: { email: ' Anna.Weber@example.org ' } }, [], [{ kind: 'email', id: MAIL_DIGEST }]],
    [
      'the digest of an e-mail',
      { user: { email: MAIL_DIGEST.toUpperCase() } },
      [],
      [{ kind: 'email', id: MAIL_DIGEST }],
    ],
    ['a phone', { user: { phone: '+49 (151) 1234-5678' } }, [], [{ kind: 'phone', id: PHONE_DIGEST }]],
    [
      'a phone with a dialling prefix',
      { user: { phone: '0049 151 12345678' } },
      [],
      [{ kind: 'phone', id: PHONE_DIGEST }],
    ],
    ['the digest of a phone', { user: { phone: PHONE_DIGEST } }, [], [{ kind: 'phone', id: PHONE_DIGEST }]],
    ['an order', { transaction_id: '1001' }, [], [{ kind: 'order', id: '1001' }]],
    ['blank contacts, which name nobody', { user: { email: ' ', phone: '', external_id: '' } }, [], []],
  ])('%s', (_what, more, visitors, persons) => {
    expect(personsOf({ ...EVENT, ...more }, visitors)).toEqual(persons);
  });

  it('stand in the order of their strength', () => {
    const user = { phone: '+4915112345678', email: 'anna.weber@example.org', external_id: '7001' };
    const kinds = personsOf({ ...EVENT, user, transaction_id: '1001' }, ['v-1']).map(({ kind }) => kind);
    expect(kinds).toEqual(['visitor', 'customer', 'email', 'phone', 'order']);
  });
});

describe('the derivations of a person', () => {
  it('state_ref: stable, apart for each site, kind, person and installation', () => {
    const refs = [
      stateRef(KEYS, 'shop', VISITOR),
      stateRef(KEYS, 'outlet', VISITOR),
      stateRef(KEYS, 'shop', { ...VISITOR, kind: 'customer' }),
      stateRef(KEYS, 'shop', { ...VISITOR, id: 'v-81c5' }),
      stateRef(OTHER, 'shop', VISITOR),
    ];
    expect(new Set(refs).size).toBe(refs.length);
    expect(refs.map((ref) => ref.length)).toEqual([16, 16, 16, 16, 16]);
    expect(stateRef(KEYS, 'shop', VISITOR)).toBe(refs[0]);
  });

  it('lane: that of the strongest person, whatever the event; without a person one for each event', () => {
    const mail = { kind: 'email', id: MAIL_DIGEST } as const;
    const lane = laneOf(KEYS, 'shop', [VISITOR, mail], 'order-1');
    expect(lane).toHaveLength(8);
    expect(laneOf(KEYS, 'shop', [VISITOR], 'order-2')).toBe(lane);
    expect(laneOf(KEYS, 'shop', [mail, VISITOR], 'order-1')).not.toBe(lane);
    expect(laneOf(KEYS, 'outlet', [VISITOR], 'order-1')).not.toBe(lane);
    expect(laneOf(KEYS, 'shop', [], 'order-1')).not.toBe(laneOf(KEYS, 'shop', [], 'order-2'));
  });

  it('subject_ref: packed, one for each person, and of its epoch only', () => {
    const epoch = createSecretKey(Buffer.alloc(32, 3));
    const persons = [VISITOR, { kind: 'order', id: '1001' } as const];
    const packed = Buffer.from(packSubjectRefs(epoch, 'shop', persons), 'latin1');
    expect(packed).toHaveLength(2 * PACKED_REF_BYTES);
    expect([packed[0], packed[PACKED_REF_BYTES]]).toEqual([1, 5]);
    expect(packed.subarray(1, PACKED_REF_BYTES).toString('latin1')).toBe(
      keyedHash(epoch, 16, 'shop', 'visitor', 'v-81c4'),
    );
    const later = Buffer.from(packSubjectRefs(createSecretKey(Buffer.alloc(32, 4)), 'shop', persons), 'latin1');
    expect(later.subarray(1, PACKED_REF_BYTES)).not.toEqual(packed.subarray(1, PACKED_REF_BYTES));
    expect(packSubjectRefs(epoch, 'shop', [])).toBe('');
  });

  it('have nothing in common: no derivation of a person is the beginning of another', () => {
    const ref = stateRef(KEYS, 'shop', VISITOR);
    expect(ref.startsWith(laneOf(KEYS, 'shop', [VISITOR], ''))).toBe(false);
    expect(packSubjectRefs(KEYS.lookup, 'shop', [VISITOR])).not.toContain(ref);
  });
});
