// A shop's collect app before a recorder that stands in for the store: the port is the seam.

import type { Express } from 'express';
import request from 'supertest';
import { expect } from 'vitest';
import { carriersOf } from '../../src/consent/carriers.ts';
import { collectEvidence, countryHints } from '../../src/consent/index.ts';
import { deriveKeys } from '../../src/core/identity.ts';
import { identifyPolicy } from '../../src/core/policy-file.ts';
import type {
  Accepted,
  AcceptedVerdict,
  Candidate,
  ConsentChange,
  ConsentChanged,
  DeadLetter,
  Ids,
  Intake,
} from '../../src/core/ports.ts';
import { type Config, Secret, type Site } from '../../src/core/settings.ts';
import { type CollectAppParts, createCollectApp } from '../../src/http/app.ts';
import { createHttpMetrics, type HttpMetrics } from '../../src/http/metrics.ts';
import { createConsentChange } from '../../src/pipeline/consent-change.ts';
import { createIngest } from '../../src/pipeline/ingest.ts';
import { browser } from '../../src/sources/browser.ts';
import { readConsentReport } from '../../src/sources/consent-report.ts';

export const ORIGIN = 'https://shop.example';
export const TOKEN = 'srv-5f1c7a0e9d';
export const NOW_MS = Date.parse('2026-11-24T08:00:00Z');
export const KEYS = deriveKeys(Buffer.alloc(32, 7));

export const PERMIT: readonly AcceptedVerdict[] = ['meta', 'klaviyo'].map((destination) => ({
  destination,
  verdict: 'permit',
  reason: 'consent.granted',
  consentPermits: true,
}));
export const DROP: readonly AcceptedVerdict[] = ['meta', 'klaviyo'].map((destination) => ({
  destination,
  verdict: 'drop',
  reason: 'purpose.denied',
  consentPermits: false,
}));

/** Counts up: ids that a test can foretell. */
export function countingIds(): Ids {
  let n = 0;
  const next = () => String(++n).padStart(12, '0');
  return {
    uuid: () => `00000000-0000-4000-8000-${next()}`,
    bytes: (count) => next().padStart(count, '0').slice(-count),
    random: () => 0.5,
  };
}

export interface Recorder extends Intake {
  readonly candidates: Candidate[];
  readonly changes: ConsentChange[];
  readonly retried: (readonly number[] | 'all')[];
  /** What the next calls answer. */
  accepts: (candidate: Candidate) => Accepted;
  changed: () => ConsentChanged;
  ready: { ready: boolean; why: string | null };
  letters: readonly DeadLetter[];
}

export function recordingIntake(): Recorder {
  const recorder: Recorder = {
    candidates: [],
    changes: [],
    retried: [],
    accepts: () => ({ duplicate: false, verdicts: PERMIT }),
    changed: () => ({ verdicts: DROP, cancelled: 2 }),
    ready: { ready: true, why: null },
    letters: [],
    accept: async (candidates) => {
      const answers = candidates.map((candidate) => recorder.accepts(candidate));
      recorder.candidates.push(...candidates);
      return answers;
    },
    changeConsent: async (change) => {
      recorder.changes.push(change);
      return recorder.changed();
    },
    health: async () => recorder.ready,
    metrics: async () => '# TYPE sluice_log_seq gauge\nsluice_log_seq 7\n',
    deadLetters: async () => recorder.letters,
    retryDeadLetters: async (ids) => {
      recorder.retried.push(ids);
      return ids === 'all' ? recorder.letters.length : ids.length;
    },
  };
  return recorder;
}

export const POLICY = identifyPolicy({
  id: 'default',
  regions: { regulated: [], opt_out: ['US'], apply_everywhere: false },
  consent: { maxAgeMonths: 13, requireAlertBoxCookie: false },
  destinations: { meta: { optOut: 'drop', events: '*' }, klaviyo: { optOut: 'drop', events: '*' } },
});

export function site(over: Partial<Site> = {}): Site {
  return {
    id: 'shop',
    origins: [ORIGIN, 'https://www.shop.example'],
    cookieDomain: 'shop.example',
    policy: POLICY,
    purchases: 'browser',
    serverTokens: [new Secret(TOKEN)],
    destinations: new Map(),
    ...over,
  };
}

export type AppConfig = CollectAppParts['config'];

export function config(over: { site?: Partial<Site>; limits?: Partial<Config['limits']>; proxies?: string[] } = {}) {
  const nowhere = { host: '127.0.0.1', port: 0 };
  return {
    listen: {
      collect: {
        ...nowhere,
        paths: { collect: '/collect', consent: '/consent', script: '/sluice.js', data: ['/data'] },
      },
      console: nowhere,
      ops: nowhere,
      trustedProxies: over.proxies ?? ['127.0.0.1/32', '::1/128'],
    },
    region: { header: 'CF-IPCountry', database: null },
    limits: {
      bodyBytes: 65_536,
      webhookBytes: 2_097_152,
      headerBytes: 32_768,
      batchEvents: 50,
      ratePerClientPerMinute: 600,
      connections: 100,
      ...over.limits,
    },
    sites: [site(over.site)],
  } satisfies AppConfig;
}

export interface Shop {
  readonly app: Express;
  readonly intake: Recorder;
  readonly metrics: HttpMetrics;
  /** Messages of the error log. */
  readonly logged: string[];
}

export function openShop(over: Parameters<typeof config>[0] & Partial<CollectAppParts> = {}): Shop {
  const intake = recordingIntake();
  const metrics = createHttpMetrics('0.0.0-test');
  const logged: string[] = [];
  const ids = countingIds();
  const evidence = {
    keys: KEYS,
    epochKey: () => KEYS.wrap,
    collectEvidence,
    hintsOf: countryHints,
    countryOf: () => null,
  };
  const app = createCollectApp({
    source: browser,
    readConsentReport,
    ingest: createIngest({ ...evidence, intake, ids }),
    changeConsent: createConsentChange({ ...evidence, intake }),
    carriersOf,
    metrics,
    clock: () => NOW_MS,
    ids,
    draining: () => false,
    config: config(over),
    script: () => ({ body: Buffer.from('/* sluice */'), etag: '"abc123"' }),
    log: { error: (message, fields) => logged.push(`${message} ${JSON.stringify(fields)}`) },
    ...pick(over),
  });
  return { app, intake, metrics, logged };
}

function pick(over: Partial<CollectAppParts>): Partial<CollectAppParts> {
  const { draining, script, ingest } = over;
  return { ...(draining ? { draining } : {}), ...(script ? { script } : {}), ...(ingest ? { ingest } : {}) };
}

const CHROME = 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36';
export const EVENT = { name: 'begin_checkout', event_id: 'e-1', visitor_id: 'v-1', value: 59.9, currency: 'EUR' };

/** Posts as the shop's page does. */
export function post(shop: Shop, body: unknown, headers: Record<string, string> = {}, path = '/collect') {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return request(shop.app)
    .post(path)
    .set({ Origin: ORIGIN, 'Content-Type': 'application/json', 'User-Agent': CHROME, ...headers })
    .send(text);
}

export function expectProblem(res: request.Response, status: number, code: string) {
  expect([res.status, res.body.code, res.body.status]).toEqual([status, code, status]);
  expect(res.headers['content-type']).toBe('application/problem+json');
  expect(res.body.title).toBeTruthy();
  expect(res.body.detail).toBeTruthy();
}
