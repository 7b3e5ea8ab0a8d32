// The shapes that plug in. Composition roots join them; no column imports another.

import type { z } from 'zod';
import type { EvidenceBundle, RawConsent } from './consent.ts';
import type { CapiStatus, DeliveryOutcome, Outcome } from './delivery.ts';
import type { CollectedEvent, SourceName, Trust } from './event.ts';
import type { Objection } from './policy.ts';
import type { ReasonCode } from './reasons.ts';
import type { RegionEvidence, RegionIndication } from './region.ts';

/** Epoch milliseconds. */
export type Clock = () => number;

/** Makes ids: `uuid` for events, `bytes` for keys and salts (latin1). */
export interface Ids {
  uuid(): string;
  bytes(count: number): string;
  /** In [0, 1): jitter. */
  random(): number;
}

// ---- Source: a way in

/** A request, free of any framework. */
export interface SourceRequest {
  readonly trust: Trust;
  readonly body: unknown;
  readonly receivedMs: number;
  /** The limit of events in a batch. */
  readonly batchEvents: number;
  readonly client: { readonly ip: string | null; readonly userAgent: string | null };
}

/** One event as a source read it, before anything was decided about it. */
export interface SourceEvent {
  readonly event: CollectedEvent;
  readonly consent: RawConsent | null;
  readonly visitorId: string | null;
  readonly objections: readonly Objection[];
  readonly indications: readonly RegionIndication[];
}

export interface Rejected {
  readonly index: number;
  readonly code: 'event_invalid';
  readonly message: string;
}

export interface SourceResult {
  readonly events: readonly SourceEvent[];
  readonly rejected: readonly Rejected[];
}

export interface Source {
  readonly name: SourceName;
  /** @throws Problem when nothing of the body can be used */
  parse(request: SourceRequest, ids: Ids): SourceResult;
}

// ---- Destination: a way out

export interface Delivery {
  readonly event: CollectedEvent;
  readonly limitedDataUse: boolean;
  /** Null for the first destination in the order. */
  readonly capiStatus: CapiStatus | null;
  /** An earlier attempt may have been recorded: the body must not change. */
  readonly earlierUnknown: boolean;
  /** The first attempt was marked so. */
  readonly backfill: boolean;
  readonly nowMs: number;
}

/** Outcome and what must be remembered for the next attempt. */
export interface Sent {
  readonly outcome: Outcome;
  readonly backfill: boolean;
}

export interface OpenDestination {
  /** How many deliveries one call of `send` may hold. */
  readonly batchMax: number;
  /** How long what is due may wait for company; 0 or absent = not at all. Milliseconds. */
  readonly lingerMs?: number;
  /**
   * One outcome per delivery, in their order. Never throws for what the vendor or the network does. Several that are refused
   * were refused as one: the caller splits them and asks again.
   */
  send(deliveries: readonly Delivery[], signal: AbortSignal): Promise<readonly Sent[]>;
  close(): Promise<void>;
}

export interface DeliveryLimits {
  readonly connections: number;
  readonly connectTimeoutMs: number;
  readonly headersTimeoutMs: number;
  readonly totalTimeoutMs: number;
}

/** `S` are its settings below a site. */
export interface Destination<S = unknown> {
  readonly id: string;
  readonly settings: z.ZodType<S>;
  /** Events older than this are refused there; null = no limit. Milliseconds. */
  readonly maxAgeMs: number | null;
  /** Whether the destination has a name for an event. */
  maps(eventName: string, settings: S): boolean;
  /** Whether an event may go there without cookie consent, stripped of what the browser shows; absent = none may. */
  withoutConsent?(eventName: string, settings: S): boolean;
  /** How long a job may wait for the destinations before it, counted from acceptance. Milliseconds. */
  waitMs(settings: S): number;
  open(settings: S, limits: DeliveryLimits): OpenDestination;
}

// ---- Store, the accepting half

/** What `accept` is given: plain values, so that it crosses threads. Bytes are latin1 strings. */
export interface Candidate {
  readonly site: string;
  readonly source: SourceName;
  readonly trust: Trust;
  readonly name: string;
  /** As it is sent onwards. */
  readonly eventId: string;
  /** As it is logged: a keyed hash where the id holds an `@`. */
  readonly loggedEventId: string;
  readonly timeMs: number;
  readonly receivedMs: number;
  readonly objections: readonly Objection[];
  readonly region: RegionEvidence;
  /** Canonical JSON of the evidence bundle. */
  readonly evidence: string;
  /** Packed subject references under the current epoch key. */
  readonly subjectRefs: string;
  /** `state_ref` of each visitor that the event names. */
  readonly visitorRefs: readonly string[];
  readonly lane: string;
  /** The one of `visitorRefs` whose lane it is; null where the lane is another person's. */
  readonly laneVisitor: string | null;
  /** Look-up keys, 8 bytes each. */
  readonly eventKey: string;
  readonly orderKey: string | null;
  /** The payload, sealed and bound to site and `sealId`. */
  readonly sealId: string;
  readonly sealed: string;
}

export interface AcceptedVerdict {
  readonly destination: string;
  readonly verdict: 'permit' | 'drop';
  readonly reason: ReasonCode;
  readonly consentPermits: boolean;
}

