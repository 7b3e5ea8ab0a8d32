import type { RequestListener } from 'node:http';
import { connect } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { CannotRun } from '../../src/core/errors.ts';
import { boundedServer, closeGracefully, type Listening, listen, opened } from '../../src/http/server.ts';
import { ORIGIN, openShop, type Shop } from './shop.ts';

const LIMITS = { headerBytes: 16_384, connections: 50 };
const open: Listening[] = [];

async function serve(app: RequestListener, limits = LIMITS): Promise<Listening> {
  const listening = await listen(app, { host: '127.0.0.1', port: 0 }, limits);
  open.push(listening);
  return listening;
}

async function serveShop(): Promise<Shop & Listening> {
  const shop = openShop();
  return { ...shop, ...(await serve(shop.app)) };
}

afterEach(async () => {
  for (const listening of open.splice(0)) await listening.close(0);
});

/** Writes bytes and collects what comes until the server ends the connection. */
function exchange(port: number, bytes: string): Promise<string> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    const socket = connect({ host: '127.0.0.1', port }, () => socket.write(Buffer.from(bytes, 'latin1')));
    socket.on('data', (chunk) => chunks.push(chunk));
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(Buffer.concat(chunks).toString('latin1')));
  });
}

const POST = [
  'POST /collect HTTP/1.1',
  'Host: collect.shop.example',
  `Origin: ${ORIGIN}`,
  'Content-Type: application/json',
];
const request = (lines: readonly string[], body = '') => `${lines.join('\r\n')}\r\n\r\n${body}`;
const statuses = (answer: string) => [...answer.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status]) => Number(status));

describe('a listening server', () => {
  it.each([
    ['one long header', [`X-Long: ${'x'.repeat(40_000)}`]],
    ['thousands of headers', Array.from({ length: 3000 }, (_, i) => `X-${i}: y`)],
  ])('answers 431 to %s', async (_, headers) => {
    const { port } = await serveShop();
    const answer = await exchange(port, request(['GET /healthz HTTP/1.1', 'Host: x', ...headers]));
    expect(statuses(answer)).toEqual([431]);
    expect(answer).toContain('application/problem+json');
    expect(answer).toContain('"code":"headers_too_large"');
  });

  const inner = request([...POST, 'Content-Length: 12'], '{"name":"x"}');
  it.each([
    ['both lengths', [...POST, 'Content-Length: 5', 'Transfer-Encoding: chunked'], `0\r\n\r\n${inner}`],
    ['two lengths', [...POST, 'Content-Length: 2', 'Content-Length: 40'], `{}${inner}`],
    ['a space before the colon', [...POST, 'Transfer-Encoding : chunked', 'Content-Length: 5'], `0\r\n\r\n${inner}`],
    ['a signed length', [...POST, 'Content-Length: +2'], `{}${inner}`],
    ['a chunk size with junk', [...POST, 'Transfer-Encoding: chunked'], `0x2\r\n{}\r\n0\r\n\r\n${inner}`],
    ['no Host', ['GET /healthz HTTP/1.1'], ''],
    ['a bare CR', [...POST, 'X: a\rContent-Length: 2', 'Content-Length: 0'], `{}${inner}`],
  ])('answers once to a request with %s, and takes nothing from it', async (_, lines, body) => {
    const { port, intake } = await serveShop();
    const answered = statuses(await exchange(port, request(lines, body)));
    expect(answered.length).toBeLessThanOrEqual(1);
    for (const status of answered) expect(status).toBe(400);
    expect(intake.candidates).toEqual([]);
  });

  it('refuses two Origin headers', async () => {
    const { port } = await serveShop();
    const answer = await exchange(
      port,
      request([...POST, `Origin: ${ORIGIN}`, 'Content-Length: 12', 'Connection: close'], '{"name":"x"}'),
    );
    expect(statuses(answer)).toEqual([403]);
  });

  it('ignores a country header that came twice', async () => {
    const { port, intake } = await serveShop();
    const countries = ['CF-IPCountry: US', 'CF-IPCountry: US'];
    await exchange(port, request([...POST, ...countries, 'Content-Length: 12', 'Connection: close'], '{"name":"x"}'));
    expect(intake.candidates[0]?.region.basis).toBe('unknown');
  });

  it('refuses a promised body before it comes, and a chunked one as it grows', async () => {
    const { port } = await serveShop();
    const promised = await exchange(port, request([...POST, 'Content-Length: 104857600'], '{'));
    expect(statuses(promised)).toEqual([413]);
    const chunk = `${(80_000).toString(16)}\r\n${'x'.repeat(80_000)}\r\n0\r\n\r\n`;
    const chunked = await exchange(port, request([...POST, 'Transfer-Encoding: chunked', 'Connection: close'], chunk));
    expect(statuses(chunked)).toEqual([413]);
    expect(chunked).toContain('"code":"body_too_large"');
  });

  it('goes on when a client leaves inside its body', async () => {
    const { port, logged } = await serveShop();
    const socket = connect({ host: '127.0.0.1', port });
    const left = new Promise((resolve) => socket.on('close', resolve));
    socket.write(request([...POST, 'Content-Length: 100'], '{"name"'), () => socket.destroy());
    await left;
    const health = await exchange(port, request(['GET /healthz HTTP/1.1', 'Host: x', 'Connection: close']));
    expect(statuses(health)).toEqual([200]);
    expect(logged).toEqual([]);
  });

  it('closes on who sends headers or body too slowly', async () => {
    const timeouts = { headersMs: 100, requestMs: 200, keepAliveMs: 100, checkMs: 20 };
    const server = boundedServer(openShop().app, LIMITS, timeouts);
    await opened(server, { host: '127.0.0.1', port: 0 }, 'loopback');
    const { port } = z.object({ port: z.number() }).parse(server.address());
    const headers = await exchange(port, 'GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ');
    expect(statuses(headers)).toEqual([408]);
    expect(statuses(await exchange(port, request([...POST, 'Content-Length: 12'], '{"name"')))).toEqual([408]);
    await closeGracefully(server, 0);
  });

  it('waits ten seconds for headers, thirty for a request, and keeps no more connections than configured', () => {
    const server = boundedServer(() => undefined, LIMITS);
    expect(server).toMatchObject({ headersTimeout: 10_000, requestTimeout: 30_000, maxConnections: 50 });
  });

  it('says which address it cannot have', async () => {
    const { port } = await serveShop();
    const again = listen(() => undefined, { host: '127.0.0.1', port }, LIMITS);
    await expect(again).rejects.toThrow(CannotRun);
    await expect(again).rejects.toThrow(`127.0.0.1:${port}: EADDRINUSE`);
  });
});

describe('closing', () => {
  it('waits for the answer under way and takes nobody new', async () => {
    const arrived = Promise.withResolvers<void>();
    const release = Promise.withResolvers<void>();
    const listening = await serve(async (_req, res) => {
      arrived.resolve();
      await release.promise;
      res.end('done');
    });
    const answer = exchange(listening.port, request(['GET / HTTP/1.1', 'Host: x']));
    await arrived.promise;
    const closed = listening.close(10_000);
    expect(await exchange(listening.port, request(['GET / HTTP/1.1', 'Host: x']))).toBe('');
    release.resolve();
    expect(await answer).toContain('done');
    await closed;
  });

  it('cuts what outlasts the grace', async () => {
    const arrived = Promise.withResolvers<void>();
    const listening = await serve(() => arrived.resolve());
    const answer = exchange(listening.port, request(['GET / HTTP/1.1', 'Host: x']));
    await arrived.promise;
    await listening.close(20);
    expect(await answer).toBe('');
  });
});
