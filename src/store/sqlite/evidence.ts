// Evidence rows: each distinct bundle once, found again through a bounded memory.

import type Database from 'better-sqlite3';
import { LRUCache } from 'lru-cache';
import type { EvidenceBundle } from '../../core/consent.ts';
import { commitment } from '../../core/ledger.ts';

export interface StoredEvidence {
  readonly id: number;
  readonly commitment: Uint8Array;
  readonly bundle: EvidenceBundle;
}

export interface EvidenceStore {
  /** The row of a bundle's canonical JSON; written when it is new. Null for a bundle that holds nothing. */
  store(body: string): StoredEvidence | null;
  /** Reads a bundle without storing it. */
  parse(body: string): EvidenceBundle;
  /** The bundle of a row; an empty one where the row was erased. */
  read(id: number | null): EvidenceBundle;
  rolledBack(): void;
}

const REMEMBERED = 5000;
const SALT_BYTES = 16;
const NOTHING: EvidenceBundle = [];

/** Opens the evidence of a database. `randomBytes` makes salts, latin1. */
export function openEvidence(db: Database.Database, randomBytes: (count: number) => string): EvidenceStore {
  const byBody = new LRUCache<string, StoredEvidence>({ max: REMEMBERED });
  const byId = new LRUCache<number, EvidenceBundle>({ max: REMEMBERED });
  const parsed = new LRUCache<string, EvidenceBundle>({ max: REMEMBERED });
  const insert = db.prepare('INSERT INTO evidence (id, salt, commitment, body) VALUES (?, ?, ?, ?)');
  const select = db.prepare('SELECT body FROM evidence WHERE id = ?').pluck();
  const highest = db.prepare('SELECT max(id) FROM evidence').pluck();
  let nextId = Number(highest.get() ?? 0) + 1;

  const parse = (body: string): EvidenceBundle => {
    const known = parsed.get(body);
    if (known !== undefined) return known;
    const bundle: EvidenceBundle = JSON.parse(body);
    parsed.set(body, bundle);
    return bundle;
  };

  return {
    parse,
    store(body) {
      const known = byBody.get(body);
      if (known !== undefined) return known;
      const bundle = parse(body);
      if (bundle.length === 0) return null;
      const salt = Buffer.from(randomBytes(SALT_BYTES), 'latin1');
      const commit = commitment(salt, Buffer.from(body, 'utf8'));
      const stored = { id: nextId, commitment: commit, bundle };
      insert.run(nextId, salt, commit, body);
      nextId += 1;
      byBody.set(body, stored);
      byId.set(stored.id, bundle);
      return stored;
    },
    read(id) {
      if (id === null) return NOTHING;
      const known = byId.get(id);
      if (known !== undefined) return known;
      const body = select.get(id);
      const bundle = typeof body === 'string' ? parse(body) : NOTHING;
      byId.set(id, bundle);
      return bundle;
    },
    rolledBack() {
      // What the lost transaction wrote must be written again: rare, so all is forgotten.
      byBody.clear();
      byId.clear();
      nextId = Number(highest.get() ?? 0) + 1;
    },
  };
}
