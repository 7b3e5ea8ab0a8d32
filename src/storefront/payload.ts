// Turns a call of the shop's page into bodies for POST /collect, and cuts a queue of them into requests that a browser will carry.

import type { WireConsent, WireEvent } from '../core/event.ts';

/** An event before its consent was read. Nothing in it was checked: the server does that, and says what is wrong. */
export type PageEvent = Pick<WireEvent, 'name'> & { readonly event_id: string; readonly [key: string]: unknown };

// `satisfies` keeps the list to keys that the event really has; the server refuses every other.
const EVENT_KEYS: ReadonlySet<string> = new Set([
  'event_id',
  'time',
  'visitor_id',
  'page',
  'currency',
  'value',
  'transaction_id',
  'coupon',
  'search_term',
  'items',
  'user',
  'ids',
  'consent',
] satisfies (keyof WireEvent)[]);

/** What only the browser knows of the moment of an event. */
export interface Moment {
  readonly eventId: string;
  /** ISO 8601, UTC. */
  readonly time: string;
  readonly page: WireEvent['page'];
}

/** One event: keys of the event schema at the top, every other key below `properties`. What the page names itself wins. */
export function makeEvent(name: string, params: unknown, moment: Moment): PageEvent {
  const own: Record<string, unknown> = {};
  const properties: Record<string, unknown> = {};
  for (const [key, value] of membersOf(params)) {
    if (key === 'properties') Object.assign(properties, Object.fromEntries(membersOf(value)));
    else (EVENT_KEYS.has(key) ? own : properties)[key] = value;
  }
  return {
    event_id: moment.eventId,
    time: moment.time,
    page: moment.page,
    ...own,
    name,
    ...(Object.keys(properties).length > 0 ? { properties } : {}),
  };
}

function membersOf(value: unknown): [string, unknown][] {
  return typeof value === 'object' && value !== null ? Object.entries(value) : [];
}

/** Adds the consent that was read. A signal that the page gave itself stays where the browser shows none of its kind. */
export function withConsent(event: PageEvent, consent: WireConsent): PageEvent {
  const merged = { ...Object.fromEntries(membersOf(event['consent'])), ...consent };
  return Object.keys(merged).length > 0 ? { ...event, consent: merged } : event;
}

// Browsers carry 64 KiB of keepalive bodies at once (Fetch standard, "inflight keepalive bytes"), and the server's
// default limit is the same number; its default batch is 50.
const MAX_BYTES = 60_000;
const MAX_EVENTS = 20;

/** Bodies for POST /collect, in the order of the events: one event as it is, several as a batch. */
export function packBodies(events: readonly PageEvent[]): string[] {
  const bodies: string[] = [];
  let batch: string[] = [];
  let bytes = 0;
  const close = () => {
    if (batch.length > 0) bodies.push(batch.length > 1 ? `{"events":[${batch.join()}]}` : batch.join());
    batch = [];
    bytes = 0;
  };
  for (const event of events) {
    const text = JSON.stringify(event);
    const size = new TextEncoder().encode(text).length;
    if (batch.length === MAX_EVENTS || bytes + size > MAX_BYTES) close();
    batch.push(text);
    bytes += size;
  }
  close();
  return bodies;
}
