// What a request shows of consent and place, joined from the body and the request's own cookies.

import type { KeyObject } from 'node:crypto';
import type { EvidenceBundle, RawConsent } from '../core/consent.ts';
import { type Keys, keyedHash } from '../core/identity.ts';
import { canonicalJson } from '../core/json.ts';
import { type RegionEvidence, type RegionIndication, resolveRegion } from '../core/region.ts';
import type { Site } from '../core/settings.ts';

/** What the consent column does for the pipeline, and the keys that both need. */
export interface EvidenceParts {
  readonly keys: Keys;
  /** The current epoch key: it changes while the program runs. */
  readonly epochKey: () => KeyObject;
  readonly collectEvidence: (carriers: readonly RawConsent[], keyedHash: (text: string) => string) => EvidenceBundle;
  /** Countries that the signals themselves name: written by the client, so that they tighten only. */
  readonly hintsOf: (bundle: EvidenceBundle) => readonly string[];
  /** The country of an address by the operator's database; null where it knows none, or none is configured. */
  readonly countryOf: (ip: string) => string | null;
}

/** What the connection shows beside the body. Empty for a request with a token: its cookies and headers are the server's own. */
export interface RequestContext {
  readonly site: Site;
  readonly receivedMs: number;
  /** The listed Origin of the page; null with a token. */
  readonly origin: string | null;
  /** The carriers of an event's consent: its own, if it brings one, and those of the request's cookies and headers. */
  readonly carriersOf: (own: RawConsent | null) => readonly RawConsent[];
  /** Raw values of a cookie, the first one first. */
  readonly cookie: (name: string) => readonly string[];
  /** From the region header of a trusted proxy. */
  readonly proxyCountry: string | null;
  /** The visitor's address; null for a request with a token. */
  readonly clientIp: string | null;
}

export interface Shown {
  /** Canonical JSON. */
  readonly evidence: string;
  readonly region: RegionEvidence;
}

const HASH_BYTES = 16;

/** Collects the evidence of one event from all its carriers, and resolves its region. */
export function showEvidence(
  parts: EvidenceParts,
  context: RequestContext,
  own: {
    readonly consent: RawConsent | null;
    readonly indications: readonly RegionIndication[];
    /** Of an event: a server names its visitor's address. */
    readonly ip?: string | null;
  },
): Shown {
  const bundle = parts.collectEvidence(context.carriersOf(own.consent), (text) => hexHash(parts.keys, text));
  const ip = own.ip ?? context.clientIp;
  const indications: RegionIndication[] = [
    { country: context.proxyCountry, basis: 'proxy_header' },
    { country: ip === null ? null : parts.countryOf(ip), basis: 'ip_database' },
    ...own.indications,
    ...parts.hintsOf(bundle).map((country): RegionIndication => ({ country, basis: 'hint' })),
  ];
  return { evidence: canonicalJson(bundle), region: resolveRegion(indications, context.site.policy.regions) };
}

/** A keyed hash as hex: the printable form of a value that is not kept. */
export function hexHash(keys: Keys, ...parts: readonly string[]): string {
  return Buffer.from(keyedHash(keys.lookup, HASH_BYTES, ...parts), 'latin1').toString('hex');
}

const VISITOR_ID_LENGTH = 128;
// A browser holds one or two of a name (host-only and domain); whoever writes more of them is no browser.
const MAX_VISITORS = 4;

/** Visitor ids from cookies: decoded, without what could not be an id, each once. */
export function visitorCookies(context: RequestContext, names: readonly string[]): readonly string[] {
  const ids = names.flatMap((name) => context.cookie(name)).flatMap((raw) => decodeId(raw) ?? []);
  return [...new Set(ids)].slice(0, MAX_VISITORS);
}

function decodeId(raw: string): string | null {
  try {
    const id = decodeURIComponent(raw);
    return id.trim() === '' || id.length > VISITOR_ID_LENGTH || /\p{Cc}/u.test(id) ? null : id;
  } catch {
    return null;
  }
}
