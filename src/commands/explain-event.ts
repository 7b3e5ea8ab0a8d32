// Decides about one event as `/collect` would, and keeps every rule on the way. Nothing is stored and nothing is sent.

import { collectEvidence, countryHints, signals } from '../consent/index.ts';
import type { EvidenceBundle, RuleNote } from '../core/consent.ts';
import { CannotRun } from '../core/errors.ts';
import { sha256Hex } from '../core/identity.ts';
import { createDecide, type DecidedEvent, type Objection } from '../core/policy.ts';
import type { Destination, SourceEvent } from '../core/ports.ts';
import { type RegionEvidence, type RegionIndication, resolveRegion } from '../core/region.ts';
import type { Site } from '../core/settings.ts';
import { destinations } from '../destinations/index.ts';
import type { CountryOf } from '../region-database.ts';
import { browser } from '../sources/browser.ts';
import { createIds } from '../system.ts';
import type { Explained, Explanation } from './explanation.ts';

/** What the peer would have shown. */
export interface Shown {
  readonly site: Site;
  readonly atMs: number;
  readonly ip: string | null;
  readonly country: string | null;
  /** The configured region database; null = none. */
  readonly countryOf: CountryOf | null;
}

/** What was not looked at because it is in the store. */
export const STORE_NOT_READ = 'duplicates, withdrawals and erasures were not looked at: they are in the store';

/**
 * Explains one event as `/collect` takes it.
 * @throws Problem `event_invalid`
 */
export function explainEvent(body: unknown, shown: Shown): Explanation {
  const found = parseEvent(body, shown);
  const bundle = collectEvidence(found.consent === null ? [] : [found.consent], (text) => sha256Hex(text).slice(0, 32));
  const region = regionOf(found, bundle, shown);
  const { name, eventId, source, trust, timeMs } = found.event;
  return {
    event: { name, eventId, source, trust },
    site: shown.site.id,
    policy: shown.site.policy,
    region,
    atMs: shown.atMs,
    bundle,
    explained: decideFor({ name, objections: objectionsTo(found, shown.site) }, { ...shown, timeMs, bundle, region }),
    logged: null,
    notes: notesOn(found, shown),
  };
}

export interface Situation {
  readonly site: Site;
  readonly atMs: number;
  /** When the event happened. Epoch milliseconds. */
  readonly timeMs: number;
  readonly bundle: EvidenceBundle;
  readonly region: RegionEvidence;
}

/** Decides for every destination, with what only the store knows taken as harmless. */
export function decideFor(
  event: DecidedEvent,
  { site, atMs, timeMs, bundle, region }: Situation,
): readonly Explained[] {
  const decide = createDecide(signals);
  return destinations.map((destination) => {
    const rules: RuleNote[] = [];
    const settings = site.destinations.get(destination.id);
    const facts = {
      destination: destination.id,
      atMs,
      configured: settings !== undefined,
      mapped: settings !== undefined && destination.maps(event.name, settings),
      duplicate: false,
      erased: false,
      withdrawnMs: null,
      paused: false,
      transactional: settings !== undefined && destination.withoutConsent?.(event.name, settings) === true,
    };
    const objections = [...event.objections, ...ageObjection(destination, atMs - timeMs)];
    const listener = (note: RuleNote) => rules.push(note);
    return { decision: decide({ ...event, objections }, bundle, region, site.policy, facts, listener), rules };
  });
}

// Raised where an event is accepted, like the facts.
function ageObjection({ id, maxAgeMs }: Destination, ageMs: number): readonly Objection[] {
  return maxAgeMs !== null && ageMs > maxAgeMs ? [{ code: 'event.too_old', destination: id }] : [];
}

const SERVER_KEYS = ['client_ip', 'user_agent', 'country'];

/** Only a server with a token may send these keys: an event that has them is read as a server's. */
function parseEvent(body: unknown, { atMs, ip }: Shown): SourceEvent {
  const isServers = typeof body === 'object' && body !== null && SERVER_KEYS.some((key) => Object.hasOwn(body, key));
  const trust = isServers ? 'server' : 'browser';
  const request = { trust, body, receivedMs: atMs, batchEvents: 1, client: { ip, userAgent: null } } as const;
  const [event] = browser.parse(request, createIds()).events;
  if (event === undefined) throw new CannotRun('there is no event to explain');
  return event;
}

function regionOf({ event, indications }: SourceEvent, bundle: EvidenceBundle, shown: Shown): RegionEvidence {
  const all: RegionIndication[] = [
    { country: event.trust === 'browser' ? shown.country : null, basis: 'proxy_header' },
    { country: databaseCountry(event.client.ip ?? shown.ip, shown), basis: 'ip_database' },
    ...indications,
    ...countryHints(bundle).map((country): RegionIndication => ({ country, basis: 'hint' })),
  ];
  return resolveRegion(all, shown.site.policy.regions);
}

function databaseCountry(ip: string | null, { countryOf }: Shown): string | null {
  return ip === null || countryOf === null ? null : countryOf(ip);
}

function objectionsTo({ event, objections }: SourceEvent, { purchases }: Site): readonly Objection[] {
  const isSuperseded = purchases === 'webhook' && event.source === 'browser' && event.name === 'purchase';
  return isSuperseded ? [...objections, { code: 'event.superseded', destination: '*' }] : objections;
}

function notesOn({ event }: SourceEvent, { ip, country, countryOf }: Shown): readonly string[] {
  return [
    STORE_NOT_READ,
    ...(event.trust === 'server' && country !== null
      ? ["--country was not used: a server's event names its own country"]
      : []),
    ...(ip === null || countryOf !== null ? [] : ['--ip decides nothing: no region database is configured']),
  ];
}
