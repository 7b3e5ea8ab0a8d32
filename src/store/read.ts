// Opens the database to read it, beside a running server or without one, and changes nothing.

import { existsSync, statSync } from 'node:fs';
import Database from 'better-sqlite3';
import { Kysely, SqliteDialect } from 'kysely';
import { CannotRun } from '../core/errors.ts';
import type { LogTables } from './log-tables.ts';
import { migrations } from './migrations/migrations.ts';
import { APPLICATION_ID } from './sqlite/database.ts';

export interface ReadStore {
  readonly file: string;
  /** For queries whose text serves both databases. */
  readonly db: Kysely<LogTables>;
  /** For whole tables, row by row. */
  readonly sqlite: Database.Database;
  close(): void;
}

/** How long a statement waits while a server recovers the file, milliseconds. */
const BUSY_TIMEOUT_MS = 5000;

/**
 * Opens a database file read-only; never creates one.
 * @throws CannotRun when there is none, it is not ours, of another version, or damaged
 */
export function openForReading(file: string): ReadStore {
  if (!existsSync(file))
    throw new CannotRun(`there is no database at ${file}: start the server once with sluice serve`);
  if (!statSync(file).isFile()) throw new CannotRun(`${file} is not a file: name the database in store.url`);
  const wasAtRest = !existsSync(`${file}-wal`);
  let sqlite: Database.Database | null = null;
  try {
    sqlite = new Database(file, { readonly: true, fileMustExist: true, timeout: BUSY_TIMEOUT_MS });
    refuseForeign(sqlite, file);
    refuseOtherVersion(sqlite, file);
  } catch (error) {
    sqlite?.close();
    if (wasAtRest) tidy(file);
    throw explainReadError(error, file);
  }
  const opened = sqlite;
  return {
    file,
    sqlite: opened,
    db: new Kysely<LogTables>({ dialect: new SqliteDialect({ database: opened }) }),
    close() {
      opened.close();
      if (wasAtRest) tidy(file);
    },
  };
}

/**
 * Opens a database, uses it and closes it.
 * @throws CannotRun also for damage that is met only while reading
 */
export async function withLog<T>(file: string, use: (store: ReadStore) => Promise<T>): Promise<T> {
  const store = openForReading(file);
  try {
    return await use(store);
  } catch (error) {
    throw explainReadError(error, file);
  } finally {
    store.close();
  }
}

function refuseForeign(sqlite: Database.Database, file: string): void {
  if (sqlite.pragma('application_id', { simple: true }) === APPLICATION_ID) return;
  throw new CannotRun(`${file} is not a database of Sluice: name another file in store.url`);
}

function refuseOtherVersion(sqlite: Database.Database, file: string): void {
  const table = sqlite.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'kysely_migration'").get();
  const done = table === undefined ? [] : sqlite.prepare('SELECT name FROM kysely_migration').pluck().all().map(String);
  if (done.some((name) => !Object.hasOwn(migrations, name))) {
    throw new CannotRun(`${file} was written by a newer Sluice: use that version to read it`);
  }
  if (done.length < Object.keys(migrations).length) {
    throw new CannotRun(
      `${file} was written by an older Sluice: start this version's server once to bring it up to date`,
    );
  }
}

// A reader of a WAL database that nobody has open leaves its -wal and -shm behind, and a reader who is root would leave
// them where the server cannot write. SQLite itself removes them, under its own locks, when a writer is the last to leave.
function tidy(file: string): void {
  try {
    const writer = new Database(file, { fileMustExist: true, timeout: 0 });
    writer.pragma('user_version');
    writer.close();
  } catch {
    // Somebody else has it, or it cannot be written: they stay.
  }
}

const SENTENCES: readonly (readonly [RegExp, string])[] = [
  [/^SQLITE_NOTADB/, 'is not a database, or its header is damaged: restore it from a backup'],
  [/^SQLITE_CORRUPT/, 'is damaged and cannot be read to its end: restore it from a backup'],
  [/^SQLITE_(BUSY|LOCKED)/, 'is locked by another program: try again when that has ended'],
  [/^SQLITE_(CANTOPEN|PERM|READONLY|AUTH)/, 'cannot be opened: check that you may read it and write to its folder'],
  [/^SQLITE_IOERR/, 'cannot be read: the disk reports an error'],
];

function explainReadError(error: unknown, file: string): unknown {
  if (!(error instanceof Database.SqliteError)) return error;
  const found = SENTENCES.find(([pattern]) => pattern.test(error.code));
  return new CannotRun(`the database ${file} ${found?.[1] ?? `cannot be read: ${error.message}`}`, { cause: error });
}
