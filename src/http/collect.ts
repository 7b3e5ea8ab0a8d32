// The two doors for browsers and the shop's own servers: `POST /collect` and `POST /consent`.

import type { Request, RequestHandler, Response } from 'express';
import type { RawConsent } from '../core/consent.ts';
import { Problem } from '../core/errors.ts';
import type { Clock, Ids, Source } from '../core/ports.ts';
import type { ChangeConsent, ConsentReport } from '../pipeline/consent-change.ts';
import type { RequestContext } from '../pipeline/evidence.ts';
import type { Ingest, Ingested } from '../pipeline/ingest.ts';
import { readJson } from './body.ts';
import { type Cookies, deleteCookies, parseCookies, setMetaCookie, setVisitorCookie } from './cookies.ts';
import type { HttpMetrics } from './metrics.ts';
import { clientAddress, proxyCountry, type Trusts } from './peer.ts';
import { sendJson } from './problems.ts';
import type { RateLimit } from './rate.ts';
import type { Admission, Sites } from './sites.ts';

export interface DoorParts {
  /** The source behind `/collect`. */
  readonly source: Source;
  readonly readConsentReport: (body: unknown) => ConsentReport;
  readonly ingest: Ingest;
  readonly changeConsent: ChangeConsent;
  /** Body, cookies and the Sec-GPC header → carriers of consent. */
  readonly carriersOf: (own: RawConsent | null, cookies: Cookies, secGpc: string | null) => readonly RawConsent[];
  readonly metrics: HttpMetrics;
  readonly clock: Clock;
  readonly ids: Ids;
  /** True once the program was told to stop. */
  readonly draining: () => boolean;
  readonly limits: { readonly bodyBytes: number; readonly batchEvents: number };
  readonly regionHeader: string | null;
}

export interface Door extends DoorParts {
  readonly sites: Sites;
  readonly rateLimit: RateLimit;
  readonly trusts: Trusts;
}

/** `POST /collect`: accepts events, answers once they are on disk. */
export function collect(door: Door): RequestHandler {
  return async (req, res) => {
    const admission = await admit(door, req);
    const body = await readJson(req, door.limits.bodyBytes);
    const context = contextOf(door, req, admission);
    const isServer = admission.origin === null;
    const result = door.source.parse(
      {
        trust: isServer ? 'server' : 'browser',
        body,
        receivedMs: context.receivedMs,
        batchEvents: door.limits.batchEvents,
        client: isServer
          ? { ip: null, userAgent: null }
          : { ip: clientAddress(req), userAgent: req.headers['user-agent'] ?? null },
      },
      door.ids,
    );
    const { metrics } = door;
    metrics.received(admission.site.id, door.source.name, result.events.length + result.rejected.length);
    if (result.rejected.length > 0) metrics.rejected('event_invalid', result.rejected.length);
    const ingested = await door.ingest(context, result);
    for (const { verdicts } of ingested.accepted) metrics.decided(admission.site.id, verdicts);
    keep(res, admission, ingested);
    sendJson(res, 202, ingested.answer);
  };
}

function keep(res: Response, { site }: Admission, { visitorToStore, metaCookies }: Ingested): void {
  if (visitorToStore !== null) setVisitorCookie(res, site.cookieDomain, visitorToStore);
  const { fbp, fbc } = metaCookies;
  if (fbp !== null) setMetaCookie(res, site.cookieDomain, { name: '_fbp', value: fbp });
  if (fbc !== null) setMetaCookie(res, site.cookieDomain, { name: '_fbc', value: fbc });
}

/** `POST /consent`: a visitor's new consent state. */
export function consent(door: Door): RequestHandler {
  return async (req, res) => {
    const admission = await admit(door, req);
    const report = door.readConsentReport(await readJson(req, door.limits.bodyBytes));
    const { answer, cookies } = await door.changeConsent(contextOf(door, req, admission), report);
    forget(res, admission, cookies);
    sendJson(res, 202, answer);
  };
}

function forget(res: Response, { site, origin }: Admission, which: 'all' | 'meta' | 'none'): void {
  if (which !== 'none' && origin !== null) deleteCookies(res, site.cookieDomain, which);
}

/** Everything that is refused before the body is read. */
async function admit(door: Door, req: Request): Promise<Admission> {
  if (door.draining()) throw new Problem('unavailable', 'the server is stopping');
  const admission = door.sites.admit(req);
  const client = clientAddress(req) ?? req.socket.remoteAddress ?? 'unknown';
  if (admission.origin !== null) await door.rateLimit(client);
  return admission;
}

function contextOf(door: Door, req: Request, { site, origin }: Admission): RequestContext {
  const isServer = origin === null;
  const cookies = parseCookies(isServer ? undefined : req.headers.cookie);
  const secGpc = isServer ? null : gpcOf(req);
  return {
    site,
    origin,
    receivedMs: door.clock(),
    carriersOf: (own) => door.carriersOf(own, cookies, secGpc),
    cookie: (name) => cookies.get(name) ?? [],
    proxyCountry: isServer ? null : proxyCountry(req, door.regionHeader, door.trusts),
    clientIp: isServer ? null : clientAddress(req),
  };
}

/** The Sec-GPC header; of several the one that opts out. */
function gpcOf(req: Request): string | null {
  const values = req.headersDistinct['sec-gpc'] ?? [];
  return values.find((value) => value.trim() === '1') ?? values[0] ?? null;
}
