// Proves the order from the log alone: nothing is attempted without a permit, Klaviyo not before its release, and nothing
// behind a withdrawal (P4, P5, P7). One pass; memory holds what is open, not what is past.

import { ENTRY_KINDS, type LogEntry } from '../core/ledger.ts';
import type { Finding, FindingCode, Listener, Pages } from './log-check.ts';

/** The fields of an entry that the order depends on. */
export type OrderEntry = Pick<
  LogEntry,
  'seq' | 'kind' | 'event_seq' | 'destination' | 'verdict' | 'decision_seq' | 'outcome' | 'started_seq'
>;

export interface OrderSummary {
  readonly decisions: number;
  readonly deliveries: number;
  readonly attempts: number;
  /** Permitted and not ended yet. */
  readonly open: number;
}

/** A permit whose job has not ended. */
interface OpenPermit {
  readonly destination: string;
  readonly eventSeq: number;
  /** The entry from which on it may be attempted; null while it waits. */
  releasedSeq: number | null;
}

/** How a permit ended that may still be heard of: an operator retries dead letters, an attempt may outlive a withdrawal. */
interface Ended {
  readonly destination: string;
  readonly seq: number;
  readonly isDead: boolean;
}

/**
 * Checks the order of all attempts in a log.
 * @param leader the destination that goes first; every other one waits until it has ended, was not permitted, or an entry
 *   of kind `release` says that the time is over
 */
export async function checkOrder(pages: Pages<OrderEntry>, leader: string, listener: Listener): Promise<OrderSummary> {
  const check = createOrderCheck(leader, listener.finding);
  let entries = 0;
  for await (const page of pages) {
    for (const entry of page) check.take(entry);
    entries += page.length;
    listener.progress?.(entries);
  }
  return check.summary();
}

function createOrderCheck(leader: string, report: (finding: Finding) => void) {
  const open = new Map<number, OpenPermit>();
  const ended = new Map<number, Ended>();
  /** Permits that wait for the leader of their event, by event. Only events whose leader has not ended are here. */
  const waiting = new Map<number, OpenPermit[]>();
  const count = { decisions: 0, deliveries: 0, attempts: 0 };

  return {
    take(entry: OrderEntry): void {
      if (entry.kind === ENTRY_KINDS.decision) decide(entry);
      else if (entry.kind === ENTRY_KINDS.delivery) deliver(entry);
      else if (entry.kind === ENTRY_KINDS.release) release(entry);
    },
    summary: (): OrderSummary => ({ ...count, open: open.size }),
  };

  function decide({ seq, verdict, destination, event_seq }: OrderEntry): void {
    count.decisions += 1;
    if (verdict !== 'permit' || destination === null || event_seq === null) return;
    const followers = waiting.get(event_seq);
    const waits = destination !== leader && followers !== undefined;
    const permit: OpenPermit = { destination, eventSeq: event_seq, releasedSeq: waits ? null : seq };
    open.set(seq, permit);
    if (destination === leader) waiting.set(event_seq, []);
    else if (waits) followers.push(permit);
  }

  function release({ seq, decision_seq }: OrderEntry): void {
    const permit = decision_seq === null ? undefined : open.get(decision_seq);
    if (permit !== undefined) permit.releasedSeq ??= seq;
  }

  function deliver(entry: OrderEntry): void {
    count.deliveries += 1;
    if (entry.started_seq !== null) count.attempts += 1;
    const decisionSeq = entry.decision_seq ?? 0;
    const permit = open.get(decisionSeq);
    if (permit !== undefined) {
      for (const problem of problemsOf(entry, permit, decisionSeq)) report(problem);
      if (entry.outcome !== 'retrying') end(entry, permit, decisionSeq);
      return;
    }
    const before = ended.get(decisionSeq);
    const problem = before === undefined ? unknownPermit(entry) : problemBehind(entry, before);
    if (problem !== null) report(problem);
    // What was retried by hand ends again; a success is heard of no more.
    if (before?.isDead && entry.outcome !== 'retrying') remember(entry, before.destination, decisionSeq);
  }

  function end(entry: OrderEntry, permit: OpenPermit, decisionSeq: number): void {
    open.delete(decisionSeq);
    remember(entry, permit.destination, decisionSeq);
    if (permit.destination !== leader) return;
    for (const follower of waiting.get(permit.eventSeq) ?? []) follower.releasedSeq ??= entry.seq;
    waiting.delete(permit.eventSeq);
  }

  function remember({ seq, outcome }: OrderEntry, destination: string, decisionSeq: number): void {
    const isDead = outcome === 'refused' || outcome === 'gave_up';
    if (isDead || outcome === 'cancelled') ended.set(decisionSeq, { destination, seq, isDead });
    else ended.delete(decisionSeq);
  }
}

function problemsOf(entry: OrderEntry, permit: OpenPermit, decisionSeq: number): readonly Finding[] {
  const { seq, started_seq, destination, event_seq } = entry;
  if (destination !== permit.destination || event_seq !== permit.eventSeq) {
    return [
      at(
        entry,
        'order.not_permitted',
        `is for ${destination} and cites decision ${decisionSeq}, which permits another`,
      ),
    ];
  }
  if (started_seq === null) return [];
  if (started_seq >= seq || started_seq < decisionSeq) {
    return [
      at(
        entry,
        'order.impossible_start',
        `claims to have begun at entry ${started_seq}, outside of decision and outcome`,
      ),
    ];
  }
  if (permit.releasedSeq !== null && started_seq >= permit.releasedSeq) return [];
  const until =
    permit.releasedSeq === null ? 'there is no release of it yet' : `its release is entry ${permit.releasedSeq}`;
  return [at(entry, 'order.unreleased', `began at entry ${started_seq}, before it was its turn: ${until}`)];
}

function problemBehind(entry: OrderEntry, before: Ended): Finding | null {
  const { started_seq, destination } = entry;
  if (destination !== before.destination) {
    return at(entry, 'order.not_permitted', `is for ${destination} and cites a decision about ${before.destination}`);
  }
  if (before.isDead) {
    const isRetry = started_seq === null || started_seq >= before.seq;
    return isRetry
      ? null
      : at(entry, 'order.behind_end', `began before its job had ended (entry ${before.seq}) and came after`);
  }
  // An attempt that was under way when consent was withdrawn may still report how it ended.
  if (started_seq !== null && started_seq < before.seq) return null;
  return at(entry, 'order.behind_end', `began behind the cancellation of its job (entry ${before.seq})`);
}

function unknownPermit(entry: OrderEntry): Finding {
  const cited = entry.decision_seq === null ? 'no decision' : `decision ${entry.decision_seq}`;
  return at(entry, 'order.not_permitted', `cites ${cited}: that permits nothing, or its job had ended before`);
}

function at({ seq, destination }: OrderEntry, code: FindingCode, what: string): Finding {
  return { code, firstSeq: seq, lastSeq: seq, batch: null, what: `entry ${seq} (${destination}) ${what}` };
}
