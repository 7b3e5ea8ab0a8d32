// Cookies in and out. The request's are read raw and with all repetitions, because of two values of one name the stricter
// consent counts; cookie-parser decodes and keeps the first alone.

import type { Response } from 'express';

export type Cookies = ReadonlyMap<string, readonly string[]>;

const NO_COOKIES: Cookies = new Map();

/** The Cookie header as name → raw values in their order (RFC 6265, section 5.4, read leniently as servers do). */
export function parseCookies(header: string | undefined): Cookies {
  if (header === undefined) return NO_COOKIES;
  const cookies = new Map<string, string[]>();
  for (const pair of header.split(';')) {
    const at = pair.indexOf('=');
    if (at < 0) continue;
    const name = pair.slice(0, at).trim();
    const values = cookies.get(name);
    if (values === undefined) cookies.set(name, [pair.slice(at + 1).trim()]);
    else values.push(pair.slice(at + 1).trim());
  }
  return cookies;
}

// 400 days, the longest that Chrome and Firefox keep any cookie (rfc6265bis).
const VISITOR_MAX_AGE_SECONDS = 34_560_000;

/** Stores the visitor id on the device. Only after a decision that allows storage. */
export function setVisitorCookie(res: Response, domain: string | null, visitorId: string): void {
  // Half a surrogate pair has no encoding.
  if (!visitorId.isWellFormed()) return;
  const value = encodeURIComponent(visitorId);
  res.append('Set-Cookie', `_slc=${value}; Max-Age=${VISITOR_MAX_AGE_SECONDS}; ${attributes(domain)}; HttpOnly`);
}

// 90 days, counted anew at each visit (Meta, "fbp and fbc parameters"). Meta's pixel reads them: they are not HttpOnly.
const META_MAX_AGE_SECONDS = 7_776_000;

/** Stores one of Meta's browser ids, or keeps it for longer. Only after a decision that allows storage for Meta. */
export function setMetaCookie(
  res: Response,
  domain: string | null,
  cookie: { name: '_fbp' | '_fbc'; value: string },
): void {
  const { name, value } = cookie;
  res.append('Set-Cookie', `${name}=${value}; Max-Age=${META_MAX_AGE_SECONDS}; ${attributes(domain)}`);
}

const META_COOKIES = ['_fbp', '_fbc'];
const ALL_COOKIES = ['_slc', ...META_COOKIES, '_dcid'];

/** Deletes what a withdrawal forbids: with the same Domain and Path, or the browser keeps it. */
export function deleteCookies(res: Response, domain: string | null, which: 'all' | 'meta'): void {
  for (const name of which === 'all' ? ALL_COOKIES : META_COOKIES) {
    res.append('Set-Cookie', `${name}=; Max-Age=0; ${attributes(domain)}`);
  }
}

function attributes(domain: string | null): string {
  return `${domain === null ? '' : `Domain=${domain}; `}Path=/; Secure; SameSite=Lax`;
}
