// One decision as the log holds it, with everything that it was made from: what a re-performance starts at.

import type { EvidenceBundle } from '../core/consent.ts';
import { CannotRun } from '../core/errors.ts';
import { ENTRY_KINDS } from '../core/ledger.ts';
import { loadDictionary } from './dictionary.ts';
import type { ReadStore } from './read.ts';

export interface LoggedDecision {
  readonly seq: number;
  readonly atMs: number;
  readonly site: string;
  readonly source: string;
  readonly trust: string;
  readonly eventId: string;
  readonly eventName: string;
  readonly destination: string;
  readonly verdict: string;
  readonly reason: string;
  readonly country: string | null;
  readonly regionBasis: string;
  /** `tcf=granted;…`: see core/decision-text. */
  readonly signals: string;
  /** Bits of core/decision-text. */
  readonly facts: number;
  readonly withdrawnMs: number | null;
  readonly policyRef: string;
  /** The policy's canonical content; null where the log does not hold it. */
  readonly policy: string | null;
  /** Null: it was erased. */
  readonly evidence: EvidenceBundle | null;
}

/**
 * Reads the decision with this number.
 * @throws CannotRun where no entry has it, or the entry is no decision
 */
export async function readLoggedDecision(store: ReadStore, seq: number): Promise<LoggedDecision> {
  const row = await store.db
    .selectFrom('log_entry as e')
    .leftJoin('evidence as v', 'v.id', 'e.evidence')
    .select(['e.kind', 'e.at_ms', 'e.site', 'e.source', 'e.trust', 'e.event_id', 'e.event_name', 'e.destination'])
    .select(['e.verdict', 'e.reason', 'e.country', 'e.region_basis', 'e.signals', 'e.facts', 'e.withdrawn_ms'])
    .select(['e.policy', 'e.evidence', 'v.body'])
    .where('e.seq', '=', seq)
    .executeTakeFirst();
  if (row === undefined) throw new CannotRun(`the log has no entry ${seq}`);
  if (row.kind !== ENTRY_KINDS.decision) throw new CannotRun(`entry ${seq} of the log is no decision`);
  const dictionary = await loadDictionary(store);
  const text = (kind: string, id: number | null): string => {
    const found = id === null ? '' : dictionary.text(kind, id);
    if (found !== undefined) return found;
    throw new CannotRun(`entry ${seq} of the log names a ${kind} that does not exist: run sluice verify-log`);
  };
  const policyRef = text('policy', row.policy);
  return {
    seq,
    atMs: row.at_ms,
    site: text('site', row.site),
    source: text('source', row.source),
    trust: text('trust', row.trust),
    eventId: row.event_id ?? '',
    eventName: row.event_name ?? '',
    destination: text('destination', row.destination),
    verdict: text('verdict', row.verdict),
    reason: text('reason', row.reason),
    country: row.country,
    regionBasis: text('region_basis', row.region_basis),
    signals: text('signals', row.signals),
    facts: row.facts ?? 0,
    withdrawnMs: row.withdrawn_ms,
    policyRef,
    policy: await policyContent(store, policyRef),
    evidence: readBundle(row.evidence, row.body),
  };
}

async function policyContent({ db }: ReadStore, ref: string): Promise<string | null> {
  const row = await db.selectFrom('policy').select('content').where('ref', '=', ref).executeTakeFirst();
  return row?.content ?? null;
}

function readBundle(id: number | null, body: string | null): EvidenceBundle | null {
  if (id === null) return [];
  return body === null ? null : JSON.parse(body);
}
