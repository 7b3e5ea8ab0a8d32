// What both stand-ins share: an HTTP server on loopback that keeps a ledger of every request and can be told to fail.

import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { badReply, type Fault, type Reply, takeFault } from './fake-faults.ts';
import { type LedgerEntry, masked, openEntry, parseJson, preciseNow, type Request, readText } from './fake-ledger.ts';

/** A rule of this program, not of the vendor, that a request broke. */
export interface Violation {
  readonly rule: string;
  /** The request; 0 for none in particular. */
  readonly n: number;
  readonly detail: string;
}

export type Note = (violation: Violation) => void;

export interface Vendor {
  /** Never kept: masked in everything that the ledger holds. */
  readonly secrets: readonly string[];
  /** A success that says nothing was taken. */
  readonly receivedNothing: Reply;
  /** Sees each request before it is judged or made to fail; `raw` still holds its secrets. */
  receive(entry: LedgerEntry, raw: Request, note: Note): void;
  /** Validates, records what is valid, answers. */
  judge(raw: Request, entry: LedgerEntry, note: Note): Reply;
  /** Called when an answer is about to leave. */
  answered?(entry: LedgerEntry): void;
}

export interface FakeServerOptions {
  /** 0 = any free port. */
  readonly port: number;
  readonly latencyMs: number;
}

/** Starts a stand-in on 127.0.0.1. */
export async function startFakeServer(vendor: Vendor, options: FakeServerOptions): Promise<FakeServer> {
  const server = new FakeServer(vendor, options.latencyMs);
  await server.listen(options.port);
  return server;
}

export class FakeServer {
  readonly ledger: LedgerEntry[] = [];
  /** Push to it; the first that matches is used. Setting its length to 0 ends an outage. */
  readonly faults: Fault[] = [];
  readonly notes: Violation[] = [];
  readonly #forbidden: string[] = [];
  readonly #note: Note = (violation) => this.notes.push(violation);
  readonly #vendor: Vendor;
  readonly #latencyMs: number;
  readonly #server: Server;

  constructor(vendor: Vendor, latencyMs: number) {
    this.#vendor = vendor;
    this.#latencyMs = latencyMs;
    this.#server = createServer((message, response) => {
      this.#handle(message, response).catch((error: unknown) => {
        // A fault of the stand-in must not look like one of the product.
        this.notes.push({ rule: 'FAKE', n: 0, detail: String(error) });
        response.destroy();
      });
    });
    this.#server.on('clientError', (_error, socket) => socket.destroy());
  }

  get url(): string {
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? `http://127.0.0.1:${address.port}` : '';
  }

  /** @throws when the port is taken */
  listen(port: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(port, '127.0.0.1', resolve);
    });
  }

  /** From now on a request that holds this text, or its digest, is a violation. */
  forbid(text: string): void {
    this.#forbidden.push(...formsOf(text));
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }

  async #handle(message: IncomingMessage, response: ServerResponse): Promise<void> {
    const entry = openEntry(this.ledger.length + 1, preciseNow(), message);
    this.ledger.push(entry);
    const text = await readText(message);
    if (text === null) {
      Object.assign(entry, { verdict: 'fault', fault: 'aborted' });
      return;
    }
    const raw: Request = { ...entry, text, body: parseJson(text) };
    Object.assign(entry, masked(raw, this.#vendor.secrets));
    this.#vendor.receive(entry, raw, this.#note);
    this.#noteForbidden(raw);
    await this.#answer(entry, raw, response);
  }

  #noteForbidden({ n, path, query, text }: Request): void {
    const everything = `${path} ${JSON.stringify(query)} ${text}`;
    if (this.#forbidden.some((needle) => everything.includes(needle))) {
      this.notes.push({ rule: 'G25', n, detail: 'holds what was never to be sent' });
    }
  }

  async #answer(entry: LedgerEntry, raw: Request, response: ServerResponse): Promise<void> {
    const fault = takeFault(this.faults, entry);
    const reply = fault === null ? this.#vendor.judge(raw, entry, this.#note) : await this.#suffer(fault, entry, raw);
    if (reply === 'nothing') return;
    if (reply === 'reset') {
      response.socket?.resetAndDestroy();
      return;
    }
    if (this.#latencyMs > 0) await sleep(this.#latencyMs);
    if (response.destroyed) return;
    entry.status = reply.status;
    entry.answer = parseJson(reply.text);
    entry.retryAfterS = seconds(reply.headers?.['retry-after']);
    entry.answeredMs = preciseNow();
    this.#vendor.answered?.(entry);
    response.writeHead(reply.status, reply.headers).end(reply.text);
  }

  async #suffer(fault: Fault, entry: LedgerEntry, raw: Request): Promise<Reply | 'reset' | 'nothing'> {
    entry.fault = fault.do;
    if (fault.do === 'slow') {
      const reply = this.#vendor.judge(raw, entry, this.#note);
      await sleep(fault.ms);
      return reply;
    }
    const isRecorded = fault.do === 'reset-after-recording' || ('recorded' in fault && fault.recorded === true);
    if (isRecorded) this.#vendor.judge(raw, entry, this.#note);
    else entry.verdict = 'fault';
    return badReply(fault, this.#vendor.receivedNothing);
  }
}

function formsOf(text: string): readonly string[] {
  const digest = (value: string) => createHash('sha256').update(value).digest('hex');
  return [...new Set([text, encodeURIComponent(text), digest(text), digest(text.trim().toLowerCase())])];
}

function seconds(header: string | undefined): number | null {
  return header !== undefined && /^\d+$/.test(header) ? Number(header) : null;
}
