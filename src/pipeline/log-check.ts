// What a check of the log is given, and what it reports.

import type { LogEntry } from '../core/ledger.ts';

/** Rows page by page, in ascending order. */
export type Pages<T> = Iterable<readonly T[]> | AsyncIterable<readonly T[]>;

/** An entry as it was found. */
export interface StoredEntry {
  readonly entry: LogEntry;
  readonly leaf: Uint8Array;
  /** Fields whose dictionary number names nothing of their kind. */
  readonly unread: readonly string[];
  /** What the evidence row says of itself; null where it was erased, or there never was one. */
  readonly evidenceCommitment: Uint8Array | null;
  /** The subject link of the entry's event; null where it was erased, or there never was one. */
  readonly link: { readonly salt: Uint8Array; readonly refs: Uint8Array } | null;
}

export interface StoredBatch {
  readonly batch: number;
  readonly firstSeq: number;
  readonly lastSeq: number;
  readonly root: Uint8Array;
  readonly previous: Uint8Array;
  readonly hash: Uint8Array;
}

export interface StoredEvidence {
  readonly id: number;
  readonly salt: Uint8Array;
  readonly commitment: Uint8Array;
  readonly body: string;
}

/** Everything that is checked. */
export interface StoredLog {
  /** Must be one: a chain for each writer, and the database has one writer. */
  readonly chains: readonly string[];
  readonly policies: readonly { readonly ref: string; readonly content: string }[];
  readonly batches: Pages<StoredBatch>;
  readonly entries: Pages<StoredEntry>;
  readonly evidence: Pages<StoredEvidence>;
  /** `event_seq` of links to entries that commit to no subject. */
  readonly strayLinks: Pages<number>;
}

export type FindingCode =
  | 'chain.not_one'
  | 'entry.changed'
  | 'entry.unreadable'
  | 'entry.missing'
  | 'entry.unsealed'
  | 'batch.missing'
  | 'batch.misplaced'
  | 'batch.changed'
  | 'batch.not_linked'
  | 'batch.wrong_root'
  | 'evidence.changed'
  | 'subject_link.changed'
  | 'subject_link.stray'
  | 'policy.changed'
  | 'policy.missing'
  | 'order.unreleased'
  | 'order.not_permitted'
  | 'order.behind_end'
  | 'order.impossible_start';

/** One thing that is wrong, and where. */
export interface Finding {
  readonly code: FindingCode;
  /** The entries concerned; null where it is no entry. */
  readonly firstSeq: number | null;
  readonly lastSeq: number | null;
  readonly batch: number | null;
  /** One sentence. */
  readonly what: string;
}

export interface Listener {
  finding(finding: Finding): void;
  /** Called after each page with the number of entries checked so far. */
  progress?(entries: number): void;
}
