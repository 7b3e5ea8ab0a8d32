// A job as the store's operations see it: texts in place of dictionary numbers, and what its event says of its visitors.

import type { Chains } from './chain.ts';
import type { Row } from './connection.ts';
import type { Dictionary } from './dictionary.ts';
import { type EntryRef, firstDecision } from './numbers.ts';

export interface Job {
  readonly id: number;
  readonly destination: string;
  readonly site: string;
  /** latin1 */
  readonly lane: string;
  readonly state: number;
  readonly ord: number;
  readonly dueMs: number;
  readonly attempt: number;
  readonly flags: number;
  readonly decisionSeq: number;
  readonly capiStatus: string | null;
  readonly released: EntryRef | null;
  readonly code: string | null;
  /** The `state_ref` of the visitor whose lane it is, and those of others whom the event names; latin1. */
  readonly visitor: string | null;
  readonly others: readonly string[];
  /** The partition's fencing token as it stands now. */
  readonly leaseToken: number;
  /** An attempt may be under way at whoever holds the partition. */
  readonly isBusy: boolean;
}

/** The columns of a job `j` with its event `e` and its partition's lease `l`. */
export const JOB_COLUMNS = `j.id, j.destination, j.site, j.lane, j.state, j.ord, j.due_ms, j.attempt, j.flags, j.decision_seq,
  j.capi_status, j.released_chain, j.released_seq, j.code, l.token AS lease_token,
  coalesce(j.under_way = l.token AND l.until > now(), false) AS is_busy, e.visitor,
  CASE WHEN e.others > 0 THEN (SELECT string_agg(encode(v.ref, 'hex'), ',') FROM outbox_visitor v WHERE v.event = e.event)
  END AS other_refs`;

/** Reads what rows of JOB_COLUMNS need of the dictionary and the chains. */
export async function coverJobs(rows: readonly Row[], dictionary: Dictionary, chains: Chains): Promise<void> {
  const ids = rows.flatMap((row) => [row['destination'], row['site'], row['capi_status'], row['region_basis']]);
  await dictionary.cover(ids.map((id) => (typeof id === 'number' ? id : null)));
  await chains.cover(rows.map((row) => firstDecision(Number(row['id'])).chain));
}

/** A row of JOB_COLUMNS. */
export function toJob(row: Row, dictionary: Dictionary): Job {
  const others = row['other_refs'];
  const released = row['released_seq'];
  return {
    id: Number(row['id']),
    destination: dictionary.text(Number(row['destination'])),
    site: dictionary.text(Number(row['site'])),
    lane: latin1(row['lane']) ?? '',
    state: Number(row['state']),
    ord: Number(row['ord']),
    dueMs: Number(row['due_ms']),
    attempt: Number(row['attempt']),
    flags: Number(row['flags']),
    decisionSeq: Number(row['decision_seq']),
    capiStatus: row['capi_status'] === null ? null : dictionary.text(Number(row['capi_status'])),
    released: released === null ? null : { chain: Number(row['released_chain']), seq: Number(released) },
    code: typeof row['code'] === 'string' ? row['code'] : null,
    visitor: latin1(row['visitor']),
    others:
      typeof others === 'string' ? others.split(',').map((hex) => Buffer.from(hex, 'hex').toString('latin1')) : [],
    leaseToken: Number(row['lease_token']),
    isBusy: row['is_busy'] === true,
  };
}

/** Bytes as a latin1 string; null for no value. */
export const latin1 = (value: unknown): string | null => (Buffer.isBuffer(value) ? value.toString('latin1') : null);
