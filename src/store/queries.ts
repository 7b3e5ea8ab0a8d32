// The read side: decisions and deliveries as the contract exports them (section 7). Kysely, one text for both databases.

import { type ExpressionBuilder, sql } from 'kysely';
import { parseSignals, purposeList } from '../core/decision-text.ts';
import { CannotRun } from '../core/errors.ts';
import { PACKED_REF_BYTES } from '../core/identity.ts';
import { ENTRY_KINDS } from '../core/ledger.ts';
import { loadDictionary, type ReadDictionary } from './dictionary.ts';
import type { LogTables } from './log-tables.ts';
import type { ReadStore } from './read.ts';

/** What of the log is wanted. `fromMs` is included, `toMs` is not; epoch milliseconds. */
export interface LogFilter {
  readonly fromMs?: number;
  readonly toMs?: number;
  readonly site?: string;
}

/** One decision, with the names of the public contract. */
export interface DecisionRow {
  readonly seq: number;
  readonly time: string;
  readonly site: string;
  readonly source: string;
  readonly event_id: string;
  readonly event_name: string;
  readonly destination: string;
  readonly verdict: string;
  readonly reason: string;
  readonly region: string;
  readonly region_basis: string;
  readonly signals: Readonly<Record<string, string>>;
  readonly purposes_required: readonly number[];
  readonly purposes_granted: readonly number[];
  readonly policy_id: string;
  readonly trust: string;
  /** Hex of the first packed reference; null where there is none, or it was erased. */
  readonly subject_ref: string | null;
  readonly chain: string;
}

/** One entry about a delivery, with the names of the public contract. */
export interface DeliveryRow {
  readonly seq: number;
  readonly time: string;
  readonly site: string;
  readonly event_id: string;
  readonly event_name: string;
  readonly destination: string;
  readonly outcome: string;
  readonly attempt: number | null;
  readonly http_status: number | null;
  readonly code: string | null;
  readonly trace_id: string | null;
  readonly decision_seq: number;
  readonly decision_chain: string;
  readonly started_seq: number | null;
  readonly chain: string;
}

export interface LogQueries {
  /** Pages of decisions in the order of `seq`, up to what was the newest entry at the start. */
  decisions(filter: LogFilter): AsyncGenerator<readonly DecisionRow[]>;
  /** Pages of deliveries in the order of `seq`, up to what was the newest entry at the start. */
  deliveries(filter: LogFilter): AsyncGenerator<readonly DeliveryRow[]>;
}

const PAGE = 5000;

/** Binds the queries to an open database. */
export async function openQueries(store: ReadStore): Promise<LogQueries> {
  const dictionary = await loadDictionary(store);
  const chain = (await store.db.selectFrom('chain').select('id').limit(1).executeTakeFirst())?.id ?? '';
  const newest = async () => {
    const row = await store.db
      .selectFrom('log_entry')
      .select(sql<number | null>`max(seq)`.as('seq'))
      .executeTakeFirst();
    return row?.seq ?? 0;
  };
  return {
    async *decisions(filter) {
      const until = await newest();
      await dictionary.refresh();
      yield* pages((after) => decisionPage({ store, dictionary, chain, filter, until, after }));
    },
    async *deliveries(filter) {
      const until = await newest();
      await dictionary.refresh();
      yield* pages((after) => deliveryPage({ store, dictionary, chain, filter, until, after }));
    },
  };
}

async function* pages<Row extends { readonly seq: number }>(
  read: (after: number) => Promise<readonly Row[]>,
): AsyncGenerator<readonly Row[]> {
  for (let after = 0; ; ) {
    const rows = await read(after);
    const last = rows.at(-1);
    if (last === undefined) return;
    yield rows;
    if (rows.length < PAGE) return;
    after = last.seq;
  }
}

interface Page {
  readonly store: ReadStore;
  readonly dictionary: ReadDictionary;
  readonly chain: string;
  readonly filter: LogFilter;
  readonly until: number;
  readonly after: number;
}

type Entries = ExpressionBuilder<LogTables & { e: LogTables['log_entry'] }, 'e'>;

function wanted(eb: Entries, page: Page, kind: number) {
  const { fromMs, toMs } = page.filter;
  return eb.and([
    eb('e.kind', '=', kind),
    eb('e.seq', '>', page.after),
    eb('e.seq', '<=', page.until),
    ...(fromMs === undefined ? [] : [eb('e.at_ms', '>=', fromMs)]),
    ...(toMs === undefined ? [] : [eb('e.at_ms', '<', toMs)]),
  ]);
}

