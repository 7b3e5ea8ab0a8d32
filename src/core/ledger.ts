// The log's arithmetic: leaves, Merkle roots, the chain of batches. Pure; whoever has the rows can do it again.
//
//   leaf  = SHA-256(0x00 ‖ version ‖ fields in fixed order, each with a 16-bit length; 0xffff = no value)
//   node  = SHA-256(0x01 ‖ left ‖ right)                                        (RFC 6962, section 2.1)
//   batch = SHA-256(0x02 ‖ previous batch ‖ root ‖ first seq ‖ last seq ‖ chain id)
//
// Texts stand for themselves in a leaf, never a dictionary's number: whoever changes the dictionary changes the leaves.

import { hash } from 'node:crypto';

const LEAF_VERSION = 1;
const NO_VALUE = 0xffff;

/** One field: text, whole number (signed 64 bit), bytes as they are, or no value. */
type LedgerValue = string | number | Uint8Array | null;

/** The kinds of entry. Their numbers are part of the format. */
export const ENTRY_KINDS = {
  decision: 1,
  delivery: 2,
  consent_change: 3,
  release: 4,
  start: 5,
  stop: 6,
  policy_publish: 7,
  config_change: 8,
  key_rotation: 9,
  erasure: 10,
  prune: 11,
  restore: 12,
  clock_step: 13,
  admin_action: 14,
} as const;

export type EntryKind = keyof typeof ENTRY_KINDS;

/** One entry of the log, every dictionary number resolved. Bytes are bytes. */
export interface LogEntry {
  readonly chain: string;
  readonly seq: number;
  /** A number of ENTRY_KINDS. */
  readonly kind: number;
  readonly at_ms: number;
  readonly site: string | null;
  readonly source: string | null;
  readonly trust: string | null;
  readonly event_id: string | null;
  readonly event_name: string | null;
  /** `seq` of the first decision of the same event: what all entries of one event share. */
  readonly event_seq: number | null;
  readonly destination: string | null;
  readonly verdict: string | null;
  readonly reason: string | null;
  readonly region: string | null;
  readonly region_basis: string | null;
  readonly country: string | null;
  readonly policy: string | null;
  /** `tcf=granted;onetrust=denied:category.denied`: see core/decision-text. */
  readonly signals: string | null;
  readonly purposes_required: number | null;
  readonly purposes_granted: number | null;
  /** Bits of core/decision-text. */
  readonly facts: number | null;
  readonly withdrawn_ms: number | null;
  readonly evidence: number | null;
  readonly evidence_commit: Uint8Array | null;
  readonly subject_commit: Uint8Array | null;
  readonly event_key: Uint8Array | null;
  readonly order_key: Uint8Array | null;
  /** The chain of the decision that a delivery follows from. */
  readonly decision_chain: string | null;
  readonly decision_seq: number | null;
  readonly outcome: string | null;
  readonly attempt: number | null;
  readonly http_status: number | null;
  readonly code: string | null;
  readonly trace_id: string | null;
  readonly started_seq: number | null;
  readonly capi_status: string | null;
  /** JSON, for the kinds that have no fields of their own. */
  readonly detail: string | null;
}

export type EntryField = keyof LogEntry;

/** The fields in the order of the leaf. The order is part of the format: only the end may grow. */
export const ENTRY_FIELDS = [
  'chain',
  'seq',
  'kind',
  'at_ms',
  'site',
  'source',
  'trust',
  'event_id',
  'event_name',
  'event_seq',
  'destination',
  'verdict',
  'reason',
  'region',
  'region_basis',
  'country',
  'policy',
  'signals',
  'purposes_required',
  'purposes_granted',
  'facts',
  'withdrawn_ms',
  'evidence',
  'evidence_commit',
  'subject_commit',
  'event_key',
  'order_key',
  'decision_chain',
  'decision_seq',
  'outcome',
  'attempt',
  'http_status',
  'code',
  'trace_id',
  'started_seq',
  'capi_status',
  'detail',
] as const satisfies readonly EntryField[];

