// The sealed payloads of queued events and the visitors that they name, gone with their last job.

import type Database from 'better-sqlite3';

export interface OutboxEvent {
  readonly eventSeq: number;
  readonly timeMs: number;
  /** `state_ref`s, latin1. */
  readonly visitorRefs: readonly string[];
  /** The one of them whose lane it is. */
  readonly laneVisitor: string | null;
  readonly sealId: string;
  readonly sealed: string;
}

export interface OutboxEvents {
  /** Whether an event is in the lane of this very visitor: lanes are shorter hashes and may meet. */
  isOfLaneVisitor(eventSeq: number, visitor: Buffer): boolean;
  /** Events that name a visitor beside the one whose lane they are in. */
  alsoNaming(visitor: Buffer): readonly number[];
  /** Visitors named beside the lane's, latin1. */
  others(eventSeq: number): readonly string[];
  insert(event: OutboxEvent): void;
  remove(eventSeq: number): void;
}

/** Opens the payloads of a database. */
export function openOutboxEvents(db: Database.Database): OutboxEvents {
  const insert = db.prepare(
    'INSERT INTO outbox_event (event_seq, time_ms, visitor, others, seal_id, sealed) VALUES (?, ?, ?, ?, ?, ?)',
  );
  const insertOther = db.prepare('INSERT OR IGNORE INTO outbox_visitor (ref, event_seq) VALUES (?, ?)');
  const ofLane = db.prepare('SELECT 1 FROM outbox_event WHERE event_seq = ? AND visitor = ?');
  const also = db.prepare('SELECT event_seq FROM outbox_visitor WHERE ref = ?').pluck();
  const others = db.prepare('SELECT ref FROM outbox_visitor WHERE event_seq = ?').pluck();
  const remove = db.prepare('DELETE FROM outbox_event WHERE event_seq = ? RETURNING others').pluck();
  const removeOthers = db.prepare('DELETE FROM outbox_visitor WHERE event_seq = ?');
  return {
    isOfLaneVisitor: (eventSeq, visitor) => ofLane.get(eventSeq, visitor) !== undefined,
    alsoNaming: (visitor) => also.all(visitor).map(Number),
    others: (eventSeq) => others.all(eventSeq).map((ref) => (Buffer.isBuffer(ref) ? ref.toString('latin1') : '')),
    insert({ eventSeq, timeMs, visitorRefs, laneVisitor, sealId, sealed }) {
      const beside = visitorRefs.filter((ref) => ref !== laneVisitor);
      const visitor = laneVisitor === null ? null : Buffer.from(laneVisitor, 'latin1');
      insert.run(
        eventSeq,
        timeMs,
        visitor,
        beside.length,
        Buffer.from(sealId, 'latin1'),
        Buffer.from(sealed, 'latin1'),
      );
      for (const ref of beside) insertOther.run(Buffer.from(ref, 'latin1'), eventSeq);
    },
    remove(eventSeq) {
      if (Number(remove.get(eventSeq) ?? 0) > 0) removeOthers.run(eventSeq);
    },
  };
}
