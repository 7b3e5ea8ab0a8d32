// The HTTP half's metrics (contract section 8). No ids and no free text in labels.

import type { RequestHandler, Response } from 'express';
import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import type { ProblemCode } from '../core/errors.ts';
import type { AcceptedVerdict } from '../core/ports.ts';

/** The closed list of routes. */
export type Route = 'collect' | 'consent' | 'script' | 'healthz' | 'readyz' | 'metrics' | 'other';

export interface HttpMetrics {
  received(site: string, source: string, events: number): void;
  rejected(code: ProblemCode, count: number): void;
  decided(site: string, verdicts: readonly AcceptedVerdict[]): void;
  /** Counts the answers of a route. */
  counts(route: Route): RequestHandler;
  /** The Prometheus text format. */
  text(): Promise<string>;
  readonly contentType: string;
}

/** Makes the metrics in a registry of their own. */
export function createHttpMetrics(version: string): HttpMetrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const counters = makeCounters(registry);
  new Gauge({
    name: 'sluice_build_info',
    help: 'The running version; always 1.',
    labelNames: ['version', 'node'],
    registers: [registry],
  }).set({ version, node: process.version }, 1);
  return {
    received: (site, source, events) => counters.received.inc({ site, source }, events),
    rejected: (code, count) => counters.rejected.inc({ code }, count),
    decided: (site, verdicts) => {
      for (const { destination, verdict, reason } of verdicts) {
        counters.decisions.inc({ site, destination, verdict, reason });
      }
    },
    counts: (route) => countRoute(counters.requests, route),
    text: () => registry.metrics(),
    contentType: registry.contentType,
  };
}

function makeCounters(registry: Registry) {
  const counter = <L extends string>(name: string, help: string, labelNames: readonly L[]) =>
    new Counter({ name, help, labelNames: [...labelNames], registers: [registry] });
  return {
    received: counter('sluice_events_received_total', 'Events that came with a request of a known site.', [
      'site',
      'source',
    ]),
    rejected: counter('sluice_events_rejected_total', 'Requests and events of a batch that were refused.', ['code']),
    decisions: counter('sluice_decisions_total', 'Decisions, one for each event and destination.', [
      'site',
      'destination',
      'verdict',
      'reason',
    ]),
    requests: counter('sluice_http_requests_total', 'Answers.', ['route', 'code']),
  };
}

function countRoute(requests: Counter<'route' | 'code'>, route: Route): RequestHandler {
  return (_req, res, next) => {
    res.locals['route'] = route;
    res.once('finish', () => requests.inc({ route, code: String(res.statusCode) }));
    next();
  };
}

/** The route that took a request. */
export function routeOf(res: Response): unknown {
  return res.locals['route'];
}
