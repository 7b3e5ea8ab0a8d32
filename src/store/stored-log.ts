// The log as it stands in the database, page by page, for whoever checks it: every row with its stored hash, nothing trusted.

import type Database from 'better-sqlite3';
import type { LogEntry } from '../core/ledger.ts';
import { DICTIONARY_FIELDS } from './log-tables.ts';
import type { ReadStore } from './read.ts';

const PAGE = 2000;

type Row = readonly unknown[];

/**
 * Opens the log for checking, up to the entries and batches that are committed now. Pages are read one by one, so that a
 * long check holds no transaction open beside a running server. `entryCount` is an estimate for showing progress.
 */
export function openStoredLog({ sqlite }: ReadStore) {
  return sqlite.transaction(() => {
    const number = (text: string) => Number(sqlite.prepare(text).pluck().get() ?? 0);
    const lastSeq = number('SELECT max(seq) FROM log_entry');
    const lastBatch = number('SELECT max(batch) FROM log_batch');
    const chains = sqlite.prepare('SELECT id FROM chain ORDER BY id').pluck().all().map(String);
    const textOf = dictionaryOf(sqlite);
    const decode = entryDecoder(textOf, chains[0] ?? '');
    const decodeOrder = orderDecoder(textOf);
    return {
      chains,
      entryCount: lastSeq,
      policies: rawRows(sqlite, 'SELECT ref, content FROM policy ORDER BY ref').map(([ref, content]) => ({
        ref: String(ref),
        content: String(content),
      })),
      batches: { [Symbol.iterator]: () => keyset(sqlite, BATCHES, lastBatch, toBatch) },
      entries: { [Symbol.iterator]: () => keyset(sqlite, ENTRIES, lastSeq, decode) },
      /** What the order of attempts depends on, and no more. */
      order: { [Symbol.iterator]: () => keyset(sqlite, ORDER, lastSeq, decodeOrder) },
      evidence: { [Symbol.iterator]: () => keyset(sqlite, EVIDENCE, Number.MAX_SAFE_INTEGER, toEvidence) },
      strayLinks: { [Symbol.iterator]: () => keyset(sqlite, STRAY_LINKS, lastSeq, toNumber) },
    };
  })();
}

// Bytes come as hex: a Buffer of the driver's costs as much as a dozen numbers, and a row of the log holds seven.
function hexOf(...columns: readonly string[]): string {
  return columns.map((column) => `iif(${column} IS NULL, NULL, hex(${column}))`).join(', ');
}

// The columns that hold dictionary numbers stand last, in this order.
const CODED = DICTIONARY_FIELDS;
type CodedField = (typeof CODED)[number];

const BATCHES = `SELECT batch, first_seq, last_seq, ${hexOf('root', 'previous', 'hash')} FROM log_batch
  WHERE batch > ? AND batch <= ? ORDER BY batch LIMIT ?`;
const ENTRIES = `SELECT e.seq, e.kind, e.at_ms, e.event_id, e.event_name, e.event_seq, e.country, e.purposes_required,
    e.purposes_granted, e.facts, e.withdrawn_ms, e.evidence, ${hexOf('e.evidence_commit', 'e.subject_commit', 'e.event_key', 'e.order_key')},
    e.decision_seq, e.attempt, e.http_status, e.code, e.trace_id, e.started_seq, e.detail,
    ${hexOf('e.leaf', 'v.commitment', 'l.salt', 'l.refs')},
    ${CODED.map((field) => `e.${field}`).join(', ')}
  FROM log_entry e LEFT JOIN evidence v ON v.id = e.evidence
  LEFT JOIN subject_link l ON l.event_seq = CASE WHEN e.subject_commit IS NULL THEN NULL ELSE coalesce(e.event_seq, e.seq) END
  WHERE e.seq > ? AND e.seq <= ? ORDER BY e.seq LIMIT ?`;
const ORDER = `SELECT seq, kind, event_seq, destination, verdict, decision_seq, outcome, started_seq FROM log_entry
  WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?`;
const EVIDENCE = `SELECT id, ${hexOf('salt', 'commitment')}, body FROM evidence
  WHERE id > ? AND id <= ? ORDER BY id LIMIT ?`;
const STRAY_LINKS = `SELECT l.event_seq FROM subject_link l LEFT JOIN log_entry e ON e.seq = l.event_seq
  WHERE e.subject_commit IS NULL AND l.event_seq > ? AND l.event_seq <= ? ORDER BY l.event_seq LIMIT ?`;

// The first column is the key that the next page starts behind.
function* keyset<T>(sqlite: Database.Database, text: string, last: number, decode: (row: Row) => T) {
  const statement = sqlite.prepare(text).raw();
  for (let after = Number.MIN_SAFE_INTEGER; after < last; ) {
    const rows = statement.all(after, last, PAGE).filter(isRow);
    if (rows.length === 0) return;
    after = Number(rows.at(-1)?.[0]);
    yield rows.map(decode);
    if (rows.length < PAGE) return;
  }
}

