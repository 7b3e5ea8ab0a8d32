// Appends entries to the log: dictionary numbers for rows, texts for leaves, a Merkle root for each commit.

import type Database from 'better-sqlite3';
import {
  batchHash,
  EMPTY_ENTRY,
  ENTRY_FIELDS,
  ENTRY_KINDS,
  type EntryField,
  type EntryKind,
  FIRST_PREVIOUS,
  type LogEntry,
  leafHash,
  merkleRoot,
} from '../../core/ledger.ts';
import { DICTIONARY_FIELDS } from '../log-tables.ts';

type DictionaryField = (typeof DICTIONARY_FIELDS)[number];

// One chain a file: it stands in no row.
type Column = Exclude<EntryField, 'chain' | 'decision_chain'>;
const COLUMNS = ENTRY_FIELDS.filter((field): field is Column => field !== 'chain' && field !== 'decision_chain');

export type NewEntry = Partial<Omit<LogEntry, 'chain' | 'seq' | 'kind' | 'at_ms' | 'decision_chain'>>;

/** A number for each text of a kind, made when first needed. */
export interface Dictionary {
  number(kind: string, text: string): number;
  text(id: number): string;
}

export interface Entries extends Dictionary {
  readonly chain: string;
  /** Appends within the open transaction; returns its seq. */
  append(kind: EntryKind, atMs: number, entry: NewEntry): number;
  nextSeq(): number;
  /** Writes the batch of all that was appended since the last one; called last in a transaction. */
  sealBatch(): void;
  committed(): void;
  rolledBack(): void;
  /** The newest committed entry. */
  newestSeq(): number;
}

/** Opens the log of a database for appending. `newChainId` names the chain of a new log. */
export function openEntries(db: Database.Database, newChainId: () => string): Entries {
  const chain = openChain(db, newChainId);
  const dictionary = openDictionary(db);
  const insert = db.prepare(
    `INSERT INTO log_entry (${COLUMNS.join(', ')}, leaf) VALUES (${COLUMNS.map(() => '?').join(', ')}, ?)`,
  );
  const insertBatch = db.prepare(
    'INSERT INTO log_batch (batch, first_seq, last_seq, root, previous, hash) VALUES (?, ?, ?, ?, ?, ?)',
  );
  const newest = readNewest(db);
  let { seq, batch, hash } = newest;
  let saved = { seq, batch, hash };
  let leaves: Uint8Array[] = [];

  return {
    chain,
    number: dictionary.number,
    text: dictionary.text,
    nextSeq: () => seq + 1,
    newestSeq: () => saved.seq,
    append(kind, atMs, given) {
      const decisionChain = given.decision_seq == null ? null : chain;
      const place = { chain, seq: seq + 1, kind: ENTRY_KINDS[kind], at_ms: atMs, decision_chain: decisionChain };
      const entry: LogEntry = { ...EMPTY_ENTRY, ...given, ...place };
      const leaf = leafHash(entry);
      insert.run(...COLUMNS.map((column) => toColumn(dictionary, column, entry[column])), leaf);
      leaves.push(leaf);
      seq += 1;
      return seq;
    },
    sealBatch() {
      if (leaves.length === 0) return;
      const root = merkleRoot(leaves);
      const link = { previous: hash, root, firstSeq: seq - leaves.length + 1, lastSeq: seq, chain };
      const next = batchHash(link);
      insertBatch.run(batch + 1, link.firstSeq, link.lastSeq, root, hash, next);
      batch += 1;
      hash = next;
      leaves = [];
    },
    committed() {
      saved = { seq, batch, hash };
      dictionary.committed();
    },
    rolledBack() {
      ({ seq, batch, hash } = saved);
      leaves = [];
      dictionary.rolledBack();
    },
  };
}

function toColumn(dictionary: Dictionary, column: Column, value: string | number | Uint8Array | null) {
  return typeof value === 'string' && isDictionaryField(column) ? dictionary.number(column, value) : value;
}

const CODED: ReadonlySet<string> = new Set(DICTIONARY_FIELDS);

function isDictionaryField(column: string): column is DictionaryField {
  return CODED.has(column);
}

function openChain(db: Database.Database, newChainId: () => string): string {
  const found = db.prepare('SELECT id FROM chain').pluck().get();
  if (typeof found === 'string') return found;
  const id = newChainId();
  db.prepare('INSERT INTO chain (id) VALUES (?)').run(id);
  return id;
}

function readNewest(db: Database.Database): { seq: number; batch: number; hash: Uint8Array } {
  const row = db.prepare('SELECT batch, last_seq, hash FROM log_batch ORDER BY batch DESC LIMIT 1').raw().get();
  if (!Array.isArray(row)) return { seq: 0, batch: 0, hash: FIRST_PREVIOUS };
  const [batch, seq, hash] = row;
  return { batch: Number(batch), seq: Number(seq), hash };
}

function openDictionary(db: Database.Database): Dictionary & { committed(): void; rolledBack(): void } {
  const numbers = new Map<string, number>();
  const texts = new Map<number, string>();
  let fresh: { key: string; id: number }[] = [];
  const insert = db.prepare('INSERT INTO dictionary (id, kind, text) VALUES (?, ?, ?)');
  const learn = (id: number, kind: string, text: string) => {
    numbers.set(`${kind} ${text}`, id);
    texts.set(id, text);
  };
  for (const row of db.prepare('SELECT id, kind, text FROM dictionary').raw().all()) {
    if (Array.isArray(row)) learn(Number(row[0]), String(row[1]), String(row[2]));
  }
  return {
    number(kind, text) {
      const key = `${kind} ${text}`;
      const known = numbers.get(key);
      if (known !== undefined) return known;
      const id = texts.size + 1;
      insert.run(id, kind, text);
      learn(id, kind, text);
      fresh.push({ key, id });
      return id;
    },
    text(id) {
      const text = texts.get(id);
      if (text === undefined) throw new Error(`the dictionary has no number ${id}`);
      return text;
    },
    committed() {
      fresh = [];
    },
    rolledBack() {
      for (const { key, id } of fresh) {
        numbers.delete(key);
        texts.delete(id);
      }
      fresh = [];
    },
  };
}
