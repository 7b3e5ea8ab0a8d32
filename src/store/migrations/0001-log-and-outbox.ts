// The first schema: the log, the outbox, consent state. One file, because log and outbox commit together (ADR 0002).

import { type Kysely, sql } from 'kysely';

// Texts that repeat are numbers here; leaves hash the texts (core/ledger).
const LOG = [
  `CREATE TABLE chain (id TEXT PRIMARY KEY) STRICT, WITHOUT ROWID`,
  `CREATE TABLE dictionary (id INTEGER PRIMARY KEY, kind TEXT NOT NULL, text TEXT NOT NULL, UNIQUE (kind, text)) STRICT`,
  `CREATE TABLE log_entry (
     seq INTEGER PRIMARY KEY, kind INTEGER NOT NULL, at_ms INTEGER NOT NULL,
     site INTEGER, source INTEGER, trust INTEGER, event_id TEXT, event_name TEXT, event_seq INTEGER,
     destination INTEGER, verdict INTEGER, reason INTEGER, region INTEGER, region_basis INTEGER, country TEXT,
     policy INTEGER, signals INTEGER, purposes_required INTEGER, purposes_granted INTEGER, facts INTEGER, withdrawn_ms INTEGER,
     evidence INTEGER, evidence_commit BLOB, subject_commit BLOB, event_key BLOB, order_key BLOB,
     decision_seq INTEGER, outcome INTEGER, attempt INTEGER, http_status INTEGER, code TEXT, trace_id TEXT, started_seq INTEGER,
     capi_status INTEGER, detail TEXT, leaf BLOB NOT NULL) STRICT`,
  `CREATE TABLE log_batch (
     batch INTEGER PRIMARY KEY, first_seq INTEGER NOT NULL, last_seq INTEGER NOT NULL,
     root BLOB NOT NULL, previous BLOB NOT NULL, hash BLOB NOT NULL) STRICT`,
  `CREATE TABLE policy (ref TEXT PRIMARY KEY, content TEXT NOT NULL) STRICT, WITHOUT ROWID`,
];

// What may be deleted: the log holds salted commitments to it.
const DELETABLE = [
  `CREATE TABLE evidence (id INTEGER PRIMARY KEY, salt BLOB NOT NULL, commitment BLOB NOT NULL, body TEXT NOT NULL) STRICT`,
  `CREATE TABLE subject_link (event_seq INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, salt BLOB NOT NULL, refs BLOB NOT NULL) STRICT`,
  `CREATE TABLE epoch_key (id INTEGER PRIMARY KEY, from_ms INTEGER NOT NULL, wrapped BLOB NOT NULL) STRICT`,
  `CREATE TABLE consent_state (ref BLOB PRIMARY KEY, changed_ms INTEGER NOT NULL, sealed BLOB NOT NULL) STRICT, WITHOUT ROWID`,
];

const OUTBOX = [
  `CREATE TABLE outbox_event (
     event_seq INTEGER PRIMARY KEY, time_ms INTEGER NOT NULL, visitor BLOB, others INTEGER NOT NULL, seal_id BLOB NOT NULL,
     sealed BLOB NOT NULL) STRICT`,
  // Visitors that an event names beside the one whose lane it is in: few, and found by name when one withdraws.
  `CREATE TABLE outbox_visitor (
     ref BLOB NOT NULL, event_seq INTEGER NOT NULL, PRIMARY KEY (ref, event_seq)) STRICT, WITHOUT ROWID`,
  `CREATE INDEX outbox_visitor_event ON outbox_visitor (event_seq)`,
  // id = event_seq * 8 + the destination's place, so that a lane's order is the order of ids and an event's jobs are neighbours.
  `CREATE TABLE job (
     id INTEGER PRIMARY KEY, destination INTEGER NOT NULL, site INTEGER NOT NULL, lane BLOB NOT NULL, state INTEGER NOT NULL,
     head INTEGER NOT NULL, due_ms INTEGER NOT NULL, attempt INTEGER NOT NULL, flags INTEGER NOT NULL, decision_seq INTEGER NOT NULL,
     capi_status INTEGER, released_seq INTEGER, code TEXT) STRICT`,
  // The lane first: the jobs of one event stand on one page, where two random places would be touched.
  `CREATE INDEX job_lane ON job (lane, destination, id) WHERE state <> 4`,
  `CREATE INDEX job_head ON job (destination, due_ms, id) WHERE head = 1 AND state < 3`,
  `CREATE INDEX job_parked ON job (destination, site, id) WHERE state = 3`,
  `CREATE INDEX job_dead ON job (id) WHERE state = 4`,
  // Counted as it changes: counting a million jobs at a start takes longer than the start may.
  `CREATE TABLE job_count (key TEXT PRIMARY KEY, jobs INTEGER NOT NULL) STRICT, WITHOUT ROWID`,
];

const APPEND_ONLY = ['log_entry', 'log_batch', 'dictionary', 'policy', 'chain'].flatMap((table) =>
  ['UPDATE', 'DELETE'].map(
    (verb) =>
      `CREATE TRIGGER ${table}_no_${verb.toLowerCase()} BEFORE ${verb} ON ${table}
       BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END`,
  ),
);

/** @throws whatever the database says; the migrator rolls back. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of [...LOG, ...DELETABLE, ...OUTBOX, ...APPEND_ONLY]) await sql.raw(statement).execute(db);
}
