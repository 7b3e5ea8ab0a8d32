// The way in for the storefront script and for the shop's own servers: `POST /collect`, one event or a batch.

import { isbot } from 'isbot';
import { Problem } from '../core/errors.ts';
import { browserEvent, type CollectedEvent, serverEvent, type WireEvent } from '../core/event.ts';
import type { Objection } from '../core/policy.ts';
import type { Ids, Rejected, Source, SourceEvent, SourceRequest, SourceResult } from '../core/ports.ts';
import { parseCountry, type RegionIndication } from '../core/region.ts';
import { readWire } from './wire.ts';

// The telling part of a user agent stands in front; what follows may be as long as the header limit.
const USER_AGENT_LOOKED_AT = 512;

export const browser: Source = {
  name: 'browser',
  parse(request, ids) {
    const { body } = request;
    if (typeof body !== 'object' || body === null || Array.isArray(body)) throw notAnEvent();
    if (!Object.hasOwn(body, 'events')) return { events: [readEvent(body, request, ids)], rejected: [] };
    return readBatch(eventsOf(body), request, ids);
  },
};

function notAnEvent(): Problem {
  return new Problem('event_invalid', 'the body must be one event, or an object whose only key is events');
}

function eventsOf(body: object): readonly unknown[] {
  const [[key, events] = [], ...others] = Object.entries(body);
  if (key !== 'events' || others.length > 0) throw notAnEvent();
  if (!Array.isArray(events) || events.length === 0) {
    throw new Problem('event_invalid', 'events must be a list of at least one event');
  }
  return events;
}

function readBatch(bodies: readonly unknown[], request: SourceRequest, ids: Ids): SourceResult {
  const { batchEvents } = request;
  if (bodies.length > batchEvents) throw new Problem('too_many_events', `a batch holds at most ${batchEvents} events`);
  const events: SourceEvent[] = [];
  const rejected: Rejected[] = [];
  for (const [index, body] of bodies.entries()) {
    try {
      events.push(readEvent(body, request, ids));
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      rejected.push({ index, code: 'event_invalid', message: error.message });
    }
  }
  if (events.length === 0) {
    throw new Problem('event_invalid', `none of the events is valid; the first: ${rejected[0]?.message}`);
  }
  return { events, rejected };
}

function readEvent(body: unknown, request: SourceRequest, ids: Ids): SourceEvent {
  const wire: WireEvent = readWire(request.trust === 'server' ? serverEvent : browserEvent, body);
  const event = toCollected(wire, request, ids);
  return {
    event,
    consent: wire.consent ?? null,
    visitorId: event.visitor_id ?? null,
    objections: objectionsTo(request),
    indications: indicationsOf(wire, request),
  };
}

function toCollected(wire: WireEvent, request: SourceRequest, ids: Ids): CollectedEvent {
  const { event_id, time, consent, client_ip, user_agent, country, visitor_id, ...content } = wire;
  const visitorId = nonBlank(visitor_id);
  return {
    ...content,
    ...(visitorId === null ? {} : { visitor_id: visitorId }),
    source: 'browser',
    trust: request.trust,
    eventId: nonBlank(event_id) ?? orderIdOf(content) ?? ids.uuid(),
    timeMs: time === undefined ? request.receivedMs : Math.min(Date.parse(time), request.receivedMs),
    // A server speaks for somebody else: what its own connection shows is not the visitor's.
    client: request.trust === 'server' ? { ip: client_ip ?? null, userAgent: user_agent ?? null } : request.client,
  };
}

/** A purchase without an id of its own is known by its order: so the webhook and the pixel speak of the same one. */
function orderIdOf({ name, transaction_id }: Pick<WireEvent, 'name' | 'transaction_id'>): string | null {
  return name === 'purchase' ? nonBlank(transaction_id) : null;
}

function nonBlank(text: string | undefined): string | null {
  return text === undefined || text.trim() === '' ? null : text;
}

function objectionsTo({ trust, client }: SourceRequest): readonly Objection[] {
  if (trust !== 'browser' || client.userAgent === null) return [];
  const robot = isbot(client.userAgent.slice(0, USER_AGENT_LOOKED_AT));
  return robot ? [{ code: 'source.bot', destination: '*' }] : [];
}

function indicationsOf(wire: WireEvent, { trust }: SourceRequest): readonly RegionIndication[] {
  const indications: RegionIndication[] = [];
  if (trust === 'server') indications.push({ country: parseCountry(wire.country), basis: 'server_token' });
  const claimed = parseCountry(wire.user?.country);
  if (claimed !== null) indications.push({ country: claimed, basis: 'hint' });
  return indications;
}
