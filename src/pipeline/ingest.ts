// From a source's events to the store's answer: who, from where, on what evidence; sealed, decided and on disk.

import type { CollectedEvent } from '../core/event.ts';
import { keyedHash, laneOf, packSubjectRefs, personsOf, stateRef } from '../core/identity.ts';
import type { Objection } from '../core/policy.ts';
import type { Accepted, Candidate, Ids, Intake, Rejected, SourceEvent, SourceResult } from '../core/ports.ts';
import type { ReasonCode } from '../core/reasons.ts';
import { payloadBinding, seal } from '../core/seal.ts';
import type { Site } from '../core/settings.ts';
import { createBrowserIds, type FindBrowserIds, type MetaCookies, NO_META_COOKIES } from './browser-ids.ts';
import { type EvidenceParts, hexHash, type RequestContext, showEvidence, visitorCookies } from './evidence.ts';

export interface IngestParts extends EvidenceParts {
  readonly intake: Pick<Intake, 'accept'>;
  readonly ids: Ids;
}

/** One event as `/collect` answers it: a key for each destination beside these. */
export interface AnsweredEvent {
  readonly [destination: string]: unknown;
  readonly event_id: string;
  readonly duplicate?: true;
  readonly reasons: Readonly<Record<string, ReasonCode>>;
}

export interface CollectAnswer {
  readonly accepted: number;
  readonly events: readonly AnsweredEvent[];
  readonly rejected: readonly Rejected[];
}

export interface Ingested {
  readonly answer: CollectAnswer;
  readonly accepted: readonly Accepted[];
  /** The visitor id that may be stored on the device; null = nothing may. */
  readonly visitorToStore: string | null;
  /** Meta's browser ids that may be stored on the device, or kept there for longer. */
  readonly metaCookies: MetaCookies;
}

export type Ingest = (context: RequestContext, result: SourceResult) => Promise<Ingested>;

/** Binds the columns that intake joins. The result throws Problem `unavailable` when nothing was accepted. */
export function createIngest(parts: IngestParts): Ingest {
  const findBrowserIds = createBrowserIds(parts);
  return async (context, result) => {
    const cookies = visitorCookies(context, ['_slc']);
    // Named even where nothing names the browser, so that a withdrawal finds what was sent before the first cookie.
    const minted = parts.ids.uuid();
    const named = result.events.map((event) => nameEvent(event, { context, cookies, minted, findBrowserIds }));
    const accepted = await parts.intake.accept(named.map((one) => toCandidate(parts, context, one)));
    return {
      answer: toAnswer(result, accepted),
      accepted,
      // The cookie that is there stays: events are queued under its name.
      visitorToStore: mayStore(context, accepted) ? (cookies[0] ?? named[0]?.known[0] ?? minted) : null,
      // The last event is the browser's newest state.
      metaCookies: mayStoreForMeta(context, accepted)
        ? (named.at(-1)?.metaCookies ?? NO_META_COOKIES)
        : NO_META_COOKIES,
    };
  };
}

/** Every event of the request must be permitted somewhere by its own consent: a duplicate brings none. */
function mayStore(context: RequestContext, accepted: readonly Accepted[]): boolean {
  if (context.origin === null) return false;
  return accepted.every(({ duplicate, verdicts }) => !duplicate && verdicts.some((verdict) => verdict.consentPermits));
}

/** The same for Meta's own consent: another destination's stores nothing of Meta. */
function mayStoreForMeta(context: RequestContext, accepted: readonly Accepted[]): boolean {
  if (context.origin === null || accepted.length === 0) return false;
  return accepted.every(({ duplicate, verdicts }) => {
    return !duplicate && verdicts.some(({ destination, consentPermits }) => destination === 'meta' && consentPermits);
  });
}

interface Named {
  readonly event: SourceEvent;
  /** The event with what the request shows beside its body. */
  readonly completed: CollectedEvent;
  readonly known: readonly string[];
  readonly minted: string;
  readonly metaCookies: MetaCookies;
}

interface Naming {
  readonly context: RequestContext;
  readonly cookies: readonly string[];
  readonly minted: string;
  readonly findBrowserIds: FindBrowserIds;
}

