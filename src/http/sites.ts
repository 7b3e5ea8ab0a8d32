// Which site a request belongs to: by its exact Origin, or by a server's token.

import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { Problem } from '../core/errors.ts';
import type { Site } from '../core/settings.ts';

/** The site, and how it was shown. `origin` is null exactly for a server with a token. */
export interface Admission {
  readonly site: Site;
  readonly origin: string | null;
}

export interface Sites {
  /**
   * The site of a request. A token beats an Origin.
   * @throws Problem `token_invalid`, `origin_not_allowed`
   */
  admit(req: IncomingMessage): Admission;
  /** The site that lists the request's one Origin. */
  byOrigin(req: IncomingMessage): Site | null;
}

/** Prepares the look-ups. Tokens are kept as SHA-256, so that comparing takes the same time for any length. */
export function createSites(sites: readonly Site[]): Sites {
  const origins = new Map(sites.flatMap((site) => site.origins.map((origin) => [origin, site] as const)));
  const tokens = sites.flatMap((site) => site.serverTokens.map((token) => ({ digest: sha256(token.reveal()), site })));
  const byToken = (presented: string): Site | null => {
    const digest = sha256(presented);
    // All are compared, so that the time says nothing about which one came close.
    const found = tokens.filter((token) => timingSafeEqual(token.digest, digest));
    return found[0]?.site ?? null;
  };
  const byOrigin = (req: IncomingMessage): Site | null => {
    const origin = singleOrigin(req);
    return origin === null ? null : (origins.get(origin) ?? null);
  };
  return { byOrigin, admit: (req) => admit(req, byToken, byOrigin) };
}

function admit(
  req: IncomingMessage,
  byToken: (presented: string) => Site | null,
  byOrigin: (req: IncomingMessage) => Site | null,
): Admission {
  const presented = bearerOf(req);
  if (presented !== null) {
    const site = byToken(presented);
    if (site === null) throw new Problem('token_invalid');
    return { site, origin: null };
  }
  const site = byOrigin(req);
  if (site === null) throw new Problem('origin_not_allowed');
  return { site, origin: singleOrigin(req) };
}

function singleOrigin(req: IncomingMessage): string | null {
  const values = req.headersDistinct['origin'] ?? [];
  return values.length === 1 ? (values[0] ?? null) : null;
}

/** The token, '' for one that cannot be read; null where there is none. Another scheme is no token. */
function bearerOf(req: IncomingMessage): string | null {
  const values = req.headersDistinct['authorization'] ?? [];
  if (!values.some((value) => /^bearer\b/i.test(value))) return null;
  const match = /^bearer +([\x21-\x7e]+)$/i.exec(values.length === 1 ? (values[0] ?? '') : '');
  return match?.[1] ?? '';
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text, 'utf8').digest();
}
