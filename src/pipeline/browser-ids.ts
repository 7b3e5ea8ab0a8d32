// Meta's browser ids of a page that sends events: read from body and cookies, made where consent will let them be stored.
// What is made goes into the sealed payload, which Meta alone gets and only by a permit; the cookie is set after it.
// https://developers.facebook.com/docs/marketing-api/conversions-api/parameters/fbp-and-fbc

import { isIP } from 'node:net';
import type { CollectedEvent } from '../core/event.ts';
import { type Keys, keyedHash } from '../core/identity.ts';
import type { Ids } from '../core/ports.ts';
import type { Site } from '../core/settings.ts';
import type { RequestContext } from './evidence.ts';

/** What an event carries, and what the browser may be told to keep: null = nothing, or it keeps what it has. */
export interface BrowserIds {
  readonly ids: CollectedEvent['ids'];
  readonly cookies: MetaCookies;
}

export interface MetaCookies {
  readonly fbp: string | null;
  readonly fbc: string | null;
}

export const NO_META_COOKIES: MetaCookies = { fbp: null, fbc: null };

/** @param visitors ids by which the visitor is known already */
export type FindBrowserIds = (
  event: CollectedEvent,
  context: RequestContext,
  visitors: readonly string[],
) => BrowserIds;

// fb.subdomainIndex.creationTime.id, and a fifth segment where Meta's own library wrote the value: kept, never added.
// The id of a click holds what may stand in a cookie (RFC 6265, 4.1.1), because that is where it goes.
const FBC = /^fb\.\d{1,3}\.\d{1,15}\.(?<id>[\x21\x23-\x2b\x2d\x2f-\x3a\x3c-\x5b\x5d-\x7e]+)(?:\.[\w-]{2}|\.[\w-]{8})?$/;
const FBP = /^fb\.\d{1,3}\.\d{1,15}\.(?<id>\d+)(?:\.[\w-]{2}|\.[\w-]{8})?$/;
const CLICK_ID = /^[\w-]{1,500}$/;
const MAX_LENGTH = 600;
const WEEK_MS = 7 * 86_400_000;
/** The random part is an integer below 2^31, as Meta's own library makes it. */
const RANDOM_END = 2 ** 31 - 1;

/** Binds keys and randomness, and remembers for a few seconds what was made: first hits come together. */
export function createBrowserIds({ keys, ids }: { readonly keys: Keys; readonly ids: Ids }): FindBrowserIds {
  const remember = createMemory();
  const madeOnce = ({ site, receivedMs }: RequestContext, parts: readonly string[], make: () => string) =>
    remember(keyedHash(keys.lookup, 16, site.id, ...parts), receivedMs, make);
  return (event, context, visitors) => {
    if (!mayKeep(event, context)) return { ids: event.ids, cookies: NO_META_COOKIES };
    const prefix = `fb.${subdomainIndex(context)}.${seenMs(event, context)}`;
    const who = visitors[0] === undefined ? connectionOf(event) : ['visitor', visitors[0]];
    const fbp = choose([event.ids?.fbp, ...context.cookie('_fbp')], FBP);
    const click = clickOf(event, context.site);
    const fbc = choose([event.ids?.fbc, ...context.cookie('_fbc')], FBC, click);
    const chosen = {
      fbp: fbp ?? madeOnce(context, ['fbp', ...who], () => `${prefix}.${1 + Math.floor(ids.random() * RANDOM_END)}`),
      fbc: fbc ?? (click === null ? null : madeOnce(context, ['fbc', click, ...who], () => `${prefix}.${click}`)),
    };
    return {
      ids: withIds(event.ids, chosen),
      cookies: {
        fbp: toKeep(chosen.fbp, { isNew: fbp === null, held: choose(context.cookie('_fbp'), FBP) }),
        fbc: toKeep(chosen.fbc, { isNew: fbc === null, held: choose(context.cookie('_fbc'), FBC) }),
      },
    };
  };
}

// Nothing is made for a server, for a page without a listed Origin (its answer sets no cookie), or where Meta gets nothing.
function mayKeep({ trust }: CollectedEvent, { origin, site }: RequestContext): boolean {
  return trust === 'browser' && origin !== null && site.destinations.has('meta');
}

