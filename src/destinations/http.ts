// The HTTP client of the destinations: one bounded request at a time per connection, and every end of it is a value.
// It never repeats a request (the outbox does), never follows a redirect, and never lets TLS be weakened.

import { type Dispatcher, Pool } from 'undici';
import type { Outcome } from '../core/delivery.ts';
import type { DeliveryLimits } from '../core/ports.ts';

/** An answer longer than this is cut: vendors answer in a few hundred bytes. */
const MAX_ANSWER_BYTES = 64 * 1024;
const MAX_RETRY_AFTER_S = 86_400;

/** Why no whole answer came. `aborted`: we gave it up ourselves, because the program stops. */
export type FailureKind = 'timeout' | 'reset' | 'refused' | 'dns' | 'tls' | 'aborted';

export interface HttpAnswer {
  readonly status: number;
  readonly headers: HttpHeaders;
  readonly text: string;
}

export interface HttpFailure {
  readonly failure: FailureKind;
  /** The vendor may have read the request, and done what it asks. */
  readonly sentMaybe: boolean;
}

export type HttpResult = HttpAnswer | HttpFailure;
export type HttpHeaders = Readonly<Record<string, string | string[] | undefined>>;

export interface HttpRequest {
  /** Below the base address, with a leading slash. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly signal: AbortSignal;
}

export interface HttpClient {
  /** Never rejects: what the network does is in the result. Takes at most `limits.totalTimeoutMs`. */
  post(request: HttpRequest): Promise<HttpResult>;
  /** Ends what is still under way. */
  close(): Promise<void>;
}

/** Opens a pool of connections to the origin of `baseUrl`; a path in it goes before each request's path. */
export function openClient(baseUrl: string, limits: DeliveryLimits): HttpClient {
  const { origin, pathname } = new URL(baseUrl);
  const prefix = pathname.replace(/\/+$/, '');
  const pool = new Pool(origin, {
    connections: limits.connections,
    pipelining: 1,
    connect: { timeout: limits.connectTimeoutMs },
    headersTimeout: limits.headersTimeoutMs,
    bodyTimeout: limits.totalTimeoutMs,
  });
  return {
    post: (request) => exchange(pool, { ...request, path: prefix + request.path }, limits.totalTimeoutMs),
    close: () => pool.destroy(),
  };
}

/** The wait that a Retry-After header asks for, seconds or an HTTP date (RFC 9110, 10.2.3); null = none that can be read. */
export function retryAfterMs(headers: HttpHeaders, nowMs: number): number | null {
  const value = headers['retry-after'];
  if (typeof value !== 'string') return null;
  const waitMs = /^\d{1,9}$/.test(value.trim()) ? Number(value) * 1000 : Date.parse(value) - nowMs;
  if (Number.isNaN(waitMs)) return null;
  return Math.min(Math.max(waitMs, 0), MAX_RETRY_AFTER_S * 1000);
}

/** The answer as JSON, or undefined where it is none: a proxy's page, half a body, nothing. */
export function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A failed exchange as an outcome: always worth another try, `unknown` where the request may have arrived. */
export function failureOutcome({ failure, sentMaybe }: HttpFailure): Outcome {
  return {
    kind: 'transient',
    httpStatus: null,
    code: `http.${failure}`,
    traceId: null,
    retryAfterMs: null,
    // Our own giving-up says nothing of what the vendor did, whenever it came.
    unknown: sentMaybe || failure === 'aborted',
  };
}

function exchange(pool: Pool, request: HttpRequest, totalTimeoutMs: number): Promise<HttpResult> {
  return new Promise((resolve) => {
    const exchanged = new Exchange(request.signal, totalTimeoutMs, resolve);
    const { path, headers, body } = request;
    if (!request.signal.aborted) pool.dispatch({ path, method: 'POST', headers, body }, exchanged);
  });
}

// A handler of pool.dispatch instead of pool.request: it knows whether the request left the queue at all, and costs less.
class Exchange implements Dispatcher.DispatchHandler {
  #controller: Dispatcher.DispatchController | null = null;
  #head: Omit<HttpAnswer, 'text'> | null = null;
  #isDone = false;
  #size = 0;
  readonly #chunks: Buffer[] = [];
  readonly #signal: AbortSignal;
  readonly #deadline: NodeJS.Timeout;
  readonly #resolve: (result: HttpResult) => void;
  readonly #onAbort = () => this.#giveUp('aborted');

  constructor(signal: AbortSignal, totalTimeoutMs: number, resolve: (result: HttpResult) => void) {
    this.#signal = signal;
    this.#resolve = resolve;
    this.#deadline = setTimeout(() => this.#giveUp('timeout'), totalTimeoutMs);
    if (signal.aborted) this.#giveUp('aborted');
    else signal.addEventListener('abort', this.#onAbort, { once: true });
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    // Given up while it waited for a connection: it must not leave now.
    if (this.#isDone) controller.abort(new Error('given up'));
    else this.#controller = controller;
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number, headers: HttpHeaders): void {
    // A 1xx comes before the answer, it is none.
    if (status >= 200) this.#head = { status, headers };
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#size += chunk.length;
    if (this.#size <= MAX_ANSWER_BYTES) return;
    this.#answer();
    controller.abort(new Error('answer too long'));
  }

  onResponseEnd(): void {
    this.#answer();
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#finish({ failure: failureOf(error), sentMaybe: this.#controller !== null });
  }

  #answer(): void {
    const text = Buffer.concat(this.#chunks).toString('utf8', 0, Math.min(this.#size, MAX_ANSWER_BYTES));
    this.#finish(this.#head === null ? { failure: 'reset', sentMaybe: true } : { ...this.#head, text });
  }

  #giveUp(failure: FailureKind): void {
    this.#finish({ failure, sentMaybe: this.#controller !== null });
    this.#controller?.abort(new Error(failure));
  }

  #finish(result: HttpResult): void {
    if (this.#isDone) return;
    this.#isDone = true;
    clearTimeout(this.#deadline);
    this.#signal.removeEventListener('abort', this.#onAbort);
    this.#resolve(result);
  }
}

const TIMEOUTS = new Set(['UND_ERR_CONNECT_TIMEOUT', 'UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT', 'ETIMEDOUT']);
const REFUSED = new Set(['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'EADDRNOTAVAIL', 'EACCES']);
const DNS = new Set(['ENOTFOUND', 'EAI_AGAIN']);

function failureOf(error: unknown): FailureKind {
  const code = errorCode(error);
  if (TIMEOUTS.has(code)) return 'timeout';
  if (REFUSED.has(code)) return 'refused';
  if (DNS.has(code)) return 'dns';
  return /^ERR_(TLS|SSL)|CERT|SELF_SIGNED|^UNABLE_TO_/.test(code) ? 'tls' : 'reset';
}

function errorCode(error: unknown): string {
  if (typeof error !== 'object' || error === null || !('code' in error)) return '';
  return typeof error.code === 'string' ? error.code : '';
}
