// `GET /sluice.js`: the storefront script, cacheable, revalidated by a strong ETag.

import type { RequestHandler } from 'express';
import { Problem } from '../core/errors.ts';

/** The built script. `etag` is quoted and strong. */
export interface Script {
  readonly body: Buffer;
  readonly etag: string;
}

const CACHE = 'public, max-age=3600, stale-while-revalidate=86400';

/** Serves the script; without one there is nothing at the address. */
export function script(current: () => Script | null): RequestHandler {
  return (req, res) => {
    const found = current();
    if (found === null) throw new Problem('not_found');
    res.setHeader('ETag', found.etag);
    res.setHeader('Cache-Control', CACHE);
    if (isFresh(req.headers['if-none-match'], found.etag)) {
      res.writeHead(304).end();
      return;
    }
    res.writeHead(200, { 'Content-Type': 'text/javascript; charset=utf-8', 'Content-Length': found.body.length });
    res.end(found.body);
  };
}

/** RFC 9110, section 13.1.2: compared weakly, so that a proxy's `W/` is no difference. */
function isFresh(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false;
  return header.split(',').some((one) => one.trim() === '*' || one.trim().replace(/^W\//, '') === etag);
}
