// The proof of the order from outside: what Klaviyo was told about Meta, against what Meta's own ledger says.

import { isRecord, type LedgerEntry } from './fake-ledger.ts';
import { eventsOf, type FakeMeta } from './fake-meta.ts';
import type { Violation } from './fake-server.ts';

/** What one request to Klaviyo claims. */
export interface Claim {
  readonly entry: LedgerEntry;
  readonly eventId: string;
  /** Meta's name for the event; null = any. */
  readonly metaName: string | null;
  readonly capiStatus: unknown;
}

// Meta's answer and the end of the wait may fall together.
const SAME_MOMENT_MS = 250;
const STATUSES = ['sent', 'failed', 'skipped', 'deferred'];
/** Graph errors after which the same event may still be taken. */
const OPEN_CODES = new Set([1, 2, 3, 4, 10, 17, 32, 102, 190, 294, 341, 368, 613, 5000, 21009, 80003, 80004]);

/** K17: Meta's outcome must be there before the request to Klaviyo began, and be the one that is claimed. */
export function orderViolation(claim: Claim, metas: readonly FakeMeta[]): Violation | null {
  const detail = whatIsWrong(claim, attemptsOf(claim, metas));
  return detail === null ? null : { rule: 'K17', n: claim.entry.n, detail: `${claim.eventId}: ${detail}` };
}

function attemptsOf({ eventId, metaName }: Claim, metas: readonly FakeMeta[]): readonly LedgerEntry[] {
  const isIt = (event: Readonly<Record<string, unknown>>) =>
    event['event_id'] === eventId && (metaName === null || event['event_name'] === metaName);
  return metas.flatMap((meta) => meta.attemptsFor(eventId).filter((entry) => eventsOf(entry).some(isIt)));
}

function whatIsWrong({ entry, capiStatus }: Claim, attempts: readonly LedgerEntry[]): string | null {
  if (typeof capiStatus !== 'string' || !STATUSES.includes(capiStatus)) return 'capi_status is missing or unknown';
  const startMs = entry.arrivedMs;
  const answered = attempts.filter(({ answeredMs }) => answeredMs !== null && answeredMs <= startMs);
  if (capiStatus === 'deferred') {
    const settled = answered.find(
      (attempt) => isFinal(attempt) && (attempt.answeredMs ?? 0) < startMs - SAME_MOMENT_MS,
    );
    return settled === undefined ? null : `deferred, although Meta answered in request ${settled.n}`;
  }
  const late = attempts.find(({ arrivedMs, answeredMs }) => arrivedMs > startMs || (answeredMs ?? 0) > startMs);
  if (late !== undefined) return `${capiStatus}, but Meta's request ${late.n} came or ended later`;
  const isSent = answered.some(isSuccess);
  if (capiStatus === 'sent') return isSent ? null : 'sent, but Meta had not taken it';
  if (isSent) return `${capiStatus}, although Meta had taken it`;
  return capiStatus === 'failed' && attempts.length === 0 ? 'failed, but Meta was never asked' : null;
}

function isSuccess({ verdict, status, fault }: LedgerEntry): boolean {
  return verdict === 'accepted' && status === 200 && (fault === null || fault === 'slow');
}

function isFinal(entry: LedgerEntry): boolean {
  if (isSuccess(entry)) return true;
  const [code, subcode] = graphCode(entry);
  return code !== null && !OPEN_CODES.has(code) && !(code >= 200 && code <= 299) && !(code === 100 && subcode === 33);
}

function graphCode({ answer }: LedgerEntry): readonly [number | null, number | null] {
  const error = isRecord(answer) ? answer['error'] : undefined;
  if (!isRecord(error) || error['is_transient'] === true) return [null, null];
  const number = (value: unknown) => (typeof value === 'number' ? value : null);
  return [number(error['code']), number(error['error_subcode'])];
}
