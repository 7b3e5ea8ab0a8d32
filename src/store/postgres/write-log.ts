// What a batch appends to the log: entries, their batch, the chain's new head, evidence and subject links.

import { ENTRY_FIELDS, type EntryField, type LogEntry } from '../../core/ledger.ts';
import { DICTIONARY_FIELDS } from '../log-tables.ts';
import type { Element, ElementType } from './arrays.ts';
import { type Column, columnsOf, type Sent } from './columns.ts';
import type { Statement } from './connection.ts';
import type { PostgresContext } from './context.ts';
import type { Written } from './draft.ts';
import type { NewEvidence } from './evidence.ts';

const CODED: ReadonlySet<string> = new Set(DICTIONARY_FIELDS);
const BYTES: ReadonlySet<string> = new Set(['evidence_commit', 'subject_commit', 'event_key', 'order_key']);
const TEXTS: ReadonlySet<string> = new Set(['event_id', 'event_name', 'country', 'code', 'trace_id', 'detail']);
const LONG: ReadonlySet<string> = new Set([
  'seq',
  'at_ms',
  'event_seq',
  'withdrawn_ms',
  'evidence',
  'decision_seq',
  'started_seq',
]);

function typeOf(field: EntryField): ElementType {
  if (BYTES.has(field)) return 'bytea';
  if (TEXTS.has(field)) return 'text';
  return LONG.has(field) ? 'int8' : 'int4';
}

const FIELDS = ENTRY_FIELDS.filter((field) => field !== 'chain');

// The chain moves only from where we believe it to stand: 1 / 0 undoes everything where another holds it, or where the batch
// before ours failed. It waits for that batch, because the row is locked until it has committed.
const LOG: Statement = {
  name: 'write log',
  text: `WITH held AS (
      UPDATE writer SET batch = $5, seq = $7, hash = $10, evidence = $11, until = now() + $12 * interval '1 millisecond'
      WHERE chain = $1 AND token = $2 AND batch = $3 AND seq = $4 RETURNING 1),
    sealed AS (
      INSERT INTO log_batch (chain, batch, first_seq, last_seq, root, previous, hash)
      VALUES ($1, $5::int8, $6, $7, $8, $9, $10)),
    appended AS (
      INSERT INTO log_entry (chain, ${FIELDS.join(', ')}, leaf)
      SELECT $1::int4, t.* FROM unnest(${[...FIELDS.map((field, i) => `$${i + 13}::${typeOf(field)}[]`), `$${FIELDS.length + 13}::bytea[]`].join(', ')}) AS t)
    SELECT 1 / count(*) FROM held`,
};
const LINKS: Statement = {
  name: 'write links',
  text: `INSERT INTO subject_link (chain, event_seq, epoch, salt, refs)
    SELECT $1::int4, t.event_seq, $2::int4, t.salt, t.refs FROM unnest($3::int8[], $4::bytea[], $5::bytea[]) AS t (event_seq, salt, refs)`,
};
const EVIDENCE: Statement = {
  name: 'write evidence',
  text: `INSERT INTO evidence (id, salt, commitment, body)
    SELECT * FROM unnest($1::int8[], $2::bytea[], $3::bytea[], $4::text[])`,
};

type LinkRow = Written['links'][number];
type EntryRow = Written['entries'][number];

const LINK_COLUMNS: readonly Column<LinkRow>[] = [
  ['int8', ({ eventSeq }) => eventSeq],
  ['bytea', ({ salt }) => salt],
  ['bytea', ({ refs }) => refs],
];
const EVIDENCE_COLUMNS: readonly Column<NewEvidence>[] = [
  ['int8', ({ id }) => id],
  ['bytea', ({ salt }) => salt],
  ['bytea', ({ commitment }) => commitment],
  ['text', ({ body }) => body],
];

/** The statements for the log; the head's is the last, because the next batch waits for it. */
export function logStatements(context: PostgresContext, written: Written): readonly Sent[] {
  const { head, links, evidence } = written;
  const sent: Sent[] = [];
  if (links.length > 0) sent.push([LINKS, [head.chain, context.epoch, ...columnsOf(links, LINK_COLUMNS)]]);
  if (evidence.length > 0) sent.push([EVIDENCE, columnsOf(evidence, EVIDENCE_COLUMNS)]);
  if (written.root !== null) sent.push([LOG, logParameters(context, written, written.root)]);
  return sent;
}

function logParameters(
  { options, chains, dictionary }: PostgresContext,
  { head, next, entries }: Written,
  root: Uint8Array,
): Sent[1] {
  const value = (entry: LogEntry, field: EntryField): Element => {
    const own = entry[field];
    if (field === 'decision_chain' && typeof own === 'string') return chains.number(own);
    return typeof own === 'string' && CODED.has(field) ? dictionary.number(field, own) : own;
  };
  const fields = FIELDS.map((field): Column<EntryRow> => [typeOf(field), ({ entry }) => value(entry, field)]);
  const place = [head.chain, head.token, head.batch, head.seq, next.batch, head.seq + 1, next.seq];
  const hashes = [root, head.hash, next.hash, next.evidence, options.leaseMs];
  return [...place, ...hashes, ...columnsOf(entries, [...fields, ['bytea', ({ leaf }) => leaf]])];
}
