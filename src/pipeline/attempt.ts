// One attempt: look again, open the payloads, send them in one request, record what it came to; a company that was refused
// as one is divided until the culprit stands alone.

import { nextStep, type Outcome, type RetryRules } from '../core/delivery.ts';
import type { CollectedEvent } from '../core/event.ts';
import type { Decide, Decision } from '../core/policy.ts';
import type { Policy } from '../core/policy-file.ts';
import type { Claim, Clock, Delivery, Ids, OpenDestination, Outbox, Sent, Settlement } from '../core/ports.ts';

/** A destination of one site, open. */
export interface Outlet {
  readonly policy: Policy;
  readonly maxAgeMs: number | null;
  readonly retry: RetryRules;
  /** An operator's own pause. */
  readonly isPaused: boolean;
  /** It may go there without cookie consent. */
  isTransactional(eventName: string): boolean;
  readonly open: OpenDestination;
}

export interface Delivered {
  readonly claim: Claim;
  readonly outcome: Settlement['outcome'];
  /** Null where nothing was sent. */
  readonly durationMs: number | null;
  readonly sinceAcceptMs: number;
}

export interface AttemptOptions {
  readonly outbox: Outbox;
  unseal(claim: Claim): CollectedEvent;
  readonly decide: Decide;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly probeMs: number;
  /** Aborts what is under way when the program stops. */
  readonly signal: AbortSignal;
  /** Hears of each outcome of a request. */
  heard(claim: Claim, outcome: Outcome): void;
  readonly events: {
    delivered(delivery: Delivered): void;
    orderViolation(claim: Claim): void;
    /** Our own mistake with one event; the cause never holds a value of it. */
    failed(claim: Claim, error: unknown): void;
  };
}

interface Prepared {
  readonly claim: Claim;
  readonly delivery: Delivery;
}

interface Attempted extends Sent {
  readonly claim: Claim;
  /** The newest committed entry when the request began; null where none did. */
  readonly startedSeq: number | null;
  readonly startedMs: number;
  /** How many events the request held. */
  readonly company: number;
}

const INTERNAL_ERROR = 'internal.error';
const POISON_ATTEMPTS = 3;
const MOST_BACKOFF = 1000;

export type Attempt = (claims: readonly Claim[], outlet: Outlet | null) => Promise<void>;

