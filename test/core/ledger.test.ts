import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  batchHash,
  commitment,
  EMPTY_ENTRY,
  ENTRY_FIELDS,
  ENTRY_KINDS,
  type EntryField,
  FIRST_PREVIOUS,
  type LogEntry,
  leafHash,
  merkleRoot,
} from '../../src/core/ledger.ts';

const sha256 = (...parts: readonly (Uint8Array | string)[]) => {
  const sum = createHash('sha256');
  for (const part of parts) sum.update(part);
  return sum.digest();
};

const ENTRY: LogEntry = {
  ...EMPTY_ENTRY,
  chain: '3f6f6c1e-52c8-4a39-9d4e-6c2f8f1b7a10',
  seq: 4711,
  kind: ENTRY_KINDS.decision,
  at_ms: Date.UTC(2026, 10, 24, 8),
  site: 'shop',
  event_id: 'order-1001',
  destination: 'meta',
  purposes_required: 0b1001101,
  evidence_commit: sha256('evidence').subarray(0, 16),
  decision_chain: null,
};

const BYTES = new Set<EntryField>(['evidence_commit', 'subject_commit', 'event_key', 'order_key']);
const NUMBERS = new Set<EntryField>([
  'seq',
  'kind',
  'at_ms',
  'event_seq',
  'purposes_required',
  'purposes_granted',
  'facts',
  'withdrawn_ms',
  'evidence',
  'decision_seq',
  'attempt',
  'http_status',
  'started_seq',
]);

/** The leaf as its description reads, written without a thought for speed. */
function slowLeaf(entry: LogEntry): Buffer {
  const fields = ENTRY_FIELDS.map((field) => {
    const value = entry[field];
    if (value === null) return Buffer.from([0xff, 0xff]);
    const body = typeof value === 'number' ? int64(value) : Buffer.from(value);
    return Buffer.concat([Buffer.from([body.length >> 8, body.length & 0xff]), body]);
  });
  return sha256(Buffer.from([0x00, 0x01]), ...fields);
}

function int64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(BigInt(value));
  return bytes;
}

type Value = string | number | Uint8Array | null;

function anyValue(field: EntryField): fc.Arbitrary<Value> {
  const text: fc.Arbitrary<Value> = fc.string({ unit: 'grapheme', maxLength: 60 });
  const value = NUMBERS.has(field) ? fc.maxSafeInteger() : BYTES.has(field) ? fc.uint8Array({ maxLength: 40 }) : text;
  const isAlwaysThere = field === 'chain' || field === 'seq' || field === 'kind' || field === 'at_ms';
  return isAlwaysThere ? value : fc.oneof(fc.constant(null), value);
}

const entries = fc
  .tuple(...ENTRY_FIELDS.map(anyValue))
  .map(
    (values): LogEntry =>
      Object.assign({}, ENTRY, Object.fromEntries(ENTRY_FIELDS.map((field, i) => [field, values[i]]))),
  );

describe('a leaf', () => {
  it('is the hash of every field in its fixed order, with its length before it', () => {
    fc.assert(
      fc.property(entries, (entry) => leafHash(entry).equals(slowLeaf(entry))),
      { numRuns: 300 },
    );
  });

  it('changes when any one field changes', () => {
    const leaves = new Set([leafHash(ENTRY).toString('hex')]);
    for (const field of ENTRY_FIELDS) {
      const value = NUMBERS.has(field) ? 99 : BYTES.has(field) ? Buffer.from('other') : 'other';
      leaves.add(leafHash({ ...ENTRY, [field]: value }).toString('hex'));
    }
    expect(leaves.size).toBe(ENTRY_FIELDS.length + 1);
  });

  it('tells no value from an empty one, in every field that may be either', () => {
    for (const field of ENTRY_FIELDS.filter((one) => !NUMBERS.has(one) && one !== 'chain')) {
      const empty = BYTES.has(field) ? Buffer.alloc(0) : '';
      expect(leafHash({ ...ENTRY, [field]: null }), field).not.toEqual(leafHash({ ...ENTRY, [field]: empty }));
    }
  });

  it('does not let a text slip from one field into the next', () => {
    const [a, b] = [
      { event_id: 'ab', event_name: 'c' },
      { event_id: 'a', event_name: 'bc' },
    ];
    expect(leafHash({ ...ENTRY, ...a })).not.toEqual(leafHash({ ...ENTRY, ...b }));
  });

  it('covers every field that an entry has', () => {
    expect([...ENTRY_FIELDS].sort()).toEqual(Object.keys(ENTRY).sort());
  });

  it('refuses a field that its length could not say', () => {
    expect(leafHash({ ...ENTRY, detail: 'x'.repeat(60_000) })).toHaveLength(32);
    expect(() => leafHash({ ...ENTRY, detail: 'x'.repeat(65_535) })).toThrow(RangeError);
  });
});

// The published test data of Certificate Transparency's Merkle tree (RFC 6962, section 2.1).
const INPUTS = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f'];
const ROOTS = [
  '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
  'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
  '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
  '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
  'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
  '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
];
const LEAVES = INPUTS.map((input) => sha256(Buffer.from([0x00]), Buffer.from(input, 'hex')));

/** RFC 6962 as it is written: split at the largest power of two that is smaller. */
function slowRoot(leaves: readonly Uint8Array[]): Uint8Array {
  const [only] = leaves;
  if (leaves.length === 1 && only !== undefined) return only;
  let split = 1;
  while (split * 2 < leaves.length) split *= 2;
  return sha256(Buffer.from([0x01]), slowRoot(leaves.slice(0, split)), slowRoot(leaves.slice(split)));
}

describe('a root', () => {
  it.each(ROOTS.map((root, i) => [i + 1, root] as const))('of %d leaves is the published one', (count, root) => {
    expect(merkleRoot(LEAVES.slice(0, count)).toString('hex')).toBe(root);
  });

  it('of any number of leaves is that of RFC 6962', () => {
    for (let count = 1; count <= 130; count += 1) {
      const leaves = Array.from({ length: count }, (_, i) => sha256(`leaf ${i}`));
      expect(merkleRoot(leaves).equals(slowRoot(leaves)), `${count} leaves`).toBe(true);
    }
  });

  it('of no leaves does not exist', () => {
    expect(() => merkleRoot([])).toThrow(RangeError);
  });
});

describe('a batch', () => {
  const link = { previous: FIRST_PREVIOUS, root: sha256('root'), firstSeq: 1, lastSeq: 7, chain: ENTRY.chain };

  it('is linked by the hash of all that it says', () => {
    const numbers = [int64(1), int64(7)];
    expect(batchHash(link)).toEqual(sha256(Buffer.from([0x02]), new Uint8Array(32), link.root, ...numbers, link.chain));
  });

  it.each([
    [{ previous: sha256('another') }],
    [{ root: sha256('another') }],
    [{ firstSeq: 2 }],
    [{ lastSeq: 8 }],
    [{ chain: 'another' }],
  ])('has another hash with %o', (change) => {
    expect(batchHash({ ...link, ...change })).not.toEqual(batchHash(link));
  });
});

describe('a commitment', () => {
  it('is salted, so that a value that can be guessed cannot be confirmed', () => {
    const value = Buffer.from('mail@example.org');
    const [one, other] = [commitment(sha256('salt'), value), commitment(sha256('pepper'), value)];
    expect(one).toEqual(sha256(sha256('salt'), value).subarray(0, 16));
    expect(one).not.toEqual(other);
  });
});
