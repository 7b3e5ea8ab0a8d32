// The tables of the log as Kysely sees them: what the read side asks for, in words that both databases understand.

/** The columns that hold dictionary numbers; the dictionary's kind is the column's name. */
export const DICTIONARY_FIELDS = [
  'site',
  'source',
  'trust',
  'destination',
  'verdict',
  'reason',
  'region',
  'region_basis',
  'policy',
  'signals',
  'outcome',
  'capi_status',
] as const;

export interface LogEntryTable {
  seq: number;
  kind: number;
  at_ms: number;
  site: number | null;
  source: number | null;
  trust: number | null;
  event_id: string | null;
  event_name: string | null;
  event_seq: number | null;
  destination: number | null;
  verdict: number | null;
  reason: number | null;
  region: number | null;
  region_basis: number | null;
  country: string | null;
  policy: number | null;
  signals: number | null;
  purposes_required: number | null;
  purposes_granted: number | null;
  facts: number | null;
  withdrawn_ms: number | null;
  evidence: number | null;
  evidence_commit: Uint8Array | null;
  subject_commit: Uint8Array | null;
  event_key: Uint8Array | null;
  order_key: Uint8Array | null;
  decision_seq: number | null;
  outcome: number | null;
  attempt: number | null;
  http_status: number | null;
  code: string | null;
  trace_id: string | null;
  started_seq: number | null;
  capi_status: number | null;
  detail: string | null;
  leaf: Uint8Array;
}

export interface LogBatchTable {
  batch: number;
  first_seq: number;
  last_seq: number;
  root: Uint8Array;
  previous: Uint8Array;
  hash: Uint8Array;
}

export interface LogTables {
  chain: { id: string };
  dictionary: { id: number; kind: string; text: string };
  log_entry: LogEntryTable;
  log_batch: LogBatchTable;
  policy: { ref: string; content: string };
  evidence: { id: number; salt: Uint8Array; commitment: Uint8Array; body: string };
  subject_link: { event_seq: number; epoch: number; salt: Uint8Array; refs: Uint8Array };
}
