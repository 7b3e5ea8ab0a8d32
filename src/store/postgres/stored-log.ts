// The log as it stands in the database, chain by chain and page by page, for whoever checks it: every row with its stored hash,
// nothing trusted.

import { ENTRY_KINDS, type LogEntry } from '../../core/ledger.ts';
import { DICTIONARY_FIELDS } from '../log-tables.ts';
import type { Row } from './connection.ts';
import type { Link } from './link.ts';
import { mergeOrder, type OrderRow } from './log-order.ts';
import { CHAIN_STRIDE, type EntryRef } from './numbers.ts';

const PAGE = 2000;

type Queries = Pick<Link, 'query'>;

const CHAINS = { name: 'log chains', text: 'SELECT n, id FROM chain ORDER BY n' };
const ENDS = {
  name: 'log ends',
  text: `SELECT coalesce((SELECT max(last_seq) FROM log_batch WHERE chain = $1), 0) AS seq,
    coalesce((SELECT max(batch) FROM log_batch WHERE chain = $1), 0) AS batch`,
};
const DICTIONARY = { name: 'log dictionary', text: 'SELECT id, kind, text FROM dictionary' };
const POLICIES = { name: 'log policies', text: 'SELECT ref, content FROM policy ORDER BY ref' };
const BATCHES = {
  name: 'log batches',
  text: `SELECT batch AS key, batch, first_seq, last_seq, root, previous, hash FROM log_batch
    WHERE chain = $1 AND batch > $2 AND batch <= $3 ORDER BY batch LIMIT $4`,
};
const ENTRIES = {
  name: 'log entries',
  text: `SELECT e.seq AS key, e.*, v.commitment AS v_commitment, l.salt AS l_salt, l.refs AS l_refs
    FROM log_entry e LEFT JOIN evidence v ON v.id = e.evidence
    LEFT JOIN subject_link l ON e.subject_commit IS NOT NULL AND l.chain = e.chain AND l.event_seq = coalesce(e.event_seq, e.seq)
    WHERE e.chain = $1 AND e.seq > $2 AND e.seq <= $3 ORDER BY e.seq LIMIT $4`,
};
const EVIDENCE = {
  name: 'log evidence',
  text: `SELECT id AS key, id, salt, commitment, body FROM evidence
    WHERE id >= $1::bigint AND id > $2 AND id <= $3 ORDER BY id LIMIT $4`,
};
const STRAY_LINKS = {
  name: 'log stray links',
  text: `SELECT l.event_seq AS key FROM subject_link l WHERE l.chain = $1 AND l.event_seq > $2 AND l.event_seq <= $3
    AND NOT EXISTS (SELECT 1 FROM log_entry e WHERE e.chain = l.chain AND e.seq = l.event_seq AND e.subject_commit IS NOT NULL)
    ORDER BY l.event_seq LIMIT $4`,
};
const ORDER = {
  name: 'log order',
  text: `SELECT seq AS key, seq, at_ms, kind, event_seq, destination, verdict, decision_chain, decision_seq, outcome, started_seq,
      CASE WHEN kind = ${ENTRY_KINDS.delivery} THEN detail END AS detail
    FROM log_entry WHERE chain = $1 AND seq > $2 AND seq <= $3 ORDER BY seq LIMIT $4`,
};

interface LogChain {
  readonly n: number;
  readonly id: string;
  readonly lastSeq: number;
  readonly lastBatch: number;
}

/** Opens the log for checking, up to what is committed now. One chain is what `verifyLog` checks; `order` is over all. */
export async function openPostgresLog(link: Queries) {
  const textOf = await dictionaryOf(link);
  const chains: LogChain[] = [];
  for (const row of await link.query(CHAINS)) {
    const n = Number(row['n']);
    const [ends] = await link.query(ENDS, [n]);
    chains.push({ n, id: String(row['id']), lastSeq: Number(ends?.['seq']), lastBatch: Number(ends?.['batch']) });
  }
  const names = new Map(chains.map(({ n, id }) => [n, id]));
  const numbers = new Map(chains.map(({ n, id }) => [id, n]));
  const policies = (await link.query(POLICIES)).map((row) => ({
    ref: String(row['ref']),
    content: String(row['content']),
  }));
  return {
    entryCount: chains.reduce((sum, { lastSeq }) => sum + lastSeq, 0),
    chains: chains.map((chain) => ({
      chains: [chain.id],
      entryCount: chain.lastSeq,
      policies,
      batches: pages(link, BATCHES, { first: chain.n, after: 0, last: chain.lastBatch }, toBatch),
      entries: pages(link, ENTRIES, { first: chain.n, after: 0, last: chain.lastSeq }, (row) =>
        toEntry(row, textOf, names),
      ),
      evidence: pages(link, EVIDENCE, evidenceRange(chain.n), toEvidence),
      strayLinks: pages(link, STRAY_LINKS, { first: chain.n, after: 0, last: chain.lastSeq }, (row) =>
        Number(row['key']),
      ),
    })),
    /** One order that all chains agree with: nothing stands before what it cites. Eight bytes of memory an entry. */
    order: {
      [Symbol.asyncIterator]: () =>
        mergeOrder(
          chains.map((chain) => ({
            chain,
            pages: pages(link, ORDER, { first: chain.n, after: 0, last: chain.lastSeq }, (row) =>
              toOrderRow(row, textOf, numbers),
            ),
          })),
        ),
    },
  };
}

const evidenceRange = (n: number) => ({
  first: n * CHAIN_STRIDE,
  after: n * CHAIN_STRIDE - 1,
  last: (n + 1) * CHAIN_STRIDE - 1,
});

