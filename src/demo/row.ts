// One visitor's purchase as it was seen from outside: what the log says of it, and what the ledgers of the stand-ins hold.

import type { Region } from '../core/region.ts';
import type { FakeKlaviyo } from './fake-klaviyo.ts';
import type { LedgerEntry } from './fake-ledger.ts';
import type { FakeMeta } from './fake-meta.ts';

export interface LoggedDecision {
  readonly destination: string;
  readonly verdict: 'permit' | 'drop';
  readonly reason: string;
}

/** What the log says of one event. */
export interface LoggedEvent {
  readonly eventId: string;
  readonly eventName: string;
  /** Epoch milliseconds. */
  readonly acceptedMs: number;
  readonly region: Region;
  readonly decisions: readonly LoggedDecision[];
  /** Entries about its deliveries, oldest first. */
  readonly deliveries: readonly {
    readonly destination: string;
    readonly outcome: string;
    readonly code: string | null;
  }[];
}

/** Something that happened to an event; times are milliseconds since it was accepted, with fractions. */
export type Step =
  | {
      readonly kind: 'request';
      readonly to: 'meta' | 'klaviyo';
      readonly askedMs: number;
      /** Null where no answer came. */
      readonly answeredMs: number | null;
      readonly status: number | null;
      /** What Klaviyo was told about Meta. */
      readonly capiStatus: string | null;
    }
  | { readonly kind: 'withdrawal'; readonly askedMs: number; readonly cancelled: number };

export interface Row {
  /** First name, and what is special, in a few words. */
  readonly visitor: string;
  readonly story: string;
  readonly country: string;
  readonly region: Region;
  readonly signal: string;
  readonly decisions: readonly LoggedDecision[];
  readonly steps: readonly Step[];
}

/** Whether each permitted destination has come to an end. */
export function isSettled({ decisions, deliveries }: LoggedEvent): boolean {
  return decisions.every(
    ({ verdict, destination }) =>
      verdict === 'drop' ||
      deliveries.some((delivery) => delivery.destination === destination && delivery.outcome !== 'retrying'),
  );
}

/** The requests that concerned an event, in the order in which they began. */
export function requestsOf(
  { eventId, acceptedMs }: Pick<LoggedEvent, 'eventId' | 'acceptedMs'>,
  { meta, klaviyo }: { readonly meta: FakeMeta; readonly klaviyo: FakeKlaviyo },
): readonly Step[] {
  const steps = [
    ...meta.attemptsFor(eventId).map((entry) => requestStep('meta', entry, acceptedMs)),
    ...klaviyo.attemptsFor(eventId).map((entry) => requestStep('klaviyo', entry, acceptedMs)),
  ];
  return inOrder(steps);
}

export function inOrder(steps: readonly Step[]): readonly Step[] {
  return [...steps].sort((a, b) => a.askedMs - b.askedMs);
}

function requestStep(to: 'meta' | 'klaviyo', entry: LedgerEntry, acceptedMs: number): Step {
  return {
    kind: 'request',
    to,
    askedMs: entry.arrivedMs - acceptedMs,
    answeredMs: entry.answeredMs === null ? null : entry.answeredMs - acceptedMs,
    status: entry.status,
    capiStatus: /"capi_status":"(\w+)"/.exec(entry.text)?.[1] ?? null,
  };
}

/** The requests to one destination, in their order. */
export function requestsTo(
  destination: 'meta' | 'klaviyo',
  steps: readonly Step[],
): readonly Extract<Step, { kind: 'request' }>[] {
  return steps.filter((step) => step.kind === 'request').filter(({ to }) => to === destination);
}