function nameEvent(event: SourceEvent, { context, cookies, minted, findBrowserIds }: Naming): Named {
  const known = visitorsOf(event, cookies);
  const paged = withPage(event.event, context);
  const { ids, cookies: metaCookies } = findBrowserIds(paged, context, known);
  const { ids: _own, ...others } = paged;
  return { event, completed: ids === undefined ? others : { ...others, ids }, known, minted, metaCookies };
}

function visitorsOf({ visitorId }: SourceEvent, cookies: readonly string[]): readonly string[] {
  return visitorId === null ? cookies : [visitorId, ...cookies.filter((id) => id !== visitorId)];
}

function toCandidate(parts: IngestParts, context: RequestContext, named: Named): Candidate {
  const { keys } = parts;
  const site = context.site.id;
  const event = named.completed;
  const sealId = parts.ids.bytes(16);
  return {
    site,
    source: event.source,
    trust: event.trust,
    name: event.name,
    eventId: event.eventId,
    loggedEventId: event.eventId.includes('@') ? `h:${hexHash(keys, site, event.eventId)}` : event.eventId,
    timeMs: event.timeMs,
    receivedMs: context.receivedMs,
    objections: objectionsTo(named.event, context.site),
    ...showEvidence(parts, context, { ...named.event, ip: event.client.ip }),
    ...namePersons(parts, site, event, named),
    eventKey: keyedHash(keys.lookup, 8, site, event.name, event.eventId),
    orderKey: orderKeyOf(parts, site, event),
    sealId,
    sealed: seal(keys.seal, JSON.stringify(event), payloadBinding(site, sealId), parts.ids.bytes(12)),
  };
}

function orderKeyOf({ keys }: IngestParts, site: string, event: CollectedEvent): string | null {
  if (event.name !== 'purchase' || !event.transaction_id?.trim()) return null;
  return keyedHash(keys.lookup, 8, site, 'order', event.transaction_id);
}

type Persons = Pick<Candidate, 'subjectRefs' | 'visitorRefs' | 'lane' | 'laneVisitor'>;

function namePersons(parts: IngestParts, site: string, event: CollectedEvent, { known, minted }: Named): Persons {
  const { keys } = parts;
  const visitors = known.length === 0 && event.trust === 'browser' ? [minted] : known;
  const visitorRefs = visitors.map((id) => stateRef(keys, site, { kind: 'visitor', id }));
  const persons = personsOf(event, visitors);
  // A name that we made up is nobody's: customer and contact come before it.
  const others = known.length === 0 ? personsOf(event, []) : [];
  return {
    subjectRefs: packSubjectRefs(parts.epochKey(), site, persons),
    visitorRefs,
    lane: laneOf(keys, site, others.length > 0 ? others : persons, event.eventId),
    laneVisitor: others.length > 0 ? null : (visitorRefs[0] ?? null),
  };
}

function objectionsTo({ event, objections }: SourceEvent, { purchases }: Site): readonly Objection[] {
  const superseded = purchases === 'webhook' && event.source === 'browser' && event.name === 'purchase';
  return superseded ? [...objections, { code: 'event.superseded', destination: '*' }] : objections;
}

/** A browser's request shows the page that its body does not name. */
function withPage(event: CollectedEvent, { origin }: RequestContext): CollectedEvent {
  if (event.trust !== 'browser' || event.page?.url?.trim() || origin === null) return event;
  return { ...event, page: { ...event.page, url: origin } };
}

function toAnswer(result: SourceResult, accepted: readonly Accepted[]): CollectAnswer {
  const events = result.events.map(({ event }, i) => toAnswered(event.eventId, accepted[i]));
  return { accepted: events.length, events, rejected: result.rejected };
}

function toAnswered(eventId: string, accepted: Accepted | undefined): AnsweredEvent {
  if (accepted === undefined) throw new Error('the store answered fewer events than it was given');
  const { duplicate, verdicts } = accepted;
  return {
    event_id: eventId,
    ...(duplicate ? { duplicate: true } : {}),
    ...Object.fromEntries(verdicts.map(({ destination, verdict }) => [destination, verdict])),
    reasons: Object.fromEntries(verdicts.map(({ destination, reason }) => [destination, reason])),
  };
}
