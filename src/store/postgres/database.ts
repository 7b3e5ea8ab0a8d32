// Brings a database to the newest schema and refuses what Sluice cannot rely on, in plain sentences.

import { Kysely, PostgresDialect } from 'kysely';
import { Migrator } from 'kysely/migration';
import pg from 'pg';
import { CannotRun } from '../../core/errors.ts';
import { postgresMigrations } from '../migrations/postgres.ts';
import { type ConnectOptions, clientConfig } from './connection.ts';
import { sqlState, Unanswered } from './failure.ts';

const MIGRATION_TIMEOUT_MS = 600_000;
const OLDEST_SERVER = 140_000;

/**
 * Migrates under the migrator's advisory lock: nodes that start at one moment wait for each other.
 * @throws CannotRun for a database that cannot be used
 */
export async function prepareDatabase(options: ConnectOptions): Promise<void> {
  const pool = new pg.Pool({
    ...clientConfig({ ...options, statementTimeoutMs: MIGRATION_TIMEOUT_MS, lockTimeoutMs: MIGRATION_TIMEOUT_MS }),
    max: 1,
  });
  pool.on('error', () => undefined);
  try {
    await refuseUnsafe(pool);
    await migrate(pool);
  } catch (error) {
    throw explain(error);
  } finally {
    await pool.end();
  }
}

async function refuseUnsafe(pool: pg.Pool): Promise<void> {
  const setting = async (name: string): Promise<string> => {
    const { rows } = await pool.query<{ value: string }>('SELECT current_setting($1) AS value', [name]);
    return rows[0]?.value ?? '';
  };
  if (Number(await setting('server_version_num')) < OLDEST_SERVER) {
    throw new CannotRun('the PostgreSQL server is older than version 14: upgrade it');
  }
  const commit = await setting('synchronous_commit');
  // P1: a 202 means on disk. `local`, `remote_write` and `remote_apply` wait for our own disk too.
  if (commit === 'off') {
    throw new CannotRun(
      'synchronous_commit is off for this database or user: a 202 would not mean on disk; set it to on',
    );
  }
  if ((await setting('fsync')) === 'off') {
    throw new CannotRun('fsync is off on this PostgreSQL server: a 202 would not mean on disk; set it to on');
  }
  if ((await setting('transaction_read_only')) === 'on') {
    throw new CannotRun('the PostgreSQL server is read-only (a standby?): name the primary in store.url');
  }
}

async function migrate(pool: pg.Pool): Promise<void> {
  const known = new Set(Object.keys(postgresMigrations));
  const done = await appliedMigrations(pool);
  if (done.some((name) => !known.has(name))) {
    throw new CannotRun('the database was written by a newer Sluice: start that version, or restore an older backup');
  }
  if (done.length === known.size) return;
  const kysely = new Kysely<unknown>({ dialect: new PostgresDialect({ pool: borrowed(pool) }) });
  const provider = { getMigrations: async () => ({ ...postgresMigrations }) };
  const { error } = await new Migrator({ db: kysely, provider }).migrateToLatest();
  if (error !== undefined) throw error;
}

// Kysely ends the pool that it is given when it is destroyed; this one is ended by who made it.
function borrowed(pool: pg.Pool) {
  return { connect: () => pool.connect(), end: async () => undefined, options: pool.options };
}

async function appliedMigrations(pool: pg.Pool): Promise<readonly string[]> {
  const { rows } = await pool.query<{ own: string | null; any: boolean }>(
    `SELECT to_regclass('kysely_migration')::text AS own,
       EXISTS (SELECT 1 FROM pg_tables WHERE schemaname = current_schema()) AS any`,
  );
  const [found] = rows;
  if (found?.own == null) {
    if (found?.any === true) {
      throw new CannotRun('the database holds tables of something else than Sluice: name an empty one in store.url');
    }
    return [];
  }
  const applied = await pool.query<{ name: string }>('SELECT name FROM kysely_migration');
  return applied.rows.map(({ name }) => name);
}

const SENTENCES: Readonly<Record<string, string>> = {
  '28P01': 'the PostgreSQL server refuses the password: check store.url',
  '28000': "the PostgreSQL server refuses this user: check store.url and the server's pg_hba.conf",
  '3D000': 'the PostgreSQL server has no such database: create it, empty, and start again',
  '42501': 'the PostgreSQL user may not create tables: run `sluice migrate` as the owner of the database',
  '53300': 'the PostgreSQL server has no connection left: raise max_connections, or lower store.connections',
  '57P03': 'the PostgreSQL server is starting up: try again in a moment',
};

/** A sentence for what an operator can mend; everything else as it is. */
export function explain(given: unknown): unknown {
  const error = given instanceof Unanswered ? given.cause : given;
  if (error instanceof CannotRun) return error;
  const state = sqlState(error);
  if (state !== null) {
    const sentence = SENTENCES[state];
    return sentence === undefined ? error : new CannotRun(sentence, { cause: error });
  }
  const code = error instanceof Error && 'code' in error ? error.code : '';
  if (typeof code !== 'string' || !/^E[A-Z]+$/.test(code)) return error;
  return new CannotRun(`the PostgreSQL server cannot be reached (${code}): check store.url and the network`, {
    cause: error,
  });
}