async function decisionPage(page: Page): Promise<readonly DecisionRow[]> {
  const { store, dictionary, chain, filter } = page;
  let query = store.db
    .selectFrom('log_entry as e')
    .leftJoin('subject_link as l', 'l.event_seq', 'e.event_seq')
    .select(['e.seq', 'e.at_ms', 'e.site', 'e.source', 'e.event_id', 'e.event_name', 'e.destination', 'e.verdict'])
    .select(['e.reason', 'e.region', 'e.region_basis', 'e.signals', 'e.purposes_required', 'e.purposes_granted'])
    .select(['e.policy', 'e.trust', 'l.refs'])
    .where((eb) => wanted(eb, page, ENTRY_KINDS.decision));
  if (filter.site !== undefined) query = query.where('e.site', '=', numberOf(dictionary, filter.site));
  const rows = await query.orderBy('e.seq').limit(PAGE).execute();
  await dictionary.refresh();
  return rows.map((row) => {
    const read = reader(dictionary, row.seq);
    return {
      seq: row.seq,
      time: isoTime(row.seq, row.at_ms),
      site: read('site', row.site),
      source: read('source', row.source),
      event_id: row.event_id ?? '',
      event_name: row.event_name ?? '',
      destination: read('destination', row.destination),
      verdict: read('verdict', row.verdict),
      reason: read('reason', row.reason),
      region: read('region', row.region),
      region_basis: read('region_basis', row.region_basis),
      signals: parseSignals(read('signals', row.signals)),
      purposes_required: purposeList(row.purposes_required ?? 0),
      purposes_granted: purposeList(row.purposes_granted ?? 0),
      policy_id: read('policy', row.policy),
      trust: read('trust', row.trust),
      subject_ref: firstRef(row.refs),
      chain,
    };
  });
}

async function deliveryPage(page: Page): Promise<readonly DeliveryRow[]> {
  const { store, dictionary, chain, filter } = page;
  let query = store.db
    .selectFrom('log_entry as e')
    .leftJoin('log_entry as d', 'd.seq', 'e.decision_seq')
    .select(['e.seq', 'e.at_ms', 'd.site', 'd.event_id', 'd.event_name', 'e.destination', 'e.outcome', 'e.attempt'])
    .select(['e.http_status', 'e.code', 'e.trace_id', 'e.decision_seq', 'e.started_seq'])
    .where((eb) => wanted(eb, page, ENTRY_KINDS.delivery));
  if (filter.site !== undefined) query = query.where('d.site', '=', numberOf(dictionary, filter.site));
  const rows = await query.orderBy('e.seq').limit(PAGE).execute();
  await dictionary.refresh();
  return rows.map((row) => {
    const read = reader(dictionary, row.seq);
    return {
      seq: row.seq,
      time: isoTime(row.seq, row.at_ms),
      site: read('site', row.site),
      event_id: row.event_id ?? '',
      event_name: row.event_name ?? '',
      destination: read('destination', row.destination),
      outcome: read('outcome', row.outcome),
      attempt: row.attempt,
      http_status: row.http_status,
      code: row.code,
      trace_id: row.trace_id,
      decision_seq: row.decision_seq ?? 0,
      decision_chain: chain,
      started_seq: row.started_seq,
      chain,
    };
  });
}

/** A site that was never logged has no number; none has this one. */
const NOWHERE = -1;

function numberOf(dictionary: ReadDictionary, site: string): number {
  return dictionary.number('site', site) ?? NOWHERE;
}

// An export must not put words into a damaged log's mouth: it ends, and names the place.
function reader(dictionary: ReadDictionary, seq: number): (kind: string, id: number | null) => string {
  return (kind, id) => {
    if (id === null) return '';
    const text = dictionary.text(kind, id);
    if (text !== undefined) return text;
    throw new CannotRun(`entry ${seq} of the log names a ${kind} that does not exist: run sluice verify-log`);
  };
}

const LATEST_MS = 8.64e15;

function isoTime(seq: number, ms: number): string {
  if (Math.abs(ms) <= LATEST_MS) return new Date(ms).toISOString();
  throw new CannotRun(`entry ${seq} of the log has a time that is none: run sluice verify-log`);
}

function firstRef(refs: Uint8Array | null): string | null {
  if (refs === null || refs.length < PACKED_REF_BYTES) return null;
  return Buffer.from(refs.subarray(0, PACKED_REF_BYTES)).toString('hex');
}
