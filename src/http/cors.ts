// CORS for the shop's pages: the listed Origin is echoed, with credentials; nothing else ever is.

import type { RequestHandler } from 'express';
import { Problem } from '../core/errors.ts';
import type { Sites } from './sites.ts';

// Chrome keeps a preflight's answer for two hours at most.
const PREFLIGHT_MAX_AGE_SECONDS = 7200;

/** Marks every answer, problems included, for the Origin that it may be read by. */
export function cors(sites: Sites): RequestHandler {
  return (req, res, next) => {
    res.vary('Origin');
    const { origin } = req.headers;
    if (origin !== undefined && sites.byOrigin(req) !== null) {
      res.setHeader('Access-Control-Allow-Origin', origin);
      res.setHeader('Access-Control-Allow-Credentials', 'true');
    }
    next();
  };
}

/** Answers the preflight of a POST with a JSON body. The browser itself refuses what is not listed here. */
export function preflight(sites: Sites): RequestHandler {
  return (req, res) => {
    if (sites.byOrigin(req) === null) throw new Problem('origin_not_allowed');
    res.writeHead(204, {
      'Access-Control-Allow-Methods': 'POST',
      'Access-Control-Allow-Headers': 'content-type',
      'Access-Control-Max-Age': String(PREFLIGHT_MAX_AGE_SECONDS),
    });
    res.end();
  };
}
