// The dispatcher: claim, look again, send, settle, per destination and lane. Order is the store's (heads and releases);
// this loop only never sends what is not released.

import type { Outcome, RetryRules } from '../core/delivery.ts';
import { nextStep } from '../core/delivery.ts';
import type { CollectedEvent } from '../core/event.ts';
import type { Decide } from '../core/policy.ts';
import type { Policy } from '../core/policy-file.ts';
import type { Claim, Clock, Ids, OpenDestination, Outbox, Sent, Settlement } from '../core/ports.ts';
import { createPauses, type Pauses } from './pause.ts';

/** A destination of one site, open. */
export interface Outlet {
  readonly policy: Policy;
  readonly maxAgeMs: number | null;
  readonly retry: RetryRules;
  /** An operator's own pause. */
  readonly isPaused: boolean;
  readonly open: OpenDestination;
}

export interface DispatchEvents {
  delivered(delivery: {
    claim: Claim;
    outcome: Settlement['outcome'];
    durationMs: number | null;
    sinceAcceptMs: number;
  }): void;
  /** One line for the operator: a destination paused or resumed. */
  paused(destination: string, site: string, code: string): void;
  resumed(destination: string, site: string): void;
  failing(destination: string, isFailing: boolean): void;
  orderViolation(claim: Claim): void;
  /** Our own mistake with one event; the cause never holds a value of it. */
  failed(claim: Claim, error: unknown): void;
  /** The state can no longer be trusted. */
  broken(error: unknown): void;
}

export interface DispatchOptions {
  readonly outbox: Outbox;
  /** Destinations in the order of dispatch. */
  readonly destinations: readonly string[];
  outlet(destination: string, site: string): Outlet | null;
  unseal(claim: Claim): CollectedEvent;
  readonly decide: Decide;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly inFlight: number;
  readonly probeMs: number;
  readonly events: DispatchEvents;
}

export interface Dispatcher {
  /** Something may be due: called after each commit. */
  wake(): void;
  /** Claims nothing more; resolves when what is under way has ended, or was aborted after `graceMs`. */
  stop(graceMs: number): Promise<void>;
}

const LONGEST_SLEEP_MS = 60_000;
const FAILING_AFTER = 10;
const INTERNAL_ERROR = 'internal.error';
const POISON_ATTEMPTS = 3;
/** Beyond the grace for sends under way: time to record what they came to. */
const RECORD_MS = 3000;

