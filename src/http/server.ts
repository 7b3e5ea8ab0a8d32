// A listening server with bounds on everything that a client may keep waiting, and a graceful end.

import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import type { ListenOptions } from 'node:net';
import type { Duplex } from 'node:stream';
import { CannotRun, Problem } from '../core/errors.ts';
import type { Config, Listener } from '../core/settings.ts';
import { problemText } from './problems.ts';

/** How long a client may keep a connection waiting. Milliseconds. */
const TIMEOUTS = { headersMs: 10_000, requestMs: 30_000, keepAliveMs: 65_000, checkMs: 500 };
const IDLE_CHECK_MS = 50;

export type ServerLimits = Pick<Config['limits'], 'headerBytes' | 'connections'>;

export interface Listening {
  /** The port, also where the configuration said 0. */
  readonly port: number;
  /** Accepts nothing more; answers under way may take `graceMs`, then they are cut. */
  close(graceMs: number): Promise<void>;
}

/**
 * Opens a listener.
 * @throws CannotRun when the address cannot be had
 */
export async function listen(app: RequestListener, listener: Listener, limits: ServerLimits): Promise<Listening> {
  const server = boundedServer(app, limits);
  await opened(server, { host: listener.host, port: listener.port }, `${listener.host}:${listener.port}`);
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : listener.port,
    close: (graceMs) => closeGracefully(server, graceMs),
  };
}

/** A server with all time-outs set, not yet listening. */
export function boundedServer(app: RequestListener, limits: ServerLimits, timeouts = TIMEOUTS): Server {
  const server = createServer(
    {
      maxHeaderSize: limits.headerBytes,
      requireHostHeader: true,
      headersTimeout: timeouts.headersMs,
      requestTimeout: timeouts.requestMs,
      keepAliveTimeout: timeouts.keepAliveMs,
      connectionsCheckingInterval: timeouts.checkMs,
    },
    app,
  );
  server.maxConnections = limits.connections;
  answerClientErrors(server);
  return server;
}

/** Resolves when the server listens. @throws CannotRun */
export function opened(server: Server, at: ListenOptions, name: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const onError = (error: NodeJS.ErrnoException) =>
      reject(new CannotRun(`cannot listen on ${name}: ${error.code ?? error.message}`, { cause: error }));
    server.once('error', onError);
    server.listen(at, () => {
      server.off('error', onError);
      resolve();
    });
  });
}

/** Stops accepting and waits for the answers under way. */
export async function closeGracefully(server: Server, graceMs: number): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  // A connection that was busy at the close becomes idle later.
  const idle = setInterval(() => server.closeIdleConnections(), IDLE_CHECK_MS);
  const bound = setTimeout(() => server.closeAllConnections(), graceMs);
  await closed;
  clearInterval(idle);
  clearTimeout(bound);
}

interface Exchange {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
}

/** Node's parser refuses some requests before any application sees them; they get a problem of their own. */
function answerClientErrors(server: Server): void {
  const latest = new WeakMap<Duplex, Exchange>();
  server.prependListener('request', (req, res) => latest.set(req.socket, { req, res }));
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    const exchange = latest.get(socket);
    // Of one request there is one answer: where the application began it, the connection just ends.
    const answered = exchange?.res.headersSent === true && !(exchange.req.complete && exchange.res.writableFinished);
    if (error.code === 'ECONNRESET' || !socket.writable || answered) return void socket.destroy();
    socket.end(rawAnswer(error.code), () => socket.destroy());
  });
}

const STATUS_LINES = {
  408: '408 Request Timeout',
  431: '431 Request Header Fields Too Large',
  400: '400 Bad Request',
} as const;

function rawAnswer(code: string | undefined): string {
  const [line, body] = refusal(code);
  const head = `HTTP/1.1 ${line}\r\nContent-Type: application/problem+json\r\nCache-Control: no-store\r\n`;
  return `${head}Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`;
}

function refusal(code: string | undefined): readonly [string, string] {
  if (code === 'HPE_HEADER_OVERFLOW') return [STATUS_LINES[431], problemText(new Problem('headers_too_large'))];
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return [STATUS_LINES[408], plain('The request took too long', 408)];
  return [STATUS_LINES[400], plain('The request is not valid HTTP', 400)];
}

/** A problem without a code of ours: it is the protocol's affair. */
function plain(title: string, status: number): string {
  return JSON.stringify({ type: 'about:blank', title, status });
}
