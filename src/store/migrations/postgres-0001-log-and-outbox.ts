// The first schema on PostgreSQL: the log of many writers, the outbox in partitions, consent state. The words are those of
// the SQLite schema; what is more is there because several nodes write at once.

import { type Kysely, sql } from 'kysely';

// One chain a writer. `chain` names it for ever; `writer` is where it stands and who holds it: each batch moves it by
// comparing, so that a chain cannot fork and has no gaps.
const LOG = [
  'CREATE TABLE chain (n integer PRIMARY KEY, id text NOT NULL UNIQUE)',
  `CREATE TABLE writer (
     chain integer PRIMARY KEY, token bigint NOT NULL, holder text NOT NULL, until timestamptz NOT NULL,
     batch bigint NOT NULL, seq bigint NOT NULL, hash bytea NOT NULL, evidence bigint NOT NULL) WITH (fillfactor = 10)`,
  `CREATE TABLE dictionary (
     id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, kind text NOT NULL, text text NOT NULL, UNIQUE (kind, text))`,
  // By month of acceptance, so that a month is dropped and never deleted. at_ms is part of the key because PostgreSQL wants
  // the partition's column there; that (chain, seq) is unique follows from the writer's comparing.
  `CREATE TABLE log_entry (
     chain integer NOT NULL, seq bigint NOT NULL, kind smallint NOT NULL, at_ms bigint NOT NULL,
     site integer, source integer, trust integer, event_id text, event_name text, event_seq bigint,
     destination integer, verdict integer, reason integer, region integer, region_basis integer, country text,
     policy integer, signals integer, purposes_required integer, purposes_granted integer, facts integer, withdrawn_ms bigint,
     evidence bigint, evidence_commit bytea, subject_commit bytea, event_key bytea, order_key bytea,
     decision_chain integer, decision_seq bigint, outcome integer, attempt integer, http_status integer, code text,
     trace_id text, started_seq bigint, capi_status integer, detail text, leaf bytea NOT NULL,
     PRIMARY KEY (chain, seq, at_ms)) PARTITION BY RANGE (at_ms)`,
  'CREATE INDEX log_entry_time ON log_entry USING brin (at_ms)',
  'CREATE TABLE log_entry_other PARTITION OF log_entry DEFAULT',
  `CREATE TABLE log_batch (
     chain integer NOT NULL, batch bigint NOT NULL, first_seq bigint NOT NULL, last_seq bigint NOT NULL,
     root bytea NOT NULL, previous bytea NOT NULL, hash bytea NOT NULL, PRIMARY KEY (chain, batch))`,
  'CREATE TABLE policy (ref text PRIMARY KEY, content text NOT NULL)',
];

// What may be deleted: the log holds salted commitments to it.
const DELETABLE = [
  'CREATE TABLE evidence (id bigint PRIMARY KEY, salt bytea NOT NULL, commitment bytea NOT NULL, body text NOT NULL)',
  `CREATE TABLE subject_link (
     chain integer NOT NULL, event_seq bigint NOT NULL, epoch integer NOT NULL, salt bytea NOT NULL, refs bytea NOT NULL,
     PRIMARY KEY (chain, event_seq))`,
  'CREATE TABLE epoch_key (id integer PRIMARY KEY, from_ms bigint NOT NULL, wrapped bytea NOT NULL)',
  'CREATE TABLE consent_state (ref bytea PRIMARY KEY, changed_ms bigint NOT NULL, sealed bytea NOT NULL)',
];