/** Starts dispatching. */
export function createDispatcher(options: DispatchOptions): Dispatcher {
  const { outbox, clock, events } = options;
  const abort = new AbortController();
  const underWay = new Set<Promise<void>>();
  const lines = options.destinations.map((id) => ({
    id,
    busy: 0,
    failures: 0,
    timer: null as NodeJS.Timeout | null,
    next: null as NodeJS.Immediate | null,
  }));
  type Line = (typeof lines)[number];
  const pauses: Pauses = createPauses(options);
  let isStopping = false;

  // Many ends and commits in one turn make one claim.
  const pumpSoon = (line: Line): void => {
    if (isStopping || line.next !== null) return;
    line.next = setImmediate(() => {
      line.next = null;
      pump(line);
    });
  };

  const pump = (line: Line): void => {
    if (isStopping) return;
    const claims = outbox.claim(line.id, options.inFlight - line.busy);
    for (const claim of claims) begin(line, claim);
    sleepUntilDue(line);
  };

  const sleepUntilDue = (line: Line): void => {
    if (line.timer !== null) clearTimeout(line.timer);
    const dueMs = outbox.nextDueMs(line.id);
    const waitMs = dueMs === null ? LONGEST_SLEEP_MS : Math.min(LONGEST_SLEEP_MS, Math.max(1, dueMs - clock()));
    line.timer = setTimeout(() => pump(line), waitMs);
    line.timer.unref();
  };

  const begin = (line: Line, claim: Claim): void => {
    const hold = pauses.hold(claim);
    if (hold === 'parked') outbox.park(claim);
    else if (hold !== null) outbox.postpone(claim, hold);
    else {
      line.busy += 1;
      const work = deliver(line, claim).catch(events.broken);
      underWay.add(work);
      void work.finally(() => {
        underWay.delete(work);
        line.busy -= 1;
        pumpSoon(line);
      });
    }
  };

  const deliver = async (line: Line, claim: Claim): Promise<void> => {
    const outlet = options.outlet(claim.destination, claim.site);
    const startedMs = clock();
    const startedSeq = outbox.newestSeq();
    const sent = outlet === null ? skipped('destination.not_configured') : await tryAttempt(claim, outlet, startedSeq);
    if (abort.signal.aborted && sent.outcome.kind === 'transient') return;
    noteHealth(line, claim, sent.outcome);
    const wasSent = sent.outcome.kind !== 'skipped' && sent.outcome.kind !== 'cancelled' && outlet !== null;
    const settlement = toSettlement(claim, sent, { outlet, startedSeq: wasSent ? startedSeq : null });
    await outbox.settle(settlement);
    events.delivered({
      claim,
      outcome: settlement.outcome,
      durationMs: wasSent ? clock() - startedMs : null,
      sinceAcceptMs: clock() - claim.acceptedMs,
    });
  };

  const attempt = async (claim: Claim, outlet: Outlet, startedSeq: number): Promise<Sent> => {
    const forbidden = lookAgain(claim, outlet);
    if (forbidden !== null) return forbidden;
    if (claim.releasedSeq > startedSeq) {
      events.orderViolation(claim);
      throw new Error('a job was claimed before its release was committed');
    }
    const delivery = {
      event: options.unseal(claim),
      limitedDataUse: decisionOf(claim, outlet).limitedDataUse,
      capiStatus: claim.capiStatus,
      earlierUnknown: claim.earlierUnknown,
      backfill: claim.backfill,
      nowMs: clock(),
    };
    const [sent] = await outlet.open.send([delivery], abort.signal);
    if (sent === undefined) throw new Error('a destination answered for no delivery');
    return sent;
  };

  // A payload that cannot be opened or mapped must not stop the others: it is tried three times and then put aside.
  const tryAttempt = async (claim: Claim, outlet: Outlet, startedSeq: number): Promise<Sent> => {
    try {
      return await attempt(claim, outlet, startedSeq);
    } catch (error) {
      events.failed(claim, error);
      const outcome = {
        kind: 'transient',
        httpStatus: null,
        code: INTERNAL_ERROR,
        traceId: null,
        retryAfterMs: null,
        unknown: false,
      } as const;
      return { outcome, backfill: claim.backfill };
    }
  };

  /** The look before the send: stricter cancels with its code, looser revives nothing. */
  const lookAgain = (claim: Claim, outlet: Outlet): Sent | null => {
    const decision = decisionOf(claim, outlet);
    if (decision.verdict === 'drop')
      return { outcome: { kind: 'cancelled', code: decision.reason }, backfill: claim.backfill };
    if (outlet.maxAgeMs !== null && clock() - claim.timeMs > outlet.maxAgeMs) {
      return { outcome: { kind: 'cancelled', code: 'event.too_old' }, backfill: claim.backfill };
    }
    return null;
  };

  const decisionOf = (claim: Claim, outlet: Outlet) =>
    options.decide({ name: claim.eventName, objections: [] }, claim.evidence, claim.region, outlet.policy, {
      destination: claim.destination,
      atMs: clock(),
      configured: true,
      mapped: true,
      duplicate: false,
      paused: outlet.isPaused,
      ...outbox.look(claim),
    });

  const toSettlement = (
    claim: Claim,
    sent: Sent,
    at: { outlet: Outlet | null; startedSeq: number | null },
  ): Settlement => {
    const { outcome } = sent;
    const facts = {
      claim,
      code: 'code' in outcome ? outcome.code : null,
      httpStatus: 'httpStatus' in outcome ? outcome.httpStatus : null,
      traceId: 'traceId' in outcome ? outcome.traceId : null,
      startedSeq: at.startedSeq,
      unknown: outcome.kind === 'transient' && outcome.unknown,
      backfill: sent.backfill,
    };
    const isPoison = facts.code === INTERNAL_ERROR && claim.attempt + 1 >= POISON_ATTEMPTS;
    if (isPoison) return { ...facts, outcome: 'gave_up', parked: false, dueMs: null };
    const step =
      at.outlet === null
        ? { step: 'settle' as const, outcome: 'skipped' as const }
        : nextStep(claim, outcome, clock(), at.outlet.retry, options.ids.random());
    switch (step.step) {
      case 'settle':
        return { ...facts, outcome: step.outcome, parked: false, dueMs: null };
      case 'retry':
        return { ...facts, outcome: 'retrying', parked: false, dueMs: step.dueMs };
      case 'pause':
        return { ...facts, outcome: 'retrying', parked: true, dueMs: clock() + options.probeMs };
    }
  };

  const noteHealth = (line: Line, claim: Claim, outcome: Outcome): void => {
    pauses.note(claim, outcome);
    const wasFailing = line.failures >= FAILING_AFTER;
    if (outcome.kind === 'transient' || outcome.kind === 'misconfigured') line.failures += 1;
    else if (outcome.kind === 'accepted' || outcome.kind === 'refused') line.failures = 0;
    const isFailing = line.failures >= FAILING_AFTER;
    if (isFailing !== wasFailing) events.failing(line.id, isFailing);
  };

  return {
    wake() {
      for (const line of lines) if (line.busy < options.inFlight) pumpSoon(line);
    },
    async stop(graceMs) {
      isStopping = true;
      pauses.stop();
      for (const line of lines) if (line.timer !== null) clearTimeout(line.timer);
      const deadline = setTimeout(() => abort.abort(), graceMs);
      let last: NodeJS.Timeout | null = null;
      // An outcome that cannot be recorded (a full disk) stays unknown, and the event is sent again with the same id.
      const giveUp = new Promise<void>((resolve) => {
        last = setTimeout(resolve, graceMs + RECORD_MS);
      });
      await Promise.race([Promise.allSettled([...underWay]), giveUp]);
      clearTimeout(deadline);
      if (last !== null) clearTimeout(last);
    },
  };
}

const skipped = (code: string): Sent => ({ outcome: { kind: 'skipped', code }, backfill: false });
