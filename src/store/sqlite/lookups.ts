// Who was seen before: event and order ids of the last seven days, exact. Random keys never touch the file that accepts
// (they cost it 40 % at five million rows): a bounded tail in memory, and behind it a second file that can be rebuilt.

import { chmodSync, rmSync } from 'node:fs';
import Database from 'better-sqlite3';

const DAY_MS = 86_400_000;
/** How long an id is remembered, in days (contract section 3). */
const WINDOW_DAYS = 7;
/** Keys in memory beyond which filling no longer waits for quiet. */
const TAIL_LIMIT = 200_000;
/** Keys written in one slice: a few milliseconds. */
const SLICE = 500;

/** An id's destinations as bits, and whether its duplicate was logged. */
export interface Seen {
  readonly key: string;
  readonly mask: number;
  readonly atMs: number;
  /** The entry that carries the key. */
  readonly seq: number;
}

export interface Lookups {
  /** The bits of an id; 0 = never seen in the window. */
  mask(key: string, nowMs: number): number;
  /** Notes bits within the open transaction. */
  note(seen: Seen): void;
  /** What was noted counts from now on. */
  committed(): void;
  rolledBack(): void;
  /** Moves a slice of the tail into the file. False when there is nothing left to move. */
  fill(): boolean;
  /** True when the tail is so long that intake must wait for filling. */
  isFull(): boolean;
  /** The newest entry whose keys are all in the file. */
  watermark(): number;
  close(): void;
}

/** Opens the second file beside the database; a damaged or foreign one is made anew (it is rebuilt from the log). */
export function openLookups(file: string, logId: string): Lookups {
  const db = openFile(file, logId);
  let days = openDays(db);
  const setWatermark = db.prepare('UPDATE watermark SET seq = ?');
  const tail = new Map<string, Seen>();
  const queue: Seen[] = [];
  let noted: Seen[] = [];
  let pending = new Map<string, number>();
  let watermark = Number(db.prepare('SELECT seq FROM watermark').pluck().get());

  const writeAll = db.transaction((slice: readonly Seen[], through: number) => {
    days.write(slice);
    setWatermark.run(through);
  });
  // A full disk is no reason to stop: the keys stay in memory and in the log until there is room.
  const writeSlice = (slice: readonly Seen[], through: number): boolean => {
    try {
      writeAll(slice, through);
      return true;
    } catch (error) {
      if (!(error instanceof Database.SqliteError)) throw error;
      days = openDays(db);
      return false;
    }
  };

  return {
    mask(key, nowMs) {
      const inMemory = pending.get(key) ?? tail.get(key)?.mask;
      return inMemory ?? days.mask(key, nowMs);
    },
    note(seen) {
      noted.push(seen);
      pending.set(seen.key, seen.mask);
    },
    committed() {
      for (const seen of noted) {
        tail.set(seen.key, seen);
        queue.push(seen);
      }
      noted = [];
      pending = new Map();
    },
    rolledBack() {
      noted = [];
      pending = new Map();
    },
    fill() {
      const slice = queue.slice(0, SLICE);
      const last = slice.at(-1);
      if (last === undefined) return false;
      // The watermark stays behind the first entry that has a key left in memory.
      const next = queue[SLICE];
      const through = next === undefined ? last.seq : Math.min(last.seq, next.seq - 1);
      if (!writeSlice(slice, through)) return false;
      queue.splice(0, SLICE);
      watermark = through;
      for (const seen of slice) if (tail.get(seen.key) === seen) tail.delete(seen.key);
      return queue.length > 0;
    },
    isFull: () => queue.length > TAIL_LIMIT,
    watermark: () => watermark,
    close: () => db.close(),
  };
}

function openFile(file: string, logId: string): Database.Database {
  try {
    return prepareFile(file, logId);
  } catch (error) {
    if (!(error instanceof Database.SqliteError) || !/^SQLITE_(NOTADB|CORRUPT)/.test(error.code)) throw error;
    for (const suffix of ['', '-wal', '-shm']) rmSync(file + suffix, { force: true });
    return prepareFile(file, logId);
  }
}

function prepareFile(file: string, logId: string): Database.Database {
  const db = new Database(file);
  chmodSync(file, 0o600);
  db.pragma('journal_mode = WAL');
  db.pragma('synchronous = NORMAL');
  db.pragma('cache_size = -16384');
  // Random reads over a file larger than the cache: mapped they cost no call each.
  db.pragma('mmap_size = 268435456');
  db.exec('CREATE TABLE IF NOT EXISTS watermark (log TEXT NOT NULL, seq INTEGER NOT NULL) STRICT');
  const log = db.prepare('SELECT log FROM watermark').pluck().get();
  if (log !== undefined && log !== logId) forgetOtherLog(db);
  if (log !== logId) db.prepare('INSERT INTO watermark (log, seq) VALUES (?, 0)').run(logId);
  return db;
}

// The file belonged to another log, before a restore for instance.
function forgetOtherLog(db: Database.Database): void {
  for (const name of dayTables(db)) db.exec(`DROP TABLE ${name}`);
  db.exec('DELETE FROM watermark');
}

function dayTables(db: Database.Database): readonly string[] {
  return db
    .prepare("SELECT name FROM sqlite_schema WHERE name LIKE 'day_%' ORDER BY name DESC")
    .pluck()
    .all()
    .map(String);
}

interface Days {
  mask(key: string, nowMs: number): number;
  write(seen: readonly Seen[]): void;
}

interface Day {
  readonly number: number;
  readonly select: Database.Statement;
  readonly upsert: Database.Statement;
}

function openDays(db: Database.Database): Days {
  const open = (number: number): Day => {
    db.exec(
      `CREATE TABLE IF NOT EXISTS day_${number} (key BLOB PRIMARY KEY, mask INTEGER NOT NULL) STRICT, WITHOUT ROWID`,
    );
    return {
      number,
      select: db.prepare(`SELECT mask FROM day_${number} WHERE key = ?`).pluck(),
      upsert: db.prepare(
        `INSERT INTO day_${number} (key, mask) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET mask = mask | excluded.mask`,
      ),
    };
  };
  let days = dayTables(db).map((name) => open(Number(name.slice('day_'.length))));
  return {
    mask(key, nowMs) {
      const oldest = Math.floor((nowMs - WINDOW_DAYS * DAY_MS) / DAY_MS);
      const bytes = Buffer.from(key, 'latin1');
      let mask = 0;
      for (const day of days) if (day.number >= oldest) mask |= Number(day.select.get(bytes) ?? 0);
      return mask;
    },
    write(seen) {
      // In the order of the keys the b-tree is walked once, not at random.
      const sorted = [...seen].sort((a, b) => (a.key < b.key ? -1 : 1));
      for (const { key, mask, atMs } of sorted) {
        const number = Math.floor(atMs / DAY_MS);
        let day = days.find((one) => one.number === number);
        if (day === undefined) {
          day = open(number);
          days = dropOld(db, [day, ...days], number);
        }
        day.upsert.run(Buffer.from(key, 'latin1'), mask);
      }
    },
  };
}

function dropOld(db: Database.Database, days: readonly Day[], today: number): Day[] {
  const kept = days.filter((day) => day.number >= today - WINDOW_DAYS - 1);
  for (const day of days) if (!kept.includes(day)) db.exec(`DROP TABLE day_${day.number}`);
  return kept;
}
