// The public listener's application: its routes, and what every answer carries.

import express, { type Express, type RequestHandler } from 'express';
import type { Config } from '../core/settings.ts';
import { collect, consent, type Door, type DoorParts } from './collect.ts';
import { cors, preflight } from './cors.ts';
import { type HttpMetrics, type Route, routeOf } from './metrics.ts';
import { type ErrorLog, methodNotAllowed, notFound, type OnProblem, problemHandler, sendJson } from './problems.ts';
import { createRateLimit } from './rate.ts';
import { type Script, script } from './script.ts';
import { createSites } from './sites.ts';

export interface CollectAppParts extends Omit<DoorParts, 'limits' | 'regionHeader'> {
  readonly config: Pick<Config, 'listen' | 'limits' | 'region' | 'sites'>;
  /** The storefront script; null where it was not built. */
  readonly script: () => Script | null;
  readonly log: ErrorLog;
}

/** The application of the collect listener. */
export function createCollectApp(parts: CollectAppParts): Express {
  const { config, metrics } = parts;
  const app = createApp();
  app.set('trust proxy', [...config.listen.trustedProxies]);
  const sites = createSites(config.sites);
  const door: Door = {
    ...parts,
    sites,
    rateLimit: createRateLimit(config.limits.ratePerClientPerMinute),
    trusts: app.get('trust proxy fn'),
    limits: config.limits,
    regionHeader: config.region.header,
  };
  const { paths } = config.listen.collect;
  app.use(closeWhenDraining(parts.draining));
  get(app, metrics.counts('healthz'), '/healthz', health);
  get(app, metrics.counts('script'), paths.script, script(parts.script));
  app.use(cors(sites));
  const post = (path: string, route: Route, handler: RequestHandler) =>
    app
      .route(exactly(path))
      .all(metrics.counts(route))
      .post(handler)
      .options(preflight(sites))
      .all(methodNotAllowed('POST, OPTIONS'));
  post(paths.collect, 'collect', collect(door));
  post(paths.consent, 'consent', consent(door));
  app.use(metrics.counts('other'), notFound);
  app.use(problemHandler(parts.log, rejectedEvents(metrics)));
  return app;
}

/** An Express application that reads nothing by itself and says nothing of itself. */
export function createApp(): Express {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.set('query parser', false);
  app.enable('strict routing');
  app.enable('case sensitive routing');
  app.use((_req, res, next) => {
    res.setHeader('Cache-Control', 'no-store');
    res.setHeader('X-Content-Type-Options', 'nosniff');
    // The shop's pages are of another origin than the collector.
    res.setHeader('Cross-Origin-Resource-Policy', 'cross-origin');
    next();
  });
  return app;
}

/** A route that knows GET and HEAD. */
export function get(app: Express, counts: RequestHandler, path: string, handler: RequestHandler): void {
  app.route(exactly(path)).all(counts).get(handler).all(methodNotAllowed('GET, HEAD'));
}

/** Liveness: the same few bytes as long as the process answers at all. */
export const health: RequestHandler = (_req, res) => sendJson(res, 200, { status: 'ok' });

/** A path of the configuration, taken literally: Express reads patterns. */
function exactly(path: string): string {
  return path.replaceAll(/[{}()[\]+?!:*\\]/g, '\\$&');
}

/** Events alone are counted as rejected: not what scanners look for at other addresses. */
function rejectedEvents(metrics: HttpMetrics): OnProblem {
  return ({ code }, req, res) => {
    if (routeOf(res) === 'collect' && req.method === 'POST') metrics.rejected(code, 1);
  };
}

/** While stopping, each connection ends with its answer. */
function closeWhenDraining(draining: () => boolean): RequestHandler {
  return (_req, res, next) => {
    if (draining()) res.setHeader('Connection', 'close');
    next();
  };
}
