// The sample shop: one page on a free loopback port that loads the real storefront script, and what its panel asks for.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { REASONS } from '../core/reasons.ts';
import type { LoggedDecision } from './row.ts';
import { shopPage } from './shop-page.ts';
import { acceptAll, rejectAll } from './visitors.ts';

/** One event of the person in front of the page, as the panel shows it. */
export interface Activity {
  readonly eventName: string;
  /** Epoch milliseconds. */
  readonly acceptedMs: number;
  readonly decisions: readonly LoggedDecision[];
  /** What left and when, a few words each. */
  readonly steps: readonly string[];
  /** How each delivery ended that reached nobody: `meta skipped: meta.insufficient_data`. */
  readonly ends: readonly string[];
}

/** What the page shows and loads; known only once the collector listens. */
export interface ShopContent {
  readonly collectUrl: string;
  readonly metricsUrl: string;
  readonly site: string;
  /** Newest first. */
  readonly activity: () => Promise<readonly Activity[]>;
}

export interface DemoShop {
  /** The origin of its page. */
  readonly url: string;
  open(content: ShopContent): void;
  close(): Promise<void>;
}

/** Starts the shop, closed at first: its address must be known before the collector can allow it. */
export async function startDemoShop(nowMs: () => number): Promise<DemoShop> {
  let content: ShopContent | null = null;
  const server = createServer((request, response) => {
    serve(request, response, { content, nowMs }).catch((error: unknown) => response.destroy(toError(error)));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  return {
    url: `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`,
    open(next) {
      content = next;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

const toError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)));

async function serve(
  { method, url }: IncomingMessage,
  response: ServerResponse,
  { content, nowMs }: { readonly content: ShopContent | null; readonly nowMs: () => number },
): Promise<void> {
  if (method !== 'GET' && method !== 'HEAD') answer(response, 405, ['text/plain', 'GET or HEAD\n']);
  else if (content === null) answer(response, 503, ['text/plain', 'the shop is not open yet\n']);
  else if (url === '/activity') {
    const activity = (await content.activity()).map(withSentences);
    answer(response, 200, ['application/json', JSON.stringify(activity)]);
  } else if (url === '/' || url?.startsWith('/?') === true) {
    response.setHeader('content-security-policy', policyFor(content.collectUrl));
    const choices = { accept: acceptAll(nowMs()), reject: rejectAll(nowMs()) };
    answer(response, 200, ['text/html; charset=utf-8', shopPage({ ...content, choices })]);
  } else answer(response, 404, ['text/plain', 'there is only the one page at /\n']);
}

function answer(response: ServerResponse, status: number, [type, body]: readonly [string, string]): void {
  response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' }).end(body);
}

// What a shop's own policy has to allow for Sluice is its host, for the script and for what it posts; the rest is the page's.
function policyFor(collector: string): string {
  return `default-src 'none'; script-src 'unsafe-inline' ${collector}; connect-src 'self' ${collector}; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'`;
}

function withSentences(activity: Activity) {
  const decisions = activity.decisions.map((decision) => ({ ...decision, sentence: sentenceOf(decision.reason) }));
  return { ...activity, decisions };
}

function sentenceOf(reason: string): string {
  const found = Object.entries(REASONS).find(([code]) => code === reason);
  return found === undefined ? '' : found[1].sentence;
}