const isRow = (row: unknown): row is Row => Array.isArray(row);

function rawRows(sqlite: Database.Database, text: string): readonly Row[] {
  return sqlite.prepare(text).raw().all().filter(isRow);
}

const toNumber = ([value]: Row): number => Number(value);

const toBatch = ([batch, firstSeq, lastSeq, root, previous, hash]: Row) => ({
  batch: Number(batch),
  firstSeq: Number(firstSeq),
  lastSeq: Number(lastSeq),
  root: bytes(root),
  previous: bytes(previous),
  hash: bytes(hash),
});

const toEvidence = ([id, salt, commitment, body]: Row) => ({
  id: Number(id),
  salt: bytes(salt),
  commitment: bytes(commitment),
  body: String(body),
});

// STRICT tables vouch for the types of their columns; what is read here as another type differs from its leaf.
const bytes = (value: unknown): Uint8Array => Buffer.from(String(value), 'hex');
const bytesOrNull = (value: unknown): Uint8Array | null => (value === null ? null : bytes(value));
const textOrNull = (value: unknown): string | null => (typeof value === 'string' ? value : null);
const numberOrNull = (value: unknown): number | null => (typeof value === 'number' ? value : null);

const CODED_FROM = 27;

type Coded = (at: number, field: CodedField) => string | null;

/** The text of a number, where it is of that kind. */
type TextOf = (kind: string, id: number) => string | undefined;

function dictionaryOf(sqlite: Database.Database): TextOf {
  const kinds: string[] = [];
  const texts: string[] = [];
  for (const [id, kind, text] of rawRows(sqlite, 'SELECT id, kind, text FROM dictionary')) {
    kinds[Number(id)] = String(kind);
    texts[Number(id)] = String(text);
  }
  return (kind, id) => (kinds[id] === kind ? texts[id] : undefined);
}

function orderDecoder(textOf: TextOf) {
  const coded = (kind: CodedField, value: unknown) => (value === null ? null : (textOf(kind, Number(value)) ?? null));
  return ([seq, kind, event_seq, destination, verdict, decision_seq, outcome, started_seq]: Row) => ({
    seq: Number(seq),
    kind: Number(kind),
    event_seq: numberOrNull(event_seq),
    destination: coded('destination', destination),
    verdict: coded('verdict', verdict),
    decision_seq: numberOrNull(decision_seq),
    outcome: coded('outcome', outcome),
    started_seq: numberOrNull(started_seq),
  });
}

function entryDecoder(textOf: TextOf, chain: string) {
  return (row: Row) => {
    const unread: CodedField[] = [];
    const coded: Coded = (at, field) => {
      const id = row[CODED_FROM + at];
      if (id === null) return null;
      const text = textOf(field, Number(id));
      if (text === undefined) unread.push(field);
      return text ?? null;
    };
    const entry: LogEntry = {
      chain,
      seq: Number(row[0]),
      kind: Number(row[1]),
      at_ms: Number(row[2]),
      ...eventPart(row, coded),
      ...consentPart(row, coded),
      ...deliveryPart(row, coded),
      decision_chain: row[16] === null ? null : chain,
    };
    return {
      entry,
      leaf: bytes(row[23]),
      unread,
      evidenceCommitment: bytesOrNull(row[24]),
      link: row[25] === null ? null : { salt: bytes(row[25]), refs: bytes(row[26]) },
    };
  };
}

function eventPart(row: Row, coded: Coded) {
  return {
    site: coded(0, 'site'),
    source: coded(1, 'source'),
    trust: coded(2, 'trust'),
    event_id: textOrNull(row[3]),
    event_name: textOrNull(row[4]),
    event_seq: numberOrNull(row[5]),
    destination: coded(3, 'destination'),
    subject_commit: bytesOrNull(row[13]),
    event_key: bytesOrNull(row[14]),
    order_key: bytesOrNull(row[15]),
    detail: textOrNull(row[22]),
  };
}

function consentPart(row: Row, coded: Coded) {
  return {
    verdict: coded(4, 'verdict'),
    reason: coded(5, 'reason'),
    region: coded(6, 'region'),
    region_basis: coded(7, 'region_basis'),
    country: textOrNull(row[6]),
    policy: coded(8, 'policy'),
    signals: coded(9, 'signals'),
    purposes_required: numberOrNull(row[7]),
    purposes_granted: numberOrNull(row[8]),
    facts: numberOrNull(row[9]),
    withdrawn_ms: numberOrNull(row[10]),
    evidence: numberOrNull(row[11]),
    evidence_commit: bytesOrNull(row[12]),
  };
}

function deliveryPart(row: Row, coded: Coded) {
  return {
    decision_seq: numberOrNull(row[16]),
    outcome: coded(10, 'outcome'),
    attempt: numberOrNull(row[17]),
    http_status: numberOrNull(row[18]),
    code: textOrNull(row[19]),
    trace_id: textOrNull(row[20]),
    started_seq: numberOrNull(row[21]),
    capi_status: coded(11, 'capi_status'),
  };
}
