// Builds a log as a server would have written it, with the arithmetic of core/ledger and nothing of the store's writer.

import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { Kysely, SqliteDialect } from 'kysely';
import { Migrator } from 'kysely/migration';
import {
  batchHash,
  commitment,
  EMPTY_ENTRY,
  ENTRY_FIELDS,
  ENTRY_KINDS,
  type EntryKind,
  FIRST_PREVIOUS,
  type LogEntry,
  leafHash,
  merkleRoot,
} from '../src/core/ledger.ts';
import { canonicalPolicy, identifyPolicy, type PolicyContent } from '../src/core/policy-file.ts';
import { migrations } from '../src/store/migrations/migrations.ts';

export const CHAIN = '3f6f6c1e-52c8-4a39-9d4e-6c2f8f1b7a10';
export const START_MS = Date.UTC(2026, 10, 24, 8);

const CODED = new Set<string>(
  'site source trust destination verdict reason region region_basis policy signals outcome capi_status'.split(' '),
);
const COLUMNS = ENTRY_FIELDS.filter((field) => field !== 'chain' && field !== 'decision_chain');

const CONTENT: PolicyContent = {
  id: 'default',
  regions: { regulated: [], opt_out: ['US'], apply_everywhere: false },
  consent: { maxAgeMonths: 13, requireAlertBoxCookie: false },
  destinations: {
    meta: { onetrust: { groups: ['C0004'] }, optOut: 'drop', events: '*' },
    klaviyo: { onetrust: { groups: ['C0004'] }, optOut: 'drop', events: '*' },
  },
};
export const POLICY = identifyPolicy(CONTENT);

export type EntryFields = Partial<Omit<LogEntry, 'chain' | 'seq' | 'kind' | 'decision_chain'>>;

export interface LogBuilder {
  readonly file: string;
  readonly db: Database.Database;
  /** Appends an entry to the open batch; returns its seq. */
  append(kind: EntryKind, fields?: EntryFields): number;
  /** Ends the batch. */
  commit(): void;
  /** Ends the batch and closes the file, as a server that was stopped. */
  close(): void;
}