/** Binds what attempts need. The promise resolves when everything that happened is on disk. */
export function createAttempt(options: AttemptOptions): Attempt {
  const { outbox, clock, events } = options;

  return async (claims, outlet) => {
    if (outlet === null) {
      const nowhere: Sent = { outcome: { kind: 'skipped', code: 'destination.not_configured' }, backfill: false };
      await Promise.all(claims.map((claim) => record(unsent(claim, nowhere), null)));
      return;
    }
    await sendInOrder(claims, outlet, new Set());
  };

  /** Sends a company, and its halves one after the other where it is refused as one. */
  async function sendInOrder(claims: readonly Claim[], outlet: Outlet, heldLanes: Set<string>): Promise<void> {
    const free = claims.filter((claim) => !heldLanes.has(claim.lane));
    for (const claim of claims) if (heldLanes.has(claim.lane)) outbox.unclaim(claim);
    const attempted = postponeUnasked(await attempt(free, outlet), heldLanes);
    if (options.signal.aborted) return recordAll(attempted.filter(isCertain), outlet, heldLanes);
    const refused = attempted.filter(({ outcome }) => outcome.kind === 'refused');
    if (refused.length < 2) return recordAll(attempted, outlet, heldLanes);
    await recordAll(
      attempted.filter(({ outcome }) => outcome.kind !== 'refused'),
      outlet,
      heldLanes,
    );
    await Promise.all(refused.map((one) => outbox.settle(keptSettlement(one, clock()))));
    const again = refused.map(({ claim }) => ({ ...claim, attempt: claim.attempt + 1 }));
    const middle = Math.ceil(again.length / 2);
    await sendInOrder(again.slice(0, middle), outlet, heldLanes);
    await sendInOrder(again.slice(middle), outlet, heldLanes);
  }

  // The account's own window is full and nobody was asked: that is no attempt, the job is due again later.
  function postponeUnasked(attempted: readonly Attempted[], heldLanes: Set<string>): readonly Attempted[] {
    return attempted.filter(({ claim, outcome }) => {
      if (outcome.kind !== 'throttled' || outcome.httpStatus !== null) return true;
      heldLanes.add(claim.lane);
      outbox.postpone(claim, clock() + outcome.retryAfterMs);
      return false;
    });
  }

  async function recordAll(attempted: readonly Attempted[], outlet: Outlet, heldLanes: Set<string>): Promise<void> {
    await Promise.all(
      attempted.map(async (one) => {
        const outcome = await record(one, outlet);
        // What follows in the lane must not pass what has to be tried again.
        if (outcome === 'retrying') heldLanes.add(one.claim.lane);
      }),
    );
  }

  async function attempt(claims: readonly Claim[], outlet: Outlet): Promise<readonly Attempted[]> {
    const startedSeq = outbox.newestSeq();
    const startedMs = clock();
    const prepared: Prepared[] = [];
    const ended: Attempted[] = [];
    const looks = await Promise.all(claims.map((claim) => prepare(claim, outlet, startedSeq)));
    for (const [i, claim] of claims.entries()) {
      const ready = looks[i] ?? failure(claim);
      if ('delivery' in ready) prepared.push({ claim, delivery: ready.delivery });
      else ended.push(unsent(claim, ready));
    }
    if (prepared.length === 0) return ended;
    const sent = await send(prepared, outlet);
    const company = prepared.length;
    return [
      ...ended,
      ...prepared.map(({ claim }, i) => {
        const one = sent[i] ?? failure(claim);
        const isSent = one.outcome.kind !== 'skipped';
        if (isSent) options.heard(claim, one.outcome);
        return { claim, ...one, startedSeq: isSent ? startedSeq : null, startedMs, company };
      }),
    ];
  }

  async function send(prepared: readonly Prepared[], outlet: Outlet): Promise<readonly Sent[]> {
    try {
      return await outlet.open.send(
        prepared.map(({ delivery }) => delivery),
        options.signal,
      );
    } catch (error) {
      for (const { claim } of prepared) events.failed(claim, error);
      return prepared.map(({ claim }) => failure(claim));
    }
  }

  /** The look before the send: stricter cancels with its code, looser revives nothing. */
  async function prepare(claim: Claim, outlet: Outlet, startedSeq: number): Promise<{ delivery: Delivery } | Sent> {
    const decision = decideAgain(claim, outlet, await outbox.look(claim));
    if (decision.verdict === 'drop') return cancelled(claim, decision.reason);
    if (outlet.maxAgeMs !== null && clock() - claim.timeMs > outlet.maxAgeMs) return cancelled(claim, 'event.too_old');
    if (claim.releasedSeq > startedSeq) {
      events.orderViolation(claim);
      return failure(claim);
    }
    return open(claim, decision);
  }

  // A payload that cannot be opened must not stop the others.
  function open(claim: Claim, decision: Decision): { delivery: Delivery } | Sent {
    try {
      return {
        delivery: {
          event: options.unseal(claim),
          limitedDataUse: decision.limitedDataUse,
          capiStatus: claim.capiStatus,
          earlierUnknown: claim.earlierUnknown,
          backfill: claim.backfill,
          nowMs: clock(),
        },
      };
    } catch (error) {
      events.failed(claim, error);
      return failure(claim);
    }
  }

  function decideAgain(claim: Claim, outlet: Outlet, state: Awaited<ReturnType<Outbox['look']>>): Decision {
    return options.decide({ name: claim.eventName, objections: [] }, claim.evidence, claim.region, outlet.policy, {
      destination: claim.destination,
      atMs: clock(),
      configured: true,
      mapped: true,
      duplicate: false,
      paused: outlet.isPaused,
      transactional: outlet.isTransactional(claim.eventName),
      ...state,
    });
  }

  function unsent(claim: Claim, sent: Sent): Attempted {
    return { claim, ...sent, startedSeq: null, startedMs: clock(), company: 0 };
  }

  async function record(attempted: Attempted, outlet: Outlet | null): Promise<Settlement['outcome']> {
    const settlement = settlementOf(attempted, outlet);
    await outbox.settle(settlement);
    const { claim, startedSeq, startedMs } = attempted;
    const nowMs = clock();
    events.delivered({
      claim,
      outcome: settlement.outcome,
      durationMs: startedSeq === null ? null : nowMs - startedMs,
      sinceAcceptMs: nowMs - claim.acceptedMs,
    });
    return settlement.outcome;
  }

  function settlementOf(attempted: Attempted, outlet: Outlet | null): Settlement {
    const facts = factsOf(attempted);
    const { claim, outcome } = attempted;
    if (facts.code === INTERNAL_ERROR && claim.attempt + 1 >= POISON_ATTEMPTS) return { ...facts, outcome: 'gave_up' };
    if (outlet === null) return { ...facts, outcome: 'skipped' };
    const step = nextStep(claim, outcome, clock(), outlet.retry, options.ids.random());
    switch (step.step) {
      case 'settle':
        return { ...facts, outcome: step.outcome };
      case 'retry':
        // One that makes its whole company fail must not do so for ever.
        return {
          ...facts,
          outcome: 'retrying',
          dueMs: step.dueMs,
          batchCap: capAfter(attempted),
          backoff: backoffAfter(attempted),
        };
      case 'pause':
        return { ...facts, outcome: 'retrying', parked: true, dueMs: clock() + options.probeMs };
    }
  }
}

function factsOf({ claim, outcome, backfill, startedSeq }: Attempted): Omit<Settlement, 'outcome'> {
  return {
    claim,
    parked: false,
    code: 'code' in outcome ? outcome.code : null,
    httpStatus: 'httpStatus' in outcome ? outcome.httpStatus : null,
    traceId: 'traceId' in outcome ? outcome.traceId : null,
    startedSeq,
    unknown: outcome.kind === 'transient' && outcome.unknown,
    backfill,
    dueMs: null,
    batchCap: claim.batchCap,
    backoff: claim.backoff,
    kept: false,
  };
}

function keptSettlement(attempted: Attempted, nowMs: number): Settlement {
  return { ...factsOf(attempted), outcome: 'retrying', dueMs: nowMs, kept: true };
}

function capAfter({ claim, company }: Attempted): number | null {
  return company > 1 ? Math.max(1, Math.floor(company / 2)) : claim.batchCap;
}

/** A company's failure, and throttling, say nothing of this event. */
function backoffAfter({ claim, outcome, company }: Attempted): number {
  return outcome.kind === 'transient' && company === 1 ? Math.min(claim.backoff + 1, MOST_BACKOFF) : claim.backoff;
}

/** On a stop, an outcome that is not known stays unknown: the event is sent again with the same id. */
function isCertain({ outcome }: Attempted): boolean {
  return outcome.kind !== 'transient';
}

const cancelled = (claim: Claim, code: string): Sent => ({
  outcome: { kind: 'cancelled', code },
  backfill: claim.backfill,
});

function failure(claim: Claim): Sent {
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
