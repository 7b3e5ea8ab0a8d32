// Brings the look-ups up to the log at a start: what the second file does not hold yet is read from the entries again.

import type Database from 'better-sqlite3';
import { isReasonCode } from '../../core/reasons.ts';
import { DUPLICATE_LOGGED, takesId } from './accept.ts';
import type { Dictionary } from './entries.ts';
import type { Lookups } from './lookups.ts';

interface KeyRow {
  readonly seq: number;
  readonly event_seq: number;
  readonly at_ms: number;
  readonly destination: number;
  readonly verdict: number;
  readonly reason: number;
  readonly event_key: Buffer;
  readonly order_key: Buffer | null;
}

export interface RebuildOptions {
  readonly db: Database.Database;
  readonly lookups: Lookups;
  readonly dictionary: Dictionary;
  readonly sinceMs: number;
  /** A destination's bit. */
  readonly placeOf: (destination: string) => number | null;
}

/** @returns how many entries were read */
export function rebuildLookups({ db, lookups, dictionary, sinceMs, placeOf }: RebuildOptions): number {
  const rows = db
    .prepare(
      `SELECT seq, event_seq, at_ms, destination, verdict, reason, event_key, order_key FROM log_entry
       WHERE seq > ? AND kind = 1 AND at_ms >= ? ORDER BY seq`,
    )
    .iterate(lookups.watermark(), sinceMs) as IterableIterator<KeyRow>;
  let read = 0;
  for (const row of rows) {
    read += 1;
    const bits = bitsOf(row, dictionary, placeOf);
    if (bits === 0) continue;
    for (const bytes of [row.event_key, row.order_key]) {
      if (bytes === null) continue;
      const key = bytes.toString('latin1');
      lookups.note({ key, mask: lookups.mask(key, row.at_ms) | bits, atMs: row.at_ms, seq: row.event_seq });
    }
    lookups.committed();
    if (lookups.isFull()) while (lookups.fill());
  }
  return read;
}

function bitsOf(row: KeyRow, dictionary: Dictionary, placeOf: (destination: string) => number | null): number {
  const reason = dictionary.text(row.reason);
  if (reason === 'event.duplicate') return DUPLICATE_LOGGED;
  const place = placeOf(dictionary.text(row.destination));
  if (place === null || !isReasonCode(reason)) return 0;
  return takesId(dictionary.text(row.verdict), reason) ? 1 << place : 0;
}