/** An entry without a value anywhere but where it stands in its chain. */
export const EMPTY_ENTRY: Omit<LogEntry, 'chain' | 'seq' | 'kind' | 'at_ms'> = {
  site: null,
  source: null,
  trust: null,
  event_id: null,
  event_name: null,
  event_seq: null,
  destination: null,
  verdict: null,
  reason: null,
  region: null,
  region_basis: null,
  country: null,
  policy: null,
  signals: null,
  purposes_required: null,
  purposes_granted: null,
  facts: null,
  withdrawn_ms: null,
  evidence: null,
  evidence_commit: null,
  subject_commit: null,
  event_key: null,
  order_key: null,
  decision_chain: null,
  decision_seq: null,
  outcome: null,
  attempt: null,
  http_status: null,
  code: null,
  trace_id: null,
  started_seq: null,
  capi_status: null,
  detail: null,
};

// One-shot hashing to a latin1 string costs less than half of a digest Buffer.
const slab = Buffer.allocUnsafe(64 * 1024);

/**
 * The leaf hash of an entry, 32 bytes.
 * @throws RangeError for a field of 65,535 bytes or more
 */
export function leafHash(entry: LogEntry): Buffer {
  slab[0] = 0x00;
  slab[1] = LEAF_VERSION;
  let at = 2;
  for (const field of ENTRY_FIELDS) at = writeField(entry[field], at);
  return Buffer.from(hash('sha256', slab.subarray(0, at), 'binary'), 'latin1');
}

function writeField(value: LedgerValue, at: number): number {
  if (value === null) return slab.writeUInt16BE(NO_VALUE, at);
  const body = at + 2;
  const length = writeValue(value, body);
  if (length >= NO_VALUE) throw new RangeError('a field of a log entry is too long');
  slab.writeUInt16BE(length, at);
  return body + length;
}

function writeValue(value: string | number | Uint8Array, at: number): number {
  if (typeof value === 'number') {
    // 64 bits, big-endian, in two halves: the values are safe integers, BigInt would cost more than the hash.
    const high = Math.floor(value / 0x1_0000_0000);
    slab.writeInt32BE(high, at);
    slab.writeUInt32BE(value - high * 0x1_0000_0000, at + 4);
    return 8;
  }
  const length = typeof value === 'string' ? Buffer.byteLength(value, 'utf8') : value.length;
  if (at + length > slab.length) throw new RangeError('a log entry is too long');
  if (typeof value === 'string') slab.write(value, at, length, 'utf8');
  else slab.set(value, at);
  return length;
}

/** The Merkle tree hash of RFC 6962 over leaf hashes of 32 bytes; at least one. */
export function merkleRoot(leaves: readonly Uint8Array[]): Buffer {
  let level: readonly Uint8Array[] = leaves;
  while (level.length > 1) {
    const next: Buffer[] = [];
    for (let i = 0; i + 1 < level.length; i += 2) next.push(node(level[i], level[i + 1]));
    const last = level.length % 2 === 1 ? level.at(-1) : undefined;
    // An odd one rises as it is: that is what RFC 6962's split at the largest power of two comes to.
    level = last === undefined ? next : [...next, Buffer.from(last)];
  }
  const [root] = level;
  if (root === undefined) throw new RangeError('a batch of no leaves has no root');
  return Buffer.from(root);
}

const pair = Buffer.alloc(65);

function node(left: Uint8Array | undefined, right: Uint8Array | undefined): Buffer {
  if (left === undefined || right === undefined) throw new RangeError('a node needs two children');
  pair[0] = 0x01;
  pair.set(left, 1);
  pair.set(right, 33);
  return Buffer.from(hash('sha256', pair, 'binary'), 'latin1');
}

export interface BatchLink {
  readonly previous: Uint8Array;
  readonly root: Uint8Array;
  readonly firstSeq: number;
  readonly lastSeq: number;
  readonly chain: string;
}

/** The hash that links a batch to the one before it. The first batch follows 32 zero bytes. */
export function batchHash({ previous, root, firstSeq, lastSeq, chain }: BatchLink): Buffer {
  const numbers = Buffer.alloc(16);
  numbers.writeBigInt64BE(BigInt(firstSeq), 0);
  numbers.writeBigInt64BE(BigInt(lastSeq), 8);
  const body = Buffer.concat([Buffer.from([0x02]), previous, root, numbers, Buffer.from(chain, 'utf8')]);
  return Buffer.from(hash('sha256', body, 'binary'), 'latin1');
}

export const FIRST_PREVIOUS: Uint8Array = new Uint8Array(32);

/** A salted commitment to something that may be deleted: the first 16 bytes of SHA-256(salt ‖ value). */
export function commitment(salt: Uint8Array, value: Uint8Array): Buffer {
  return Buffer.from(hash('sha256', Buffer.concat([salt, value]), 'binary'), 'latin1').subarray(0, 16);
}
