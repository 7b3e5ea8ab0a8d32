// The operators' listener: liveness, readiness, metrics. Nothing else is there.

import type { Express, RequestHandler } from 'express';
import { Problem } from '../core/errors.ts';
import type { Intake } from '../core/ports.ts';
import { createApp, get, health } from './app.ts';
import type { HttpMetrics } from './metrics.ts';
import { type ErrorLog, notFound, problemHandler, sendJson } from './problems.ts';

export interface OpsAppParts {
  readonly intake: Pick<Intake, 'health' | 'metrics'>;
  readonly metrics: HttpMetrics;
  readonly draining: () => boolean;
  readonly log: ErrorLog;
}

/** The application of the ops listener. */
export function createOpsApp(parts: OpsAppParts): Express {
  const { metrics } = parts;
  const app = createApp();
  get(app, metrics.counts('healthz'), '/healthz', health);
  get(app, metrics.counts('readyz'), '/readyz', readiness(parts));
  get(app, metrics.counts('metrics'), '/metrics', exposition(parts));
  app.use(metrics.counts('other'), notFound);
  app.use(problemHandler(parts.log));
  return app;
}

function readiness({ intake, draining }: OpsAppParts): RequestHandler {
  return async (_req, res) => {
    if (draining()) throw new Problem('unavailable', 'the server is stopping');
    const { ready, why } = await intake.health();
    if (!ready) throw new Problem('unavailable', why ?? 'the store cannot accept now');
    sendJson(res, 200, { status: 'ready' });
  };
}

function exposition({ metrics, intake }: OpsAppParts): RequestHandler {
  return async (_req, res) => {
    const [ours, theirs] = await Promise.all([metrics.text(), intake.metrics()]);
    res.writeHead(200, { 'Content-Type': metrics.contentType });
    res.end(ours.endsWith('\n') ? ours + theirs : `${ours}\n${theirs}`);
  };
}
