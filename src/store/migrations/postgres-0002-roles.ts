// Who may do what: the application appends to the log and never changes it; months are dropped by maintenance alone.

import { type Kysely, sql } from 'kysely';

const APPENDED = ['chain', 'dictionary', 'log_entry', 'log_batch', 'policy'];
const ERASABLE = ['evidence', 'subject_link', 'epoch_key'];
const CHANGING = [
  'writer',
  'consent_state',
  'outbox_event',
  'outbox_visitor',
  'job',
  'seen',
  'partition_lease',
  'node',
];

// Roles belong to the whole server. Where we may not make them an administrator does (docs/scale.md); the grants then follow
// at the next start, because they are given wherever the roles exist.
const make = (role: string) => `DO $$ BEGIN
    IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = '${role}') THEN CREATE ROLE ${role} NOLOGIN; END IF;
    EXECUTE format('GRANT ${role} TO %I', current_user);
  EXCEPTION WHEN insufficient_privilege OR duplicate_object OR unique_violation OR invalid_grant_operation THEN NULL;
  END $$`;

const given = (role: string, statements: readonly string[]) => `DO $$ BEGIN
    IF EXISTS (SELECT 1 FROM pg_roles WHERE rolname = '${role}') THEN
      ${statements.map((statement) => `${statement};`).join('\n      ')}
    END IF;
  END $$`;

const to = (role: string, rights: string, tables: readonly string[]) =>
  `GRANT ${rights} ON ${tables.join(', ')} TO ${role}`;

/** @throws whatever the database says; the migrator rolls back. */
export async function up(db: Kysely<unknown>): Promise<void> {
  const statements = [
    make('sluice_app'),
    make('sluice_maintenance'),
    given('sluice_app', [
      to('sluice_app', 'SELECT, INSERT', APPENDED),
      to('sluice_app', 'SELECT, INSERT, DELETE', ERASABLE),
      to('sluice_app', 'SELECT, INSERT, UPDATE, DELETE', CHANGING),
      to('sluice_app', 'SELECT', ['kysely_migration']),
      "EXECUTE format('GRANT USAGE ON SCHEMA %I TO sluice_app', current_schema())",
    ]),
    given('sluice_maintenance', [
      to('sluice_maintenance', 'SELECT', [...APPENDED, ...ERASABLE, ...CHANGING]),
      to('sluice_maintenance', 'DELETE', ['evidence', 'subject_link', 'seen', 'node']),
      "EXECUTE format('GRANT USAGE ON SCHEMA %I TO sluice_maintenance', current_schema())",
    ]),
  ];
  for (const statement of statements) await sql.raw(statement).execute(db);
}