/** A folder that is gone when the test is over. */
export function temporaryFolder(onEnd: (clean: () => void) => void): string {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-log-'));
  onEnd(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A new, migrated database with the policy above and an empty log. */
export async function buildLog(file: string): Promise<LogBuilder> {
  const db = new Database(file);
  db.pragma('journal_mode = WAL');
  db.pragma('synchronous = OFF');
  const migrator = new Migrator({
    db: new Kysely<unknown>({ dialect: new SqliteDialect({ database: db }) }),
    provider: { getMigrations: async () => ({ ...migrations }) },
  });
  const { error } = await migrator.migrateToLatest();
  if (error) throw error;
  db.pragma(`application_id = ${0x534c5543}`);
  db.prepare('INSERT INTO chain VALUES (?)').run(CHAIN);
  db.prepare('INSERT INTO policy VALUES (?, ?)').run(POLICY.ref, canonicalPolicy(CONTENT));
  return writer(file, db);
}

function writer(file: string, db: Database.Database): LogBuilder {
  const numbers = new Map<string, number>();
  const insert = db.prepare(
    `INSERT INTO log_entry (${COLUMNS.join()}, leaf) VALUES (${COLUMNS.map(() => '?').join()}, ?)`,
  );
  const insertBatch = db.prepare('INSERT INTO log_batch VALUES (?, ?, ?, ?, ?, ?)');
  let [seq, batch, leaves]: [number, number, Buffer[]] = [0, 0, []];
  let previous: Uint8Array = FIRST_PREVIOUS;
  const numberOf = (kind: string, text: string): number => {
    const known = numbers.get(`${kind} ${text}`);
    if (known !== undefined) return known;
    const id = numbers.size + 1;
    db.prepare('INSERT INTO dictionary VALUES (?, ?, ?)').run(id, kind, text);
    numbers.set(`${kind} ${text}`, id);
    return id;
  };
  const begin = () => db.inTransaction || db.exec('BEGIN');
  const builder: LogBuilder = {
    file,
    db,
    append(kind, fields = {}) {
      begin();
      seq += 1;
      const decision_chain = fields.decision_seq == null ? null : CHAIN;
      const place = {
        chain: CHAIN,
        seq,
        kind: ENTRY_KINDS[kind],
        at_ms: fields.at_ms ?? START_MS + seq,
        decision_chain,
      };
      const entry: LogEntry = { ...EMPTY_ENTRY, ...fields, ...place };
      const leaf = leafHash(entry);
      const values = COLUMNS.map((column) => {
        const value = entry[column];
        return typeof value === 'string' && CODED.has(column) ? numberOf(column, value) : value;
      });
      insert.run(...values, leaf);
      leaves.push(leaf);
      return seq;
    },
    commit() {
      if (leaves.length === 0) return;
      const root = merkleRoot(leaves);
      const firstSeq = seq - leaves.length + 1;
      const hash = batchHash({ previous, root, firstSeq, lastSeq: seq, chain: CHAIN });
      batch += 1;
      insertBatch.run(batch, firstSeq, seq, root, previous, hash);
      db.exec('COMMIT');
      [previous, leaves] = [hash, []];
    },
    close() {
      builder.commit();
      db.close();
    },
  };
  return builder;
}

/** Bytes that look random and are the same every time. */
export const bytesOf = (text: string, length: number): Buffer =>
  createHash('sha512').update(text).digest().subarray(0, length);

export interface EventOptions {
  readonly id: string;
  readonly site?: string;
  readonly name?: string;
  readonly atMs?: number;
  readonly meta?: 'permit' | 'drop';
  readonly klaviyo?: 'permit' | 'drop';
}

export interface LoggedEvent {
  readonly eventSeq: number;
  readonly meta: number;
  readonly klaviyo: number;
}

/** An accepted event: evidence, subject link and a decision for each destination, in one batch with what else is open. */
export function logEvent(log: LogBuilder, options: EventOptions): LoggedEvent {
  const { id, site = 'shop', name = 'purchase', atMs, meta = 'permit', klaviyo = 'permit' } = options;
  const eventSeq = nextSeq(log);
  const evidence = storeEvidence(log, JSON.stringify([{ onetrust: { id, groups: { C0004: 1 } } }]), eventSeq);
  const subject_commit = linkSubject(log, eventSeq, id);
  const decide = (destination: string, verdict: 'permit' | 'drop') =>
    log.append('decision', {
      ...(atMs === undefined ? {} : { at_ms: atMs }),
      site,
      source: 'browser',
      trust: 'browser',
      event_id: id,
      event_name: name,
      event_seq: eventSeq,
      destination,
      verdict,
      reason: verdict === 'permit' ? 'consent.granted' : 'category.denied',
      region: 'regulated',
      region_basis: 'proxy_header',
      country: 'DE',
      policy: POLICY.ref,
      signals: verdict === 'permit' ? 'onetrust=granted' : 'onetrust=denied:category.denied',
      purposes_required: 0b1101,
      purposes_granted: verdict === 'permit' ? 0b1101 : 0,
      facts: 3,
      ...evidence,
      subject_commit,
      event_key: bytesOf(`key ${id}`, 8),
    });
  return { eventSeq, meta: decide('meta', meta), klaviyo: decide('klaviyo', klaviyo) };
}

const nextSeq = ({ db }: LogBuilder): number =>
  Number(db.prepare('SELECT coalesce(max(seq), 0) + 1 FROM log_entry').pluck().get());

function storeEvidence({ db }: LogBuilder, body: string, id: number) {
  const salt = bytesOf(`salt ${body}`, 16);
  const evidence_commit = commitment(salt, Buffer.from(body, 'utf8'));
  begin(db);
  db.prepare('INSERT INTO evidence VALUES (?, ?, ?, ?)').run(id, salt, evidence_commit, body);
  return { evidence: id, evidence_commit };
}

function linkSubject({ db }: LogBuilder, eventSeq: number, person: string): Buffer {
  const salt = bytesOf(`link ${person}`, 16);
  const refs = Buffer.concat([
    Buffer.from([1]),
    bytesOf(`visitor ${person}`, 16),
    Buffer.from([3]),
    bytesOf(`mail ${person}`, 16),
  ]);
  begin(db);
  db.prepare('INSERT INTO subject_link VALUES (?, 1, ?, ?)').run(eventSeq, salt, refs);
  return commitment(salt, refs);
}

const begin = (db: Database.Database) => db.inTransaction || db.exec('BEGIN');

export interface DeliveryOptions {
  readonly destination: 'meta' | 'klaviyo';
  readonly outcome: 'accepted' | 'refused' | 'gave_up' | 'cancelled' | 'skipped' | 'retrying';
  /** Null: nothing was sent. */
  readonly started: number | null;
  readonly attempt?: number;
  readonly code?: string;
}

/** One entry about a delivery of an event. */
export function logDelivery(log: LogBuilder, event: LoggedEvent, options: DeliveryOptions): number {
  const { destination, outcome, started, attempt = started === null ? 0 : 1, code = null } = options;
  return log.append('delivery', {
    event_seq: event.eventSeq,
    decision_seq: event[destination],
    destination,
    outcome,
    attempt,
    http_status: started === null ? null : outcome === 'accepted' ? 200 : 500,
    code,
    trace_id: started === null ? null : `A${bytesOf(`trace ${event.eventSeq}`, 6).toString('hex')}`,
    started_seq: started,
    capi_status: destination === 'klaviyo' ? 'sent' : null,
  });
}

/** A day of a small shop: permits, drops, a retry, a refusal, a withdrawal, each in batches of their own. Returns the last seq. */
export function logDay(log: LogBuilder, events: number): number {
  log.append('start', { detail: '{"version":"0.1.0"}' });
  log.commit();
  let last = 1;
  for (let i = 0; i < events; i += 1) {
    const event = logEvent(log, { id: `order-${1000 + i}`, meta: i % 4 === 3 ? 'drop' : 'permit' });
    log.commit();
    if (i % 4 === 3)
      last = logDelivery(log, event, { destination: 'klaviyo', outcome: 'accepted', started: event.klaviyo });
    else last = DAYS[i % DAYS.length]?.(log, event) ?? last;
    log.commit();
  }
  return last;
}

const DAYS: readonly ((log: LogBuilder, event: LoggedEvent) => number)[] = [
  (log, event) => {
    const settled = logDelivery(log, event, { destination: 'meta', outcome: 'accepted', started: event.klaviyo });
    log.commit();
    return logDelivery(log, event, { destination: 'klaviyo', outcome: 'accepted', started: settled });
  },
  (log, event) => {
    const tried = { destination: 'meta', outcome: 'retrying', started: event.klaviyo, code: 'http.500' } as const;
    const first = logDelivery(log, event, tried);
    const release = { event_seq: event.eventSeq, decision_seq: event.klaviyo, destination: 'klaviyo' };
    log.append('release', { ...release, capi_status: 'deferred' });
    log.commit();
    const second = logDelivery(log, event, { destination: 'klaviyo', outcome: 'accepted', started: first + 1 });
    log.commit();
    return logDelivery(log, event, { destination: 'meta', outcome: 'accepted', started: second, attempt: 2 });
  },
  (log, event) => {
    log.append('consent_change', {
      site: 'shop',
      detail: '{"verdicts":{"meta":"drop","klaviyo":"drop"},"cancelled":2}',
    });
    const cancelled = { outcome: 'cancelled', started: null, code: 'consent.withdrawn' } as const;
    logDelivery(log, event, { destination: 'klaviyo', ...cancelled });
    return logDelivery(log, event, { destination: 'meta', ...cancelled });
  },
];
