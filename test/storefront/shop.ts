// A shop and a collector on one loopback port, told apart by host name: it serves pages and the bundled script, and keeps what browsers post.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { build } from 'esbuild';

export interface Post {
  readonly host: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  // biome-ignore lint/suspicious/noExplicitAny: assertions look into whatever the browser sent
  readonly body: any;
}

/** How the collector answers: a status, or a connection that breaks. */
export type Answer = number | 'broken';

export interface Shop {
  /** Address of a page of the shop. */
  readonly page: (path?: string) => string;
  /** Address at the collector's host. */
  readonly collector: (path: string) => string;
  /** The next page's body, scripts included. */
  html: string;
  answer: (post: Post) => Answer;
  readonly posts: Post[];
  readonly preflights: string[];
  /** Resolves when so many posts have come in all. */
  readonly received: (count: number) => Promise<readonly Post[]>;
  readonly close: () => Promise<void>;
}

/** The storefront script as `scripts/build.mjs` makes it. */
export async function bundleScript(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: ['src/storefront/sluice.ts'],
    bundle: true,
    minify: true,
    format: 'iife',
    target: ['es2020'],
    legalComments: 'none',
    write: false,
  });
  return outputFiles[0]?.text ?? '';
}

/** Opens a shop. `domain` decides whether its pages are secure contexts: `shop.localhost` are, `shop.example` are not. */
export async function openShop(script: string, domain = 'shop.example'): Promise<Shop> {
  const server = createServer((req, res) => void handle(req, res));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const waiters: { count: number; resolve: () => void }[] = [];

  const shop: Shop = {
    page: (path = '/') => `http://${domain}:${port}${path}`,
    collector: (path) => `http://collect.${domain}:${port}${path}`,
    html: '',
    answer: () => 202,
    posts: [],
    preflights: [],
    received: async (count) => {
      if (shop.posts.length < count) await new Promise<void>((resolve) => waiters.push({ count, resolve }));
      return shop.posts;
    },
    close: () => new Promise((resolve) => server.close(() => resolve()).closeAllConnections()),
  };

  async function handle(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const path = req.url ?? '/';
    if (req.method === 'OPTIONS') shop.preflights.push(path);
    if (req.method === 'POST') return record(req, res, path);
    if (path.endsWith('/sluice.js')) return void res.setHeader('Content-Type', 'text/javascript').end(script);
    res.setHeader('Content-Type', 'text/html').end(`<!doctype html><title>Cart</title>${shop.html}`);
  }

  async function record(req: IncomingMessage, res: ServerResponse, path: string): Promise<void> {
    const post = { host: req.headers.host ?? '', path, headers: req.headers, body: JSON.parse(await text(req)) };
    const answer = shop.answer(post);
    if (answer === 'broken') res.destroy();
    else {
      res.writeHead(answer, {
        'Access-Control-Allow-Origin': req.headers.origin ?? 'null',
        'Access-Control-Allow-Credentials': 'true',
        'Set-Cookie': `_slc=visitor-1; Domain=${domain}; Path=/; HttpOnly; SameSite=Lax`,
      });
      res.end('{}');
    }
    shop.posts.push(post);
    for (const { count, resolve } of waiters) if (shop.posts.length >= count) resolve();
  }

  return shop;
}

/** The two lines that a shop puts before the script: calls wait until it is there. */
export const STUB =
  '<script>window.sluice = window.sluice || function(){(sluice.q = sluice.q || []).push(arguments)}</script>';
/** A CMP that answers at once with `window.tcData`. */
export const tcfStub = (data: object) => `<script>
  window.tcData = ${JSON.stringify(data)};
  window.__tcfapi = (command, version, callback) => {
    if (command === 'getTCData' && version === 2) callback(window.tcData, true);
  };
</script>`;
/** A CMP that is still loading, for ever. */
export const SILENT_CMP = '<script>window.__tcfapi = () => {};</script>';