const OUTBOX = [
  // event = chain * 2^40 + event_seq; what a claim needs of the decision stands here, so that it does not search the months.
  `CREATE TABLE outbox_event (
     event bigint PRIMARY KEY, at_ms bigint NOT NULL, time_ms bigint NOT NULL, event_id text NOT NULL, event_name text NOT NULL,
     country text, region_basis integer NOT NULL, evidence bigint, visitor bytea, others integer NOT NULL,
     seal_id bytea NOT NULL, sealed bytea NOT NULL)`,
  // Sealed bytes do not compress: do not try.
  'ALTER TABLE outbox_event ALTER COLUMN sealed SET STORAGE EXTERNAL',
  'CREATE TABLE outbox_visitor (ref bytea NOT NULL, event bigint NOT NULL, PRIMARY KEY (ref, event))',
  'CREATE INDEX outbox_visitor_event ON outbox_visitor (event)',
  // id = event * 8 + the destination's place; a lane's order is (ord, id), because numbers of several chains say nothing of
  // time. behind: known to stand behind another job of its lane, and so no candidate for a claim.
  `CREATE TABLE job (
     id bigint PRIMARY KEY, destination integer NOT NULL, site integer NOT NULL, lane bytea NOT NULL, part smallint NOT NULL,
     state smallint NOT NULL, behind boolean NOT NULL, ord bigint NOT NULL, due_ms bigint NOT NULL, attempt integer NOT NULL,
     flags integer NOT NULL, decision_seq bigint NOT NULL, capi_status integer, released_chain integer, released_seq bigint,
     code text, under_way bigint) WITH (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.02)`,
  'CREATE INDEX job_lane ON job (lane, destination, ord, id) WHERE state <> 4',
  'CREATE INDEX job_head ON job (destination, part, due_ms, id) WHERE NOT behind AND state < 3',
  'CREATE INDEX job_behind ON job (part) WHERE behind',
  'CREATE INDEX job_parked ON job (destination, site, id) WHERE state = 3',
  'CREATE INDEX job_dead ON job (id) WHERE state = 4',
  // Who was seen before. `batch` says which transaction claimed a key, so that it can tell its own from what stood there.
  `CREATE TABLE seen (key bytea PRIMARY KEY, mask integer NOT NULL, day integer NOT NULL, batch bigint NOT NULL)
     WITH (autovacuum_vacuum_scale_factor = 0.05)`,
  'CREATE INDEX seen_day ON seen USING brin (day)',
];

const NODES = [
  `CREATE TABLE partition_lease (
     part smallint PRIMARY KEY, holder text NOT NULL, token bigint NOT NULL, until timestamptz NOT NULL) WITH (fillfactor = 10)`,
  `INSERT INTO partition_lease SELECT part, '', 0, '-infinity' FROM generate_series(0, 63) AS part`,
  `CREATE TABLE node (
     id text PRIMARY KEY, role text NOT NULL, version text NOT NULL, policies text NOT NULL, until timestamptz NOT NULL)`,
];

const APPEND_ONLY = [
  `CREATE FUNCTION sluice_append_only() RETURNS trigger LANGUAGE plpgsql AS
     $$ BEGIN RAISE EXCEPTION 'the log is append-only' USING ERRCODE = 'insufficient_privilege'; END $$`,
  ...['chain', 'dictionary', 'log_entry', 'log_batch', 'policy'].flatMap((table) => [
    `CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON ${table} FOR EACH ROW EXECUTE FUNCTION sluice_append_only()`,
    `CREATE TRIGGER not_emptied BEFORE TRUNCATE ON ${table} FOR EACH STATEMENT EXECUTE FUNCTION sluice_append_only()`,
  ]),
];

// Runs with its owner's rights, so that the application may ask for months and own none.
const MONTHS = [
  `CREATE FUNCTION sluice_make_months(from_ms bigint, months integer) RETURNS integer
     LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
   DECLARE
     first timestamp := date_trunc('month', to_timestamp(from_ms / 1000.0) AT TIME ZONE 'UTC');
     begins timestamp;
     made integer := 0;
   BEGIN
     PERFORM pg_advisory_xact_lock(hashtext('sluice months'));
     FOR i IN 0 .. least(months, 60) - 1 LOOP
       begins := first + make_interval(months => i);
       IF to_regclass('log_entry_' || to_char(begins, 'YYYYMM')) IS NULL THEN
         EXECUTE format('CREATE TABLE %I PARTITION OF log_entry FOR VALUES FROM (%s) TO (%s)',
           'log_entry_' || to_char(begins, 'YYYYMM'),
           (extract(epoch FROM begins AT TIME ZONE 'UTC') * 1000)::bigint,
           (extract(epoch FROM (begins + interval '1 month') AT TIME ZONE 'UTC') * 1000)::bigint);
         made := made + 1;
       END IF;
     END LOOP;
     RETURN made;
   END $$`,
];

/** @throws whatever the database says; the migrator rolls back. */
export async function up(db: Kysely<unknown>): Promise<void> {
  const statements = [...LOG, ...DELETABLE, ...OUTBOX, ...NODES, ...APPEND_ONLY, ...MONTHS];
  for (const statement of statements) await sql.raw(statement).execute(db);
}
