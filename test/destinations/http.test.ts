import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { type HttpClient, openClient } from '../../src/destinations/http.ts';
import { LIMITS } from './deliveries.ts';

const servers: Server[] = [];
const clients: HttpClient[] = [];

afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()));
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function client(baseUrl: string, over: Partial<typeof LIMITS> = {}): HttpClient {
  const opened = openClient(baseUrl, { ...LIMITS, ...over });
  clients.push(opened);
  return opened;
}

const request = (path = '/x') => ({ path, headers: {}, body: '{}', signal: new AbortController().signal });

test('a path of the base address goes before the path of the request', async () => {
  const url = await serve((message, response) => response.end(message.url));
  expect(await client(`${url}/proxy/meta`).post(request('/v25.0/1/events'))).toMatchObject({
    text: '/proxy/meta/v25.0/1/events',
  });
});

test('an answer is cut at 64 KB', async () => {
  const url = await serve((_message, response) => response.end('x'.repeat(1_000_000)));
  const result = await client(url).post(request());
  expect(result).toMatchObject({ status: 200 });
  expect('text' in result && result.text.length).toBe(65_536);
});

test('an answer that trickles is given up at the deadline', async () => {
  const url = await serve((_message, response) => {
    const drip = setInterval(() => response.write('x'), 20);
    response.on('close', () => clearInterval(drip));
  });
  expect(await client(url, { totalTimeoutMs: 200 }).post(request())).toEqual({ failure: 'timeout', sentMaybe: true });
});

test('an answer that stops halfway is a reset, not an answer', async () => {
  const url = await serve((_message, response) => {
    response.writeHead(200, { 'content-length': '100' });
    response.write('half', () => response.destroy());
  });
  expect(await client(url).post(request())).toEqual({ failure: 'reset', sentMaybe: true });
});

test('a request that waits for a connection until the deadline was never sent', async () => {
  let arrived = 0;
  const url = await serve(() => {
    arrived += 1;
  });
  const one = client(url, { connections: 1, totalTimeoutMs: 200 });
  const results = await Promise.all([one.post(request()), one.post(request())]);
  expect(results).toEqual([
    { failure: 'timeout', sentMaybe: true },
    { failure: 'timeout', sentMaybe: false },
  ]);
  expect(arrived).toBe(1);
});

test('connections are bounded', async () => {
  let open = 0;
  let most = 0;
  const url = await serve((_message, response) => {
    open += 1;
    most = Math.max(most, open);
    setImmediate(() => {
      open -= 1;
      response.end();
    });
  });
  const two = client(url, { connections: 2 });
  const results = await Promise.all(Array.from({ length: 12 }, () => two.post(request())));
  expect(results.every((result) => 'status' in result && result.status === 200)).toBe(true);
  expect(most).toBeLessThanOrEqual(2);
});

test('a host that does not exist was told nothing', async () => {
  expect(await client('http://sluice-test.invalid').post(request())).toEqual({ failure: 'dns', sentMaybe: false });
});