interface Range {
  readonly first: number;
  readonly after: number;
  readonly last: number;
}

function pages<T>(link: Queries, statement: { name: string; text: string }, range: Range, decode: (row: Row) => T) {
  async function* read() {
    for (let after = range.after; after < range.last; ) {
      const rows = await link.query(statement, [range.first, after, range.last, PAGE]);
      if (rows.length === 0) return;
      after = Number(rows.at(-1)?.['key']);
      yield rows.map(decode);
      if (rows.length < PAGE) return;
    }
  }
  return { [Symbol.asyncIterator]: read };
}

type TextOf = (kind: string, id: unknown) => string | undefined;

async function dictionaryOf(link: Queries): Promise<TextOf> {
  const texts = new Map<string, string>();
  for (const row of await link.query(DICTIONARY)) texts.set(`${row['kind']} ${row['id']}`, String(row['text']));
  return (kind, id) => texts.get(`${kind} ${id}`);
}

const bytes = (value: unknown): Uint8Array => (Buffer.isBuffer(value) ? value : new Uint8Array());
const bytesOrNull = (value: unknown): Uint8Array | null => (Buffer.isBuffer(value) ? value : null);
const textOrNull = (value: unknown): string | null => (typeof value === 'string' ? value : null);
const numberOrNull = (value: unknown): number | null => (typeof value === 'number' ? value : null);

const toBatch = (row: Row) => ({
  batch: Number(row['batch']),
  firstSeq: Number(row['first_seq']),
  lastSeq: Number(row['last_seq']),
  root: bytes(row['root']),
  previous: bytes(row['previous']),
  hash: bytes(row['hash']),
});

const toEvidence = (row: Row) => ({
  id: Number(row['id']),
  salt: bytes(row['salt']),
  commitment: bytes(row['commitment']),
  body: String(row['body']),
});

function toEntry(row: Row, textOf: TextOf, names: ReadonlyMap<number, string>) {
  const unread: string[] = [];
  const coded = (field: (typeof DICTIONARY_FIELDS)[number]): string | null => {
    if (row[field] === null) return null;
    const text = textOf(field, row[field]);
    if (text === undefined) unread.push(field);
    return text ?? null;
  };
  const codedFields = Object.fromEntries(DICTIONARY_FIELDS.map((field) => [field, coded(field)])) as Pick<
    LogEntry,
    (typeof DICTIONARY_FIELDS)[number]
  >;
  const chainName = (n: unknown): string | null => (n === null ? null : (names.get(Number(n)) ?? ''));
  const entry: LogEntry = {
    ...codedFields,
    ...numbersOf(row),
    chain: chainName(row['chain']) ?? '',
    event_id: textOrNull(row['event_id']),
    event_name: textOrNull(row['event_name']),
    country: textOrNull(row['country']),
    evidence_commit: bytesOrNull(row['evidence_commit']),
    subject_commit: bytesOrNull(row['subject_commit']),
    event_key: bytesOrNull(row['event_key']),
    order_key: bytesOrNull(row['order_key']),
    decision_chain: chainName(row['decision_chain']),
    code: textOrNull(row['code']),
    trace_id: textOrNull(row['trace_id']),
    detail: textOrNull(row['detail']),
  };
  const link = Buffer.isBuffer(row['l_salt']) ? { salt: bytes(row['l_salt']), refs: bytes(row['l_refs']) } : null;
  return { entry, leaf: bytes(row['leaf']), unread, evidenceCommitment: bytesOrNull(row['v_commitment']), link };
}

function numbersOf(row: Row) {
  return {
    seq: Number(row['seq']),
    kind: Number(row['kind']),
    at_ms: Number(row['at_ms']),
    event_seq: numberOrNull(row['event_seq']),
    purposes_required: numberOrNull(row['purposes_required']),
    purposes_granted: numberOrNull(row['purposes_granted']),
    facts: numberOrNull(row['facts']),
    withdrawn_ms: numberOrNull(row['withdrawn_ms']),
    evidence: numberOrNull(row['evidence']),
    decision_seq: numberOrNull(row['decision_seq']),
    attempt: numberOrNull(row['attempt']),
    http_status: numberOrNull(row['http_status']),
    started_seq: numberOrNull(row['started_seq']),
  };
}

function toOrderRow(row: Row, textOf: TextOf, numbers: ReadonlyMap<string, number>): OrderRow {
  const coded = (field: string) => (row[field] === null ? null : (textOf(field, row[field]) ?? null));
  return {
    seq: Number(row['seq']),
    atMs: Number(row['at_ms']),
    kind: Number(row['kind']),
    eventSeq: numberOrNull(row['event_seq']),
    destination: coded('destination'),
    verdict: coded('verdict'),
    outcome: coded('outcome'),
    decision:
      row['decision_seq'] === null ? null : { chain: Number(row['decision_chain']), seq: Number(row['decision_seq']) },
    startedSeq: numberOrNull(row['started_seq']),
    released: readRelease(row['detail'], numbers),
  };
}

function readRelease(detail: unknown, numbers: ReadonlyMap<string, number>): EntryRef | null {
  if (typeof detail !== 'string') return null;
  const parsed: unknown = JSON.parse(detail);
  const cited = typeof parsed === 'object' && parsed !== null && 'released' in parsed ? parsed.released : null;
  if (!Array.isArray(cited)) return null;
  const chain = numbers.get(String(cited[0]));
  return chain === undefined ? null : { chain, seq: Number(cited[1]) };
}