export interface Accepted {
  readonly duplicate: boolean;
  readonly verdicts: readonly AcceptedVerdict[];
}

/** A visitor's new consent state. */
export interface ConsentChange {
  readonly site: string;
  readonly receivedMs: number;
  readonly region: RegionEvidence;
  readonly evidence: string;
  readonly subjectRefs: string;
  /** `state_ref` and lane of each visitor that is named; empty = decided, kept nowhere. */
  readonly visitors: readonly { readonly ref: string; readonly lane: string }[];
}

export interface ConsentChanged {
  readonly verdicts: readonly AcceptedVerdict[];
  /** Jobs. */
  readonly cancelled: number;
}

export interface StoreHealth {
  readonly ready: boolean;
  readonly why: string | null;
}

export interface DeadLetter {
  readonly id: number;
  readonly site: string;
  readonly destination: string;
  readonly eventId: string;
  readonly eventName: string;
  readonly acceptedMs: number;
  readonly attempts: number;
  readonly code: string;
}

/** What the HTTP half sees of the store. */
export interface Intake {
  /**
   * Decides and records a batch in one transaction, fsynced before it resolves.
   * @throws Problem `unavailable` when nothing was accepted
   */
  accept(candidates: readonly Candidate[]): Promise<readonly Accepted[]>;
  changeConsent(change: ConsentChange): Promise<ConsentChanged>;
  health(): Promise<StoreHealth>;
  /** Metrics of the store half in the Prometheus text format. */
  metrics(): Promise<string>;
  deadLetters(): Promise<readonly DeadLetter[]>;
  /** @returns how many were queued anew */
  retryDeadLetters(ids: readonly number[] | 'all'): Promise<number>;
}

// ---- Store, the delivering half

/** A job that may be sent now; it is in flight until it is settled, postponed or parked. */
export interface Claim {
  readonly jobId: number;
  readonly destination: string;
  readonly site: string;
  readonly eventSeq: number;
  readonly decisionSeq: number;
  readonly eventName: string;
  readonly region: RegionEvidence;
  readonly evidence: EvidenceBundle;
  /** `state_ref` of each visitor that the event names, latin1. */
  readonly visitorRefs: readonly string[];
  readonly sealId: string;
  readonly sealed: string;
  readonly acceptedMs: number;
  readonly timeMs: number;
  readonly attempt: number;
  readonly earlierUnknown: boolean;
  readonly backfill: boolean;
  /** How the destination before it ended; null for the first in the order. */
  readonly capiStatus: CapiStatus | null;
  /** The committed entry that released it; its own decision where it waited for nobody. */
  readonly releasedSeq: number;
  /** Destination and person; latin1. */
  readonly lane: string;
  /** In how large a company it may be sent after a company failed; null = any. */
  readonly batchCap: number | null;
  /** How often it failed alone. */
  readonly backoff: number;
}

/** Consecutive jobs of one lane, in their order; the first is the lane's head. */
export type LaneRun = readonly Claim[];

export interface ClaimLimit {
  /** Jobs at most. */
  readonly jobs: number;
  /** Jobs of one lane at most: more than one only where they leave in one request. */
  readonly runLength: number;
}

/** What an attempt came to, to be recorded. */
export interface Settlement {
  readonly claim: Claim;
  readonly outcome: DeliveryOutcome;
  /** For `retrying`: wait until `dueMs`, or stay parked with a paused destination. */
  readonly parked: boolean;
  readonly code: string | null;
  readonly httpStatus: number | null;
  readonly traceId: string | null;
  /** The newest committed entry when the attempt began; null where none began. */
  readonly startedSeq: number | null;
  readonly unknown: boolean;
  readonly backfill: boolean;
  /** For `retrying`, epoch milliseconds. */
  readonly dueMs: number | null;
  readonly batchCap: number | null;
  readonly backoff: number;
  /** For `retrying`: tried again at once by who holds the claim; it stays in flight. */
  readonly kept: boolean;
}

/** What the dispatcher sees of the store. What is written is on disk when its promise resolves. */
export interface Outbox {
  /** Lanes whose head is due and not in flight, oldest first; none while the log cannot be written. */
  claim(destination: string, limit: ClaimLimit): Promise<readonly LaneRun[]>;
  /** Gives a claim back as it was. */
  unclaim(claim: Claim): void;
  /** When the next job comes due that was not at the last claim, epoch milliseconds; null = there is none. */
  nextDueMs(destination: string): Promise<number | null>;
  /** The look before the send, in the newest committed state. */
  look(claim: Claim): Promise<{ readonly withdrawnMs: number | null; readonly erased: boolean }>;
  settle(settlement: Settlement): Promise<void>;
  /** The job is due later, without an attempt. */
  postpone(claim: Claim, dueMs: number): void;
  /** The job of a paused destination waits, without an attempt. */
  park(claim: Claim): void;
  /** Parked jobs of a site's destination come due again, oldest first, at most `limit`. */
  unpark(destination: string, site: string, limit: number): void;
  /** Sites with parked jobs at this destination. */
  parkedSites(destination: string): Promise<readonly string[]>;
  /** The newest committed entry. */
  newestSeq(): number;
}
