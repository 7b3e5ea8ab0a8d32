// Opens the database that accepts: pragmas, migrations, and plain sentences for whatever is wrong with the file.

import { chmodSync, existsSync, mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import Database from 'better-sqlite3';
import { Kysely, SqliteDialect } from 'kysely';
import { Migrator } from 'kysely/migration';
import { CannotRun } from '../../core/errors.ts';
import { migrations } from '../migrations/migrations.ts';

/** Marks the file as ours: `SLUC`. */
export const APPLICATION_ID = 0x534c5543;

/** How long a statement waits for another process's lock, milliseconds. */
const BUSY_TIMEOUT_MS = 1000;

/**
 * Opens or creates the database of a configuration and brings it to the newest schema.
 * @throws CannotRun for a file that is newer, corrupt, empty, not ours, or on a full disk
 */
export async function openDatabase(file: string): Promise<Database.Database> {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  if (existsSync(file) && statSync(file).size === 0) {
    throw new CannotRun(`${file} is empty: restore it from a backup, or remove it if it was never used`);
  }
  let db: Database.Database | null = null;
  try {
    db = new Database(file, { timeout: BUSY_TIMEOUT_MS });
    refuseForeign(db, file);
    // Before the journal exists: it takes the mode of the database.
    chmodSync(file, 0o600);
    setPragmas(db);
    await migrate(db, file);
    db.pragma(`application_id = ${APPLICATION_ID}`);
    return db;
  } catch (error) {
    db?.close();
    throw explain(error, file);
  }
}

function refuseForeign(db: Database.Database, file: string): void {
  const id = db.pragma('application_id', { simple: true });
  const tables = db.prepare('SELECT count(*) FROM sqlite_schema').pluck().get();
  if (id !== APPLICATION_ID && tables !== 0) {
    throw new CannotRun(`${file} is a database of something else than Sluice: name another file in store.url`);
  }
}

function setPragmas(db: Database.Database): void {
  db.pragma('journal_mode = WAL');
  // A 202 means fsynced (P1). fullfsync is the same promise on macOS and nothing elsewhere.
  db.pragma('synchronous = FULL');
  db.pragma('fullfsync = ON');
  db.pragma('wal_autocheckpoint = 4000');
  db.pragma('cache_size = -65536');
  db.pragma('temp_store = MEMORY');
}

async function migrate(db: Database.Database, file: string): Promise<void> {
  const known = new Set(Object.keys(migrations));
  const done = appliedMigrations(db);
  if (done.some((name) => !known.has(name))) {
    throw new CannotRun(`${file} was written by a newer Sluice: start that version, or restore an older backup`);
  }
  if (done.length === known.size) return;
  const kysely = new Kysely<unknown>({ dialect: new SqliteDialect({ database: db }) });
  const { error } = await new Migrator({
    db: kysely,
    provider: { getMigrations: async () => ({ ...migrations }) },
  }).migrateToLatest();
  if (error !== undefined) throw error;
}

function appliedMigrations(db: Database.Database): readonly string[] {
  const table = db.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'kysely_migration'").get();
  if (table === undefined) return [];
  return db.prepare('SELECT name FROM kysely_migration').pluck().all().map(String);
}

const SENTENCES: readonly (readonly [RegExp, string])[] = [
  [/^SQLITE_NOTADB/, 'is not a database, or its header is damaged: restore it from a backup with `sluice restore`'],
  [/^SQLITE_CORRUPT/, 'is damaged: restore it from a backup with `sluice restore`; nothing was changed'],
  [/^SQLITE_FULL/, 'cannot grow: the disk is full; make room and start again'],
  [/^SQLITE_(BUSY|LOCKED)/, 'is locked by another program: close that program and start again'],
  [/^SQLITE_(CANTOPEN|PERM|READONLY|AUTH)/, 'cannot be opened for writing: check the folder and its permissions'],
  [/^SQLITE_IOERR/, 'cannot be read or written: the disk reports an error'],
];

function explain(error: unknown, file: string): unknown {
  if (!(error instanceof Database.SqliteError)) return error;
  const found = SENTENCES.find(([pattern]) => pattern.test(error.code));
  return found ? new CannotRun(`the database ${file} ${found[1]}`, { cause: error }) : error;
}