/** The first well-formed value; where the visitor comes by a click, the first of that very click (its fourth segment). */
function choose(values: readonly (string | undefined)[], form: RegExp, click: string | null = null): string | null {
  const found = values.find((value) => {
    if (value === undefined || value.length > MAX_LENGTH) return false;
    const id = form.exec(value)?.groups?.['id'];
    return id !== undefined && (click === null || id === click);
  });
  return found ?? null;
}

// A value that the page names and the browser does not hold is the page's own: it is sent, and replaces no cookie.
function toKeep(value: string | null, { isNew, held }: { isNew: boolean; held: string | null }): string | null {
  return isNew || held === null || held === value ? value : null;
}

function withIds(own: CollectedEvent['ids'], { fbp, fbc }: MetaCookies): CollectedEvent['ids'] {
  const { fbp: _fbp, fbc: _fbc, ...others } = own ?? {};
  const all = { ...others, ...(fbp === null ? {} : { fbp }), ...(fbc === null ? {} : { fbc }) };
  return Object.keys(all).length > 0 ? all : undefined;
}

/** When click or browser were first seen: the event's time, unless it is beyond what Meta takes at all. */
function seenMs({ timeMs }: CollectedEvent, { receivedMs }: RequestContext): number {
  return timeMs < receivedMs - WEEK_MS ? receivedMs : timeMs;
}

/** The number of dots in the domain of the cookie; without one the cookie is the page's host's. An address has none. */
function subdomainIndex({ site, origin }: RequestContext): number {
  const host = site.cookieDomain ?? URL.parse(origin ?? '')?.hostname ?? '';
  return isIP(host.replace(/^\[|\]$/g, '')) === 0 ? host.split('.').length - 1 : 0;
}

// What one browser's hits of one moment have in common when nothing names it yet: where from, by what, on which page.
function connectionOf({ client, page }: CollectedEvent): readonly string[] {
  return ['connection', client.ip ?? '', client.userAgent ?? '', page?.url ?? '', page?.referrer ?? ''];
}

/** The click id of the event, of its page, or of the page before it where that was the shop's. Case is kept. */
function clickOf({ ids, page }: CollectedEvent, site: Site): string | null {
  const found = [
    ids?.fbclid,
    parameterOf(page?.url),
    isOwnPage(page?.referrer, site) ? parameterOf(page?.referrer) : null,
  ];
  return found.find((click) => click !== null && click !== undefined && CLICK_ID.test(click)) ?? null;
}

function parameterOf(url: string | undefined): string | null {
  const query = /^[^?#]*\?([^#]*)/.exec(url ?? '')?.[1];
  return query === undefined ? null : new URLSearchParams(query).get('fbclid');
}

// Another site's address with a click id tells of an advertisement of that site.
function isOwnPage(url: string | undefined, { cookieDomain, origins }: Site): boolean {
  const host = URL.parse(/^https?:\/\//i.test(url ?? '') ? (url ?? '') : `https://${url}`)?.hostname;
  if (host === undefined) return false;
  if (cookieDomain !== null && (host === cookieDomain || host.endsWith(`.${cookieDomain}`))) return true;
  return origins.some((origin) => URL.parse(origin)?.hostname === host);
}

/** Hits of one browser that come within this time are one moment. */
const MOMENT_MS = 5_000;
const MAX_REMEMBERED = 20_000;

/** Values by name, each for a moment; the oldest go first. */
function createMemory(): (name: string, nowMs: number, make: () => string) => string {
  const made = new Map<string, { readonly value: string; readonly untilMs: number }>();
  const forget = (nowMs: number): void => {
    for (const [name, { untilMs }] of made) {
      if (untilMs > nowMs && made.size < MAX_REMEMBERED) return;
      made.delete(name);
    }
  };
  return (name, nowMs, make) => {
    const known = made.get(name);
    if (known !== undefined && known.untilMs > nowMs) return known.value;
    forget(nowMs);
    made.delete(name);
    const value = make();
    made.set(name, { value, untilMs: nowMs + MOMENT_MS });
    return value;
  };
}
