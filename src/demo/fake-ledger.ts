// The ledger of a stand-in: what came, what became of it, and the means to read it.

import type { IncomingMessage } from 'node:http';

const MAX_BODY_BYTES = 32 * 1024 * 1024;

/** What is known of a request as soon as it is read. Secrets are masked. */
export interface Request {
  /** 1 for the first request. */
  readonly n: number;
  /** When its headers arrived, epoch milliseconds with fractions. */
  readonly arrivedMs: number;
  readonly method: string;
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
  /** The text as JSON; undefined where it is none. */
  readonly body: unknown;
}

/** A request and what became of it. */
export interface LedgerEntry extends Request {
  /** `fault`: it was told to fail, or the client went away. */
  verdict: 'pending' | 'accepted' | 'rejected' | 'fault';
  fault: string | null;
  /** The broken rule and what is wrong, where the verdict is `rejected`. */
  rule: string | null;
  why: string | null;
  /** Null as long as, and wherever, nothing was answered. */
  status: number | null;
  answeredMs: number | null;
  /** The answer as JSON; undefined where it is none. */
  answer: unknown;
  /** The Retry-After that was answered, seconds. */
  retryAfterS: number | null;
}

/** Epoch milliseconds with fractions: two events of one millisecond still have an order. */
export function preciseNow(): number {
  return performance.timeOrigin + performance.now();
}

/** Every text below a value, with the keys that lead to it. */
export function* textsIn(value: unknown, path: readonly string[] = []): Generator<{ path: string; text: string }> {
  if (typeof value === 'string') yield { path: path.join('.'), text: value };
  if (typeof value !== 'object' || value === null) return;
  for (const [key, member] of Object.entries(value)) yield* textsIn(member, [...path, key]);
}

/** JSON with sorted keys, to compare two requests by. */
export function comparable(value: unknown): string {
  return JSON.stringify(value, (_key, member: unknown) =>
    isRecord(member) ? Object.fromEntries(Object.entries(member).sort(([a], [b]) => (a < b ? -1 : 1))) : member,
  );
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The entry of a request whose headers have arrived. */
export function openEntry(n: number, arrivedMs: number, message: IncomingMessage): LedgerEntry {
  const url = new URL(message.url ?? '/', 'http://fake');
  const headers = Object.entries(message.headers).map(([name, value]) => [name, String(value)]);
  return {
    n,
    arrivedMs,
    method: message.method ?? '',
    path: url.pathname,
    query: Object.fromEntries(url.searchParams),
    headers: Object.fromEntries(headers),
    text: '',
    body: undefined,
    verdict: 'pending',
    fault: null,
    rule: null,
    why: null,
    status: null,
    answeredMs: null,
    answer: undefined,
    retryAfterS: null,
  };
}

/** The parts of a request in which a secret could stand, without it. */
export function masked(
  raw: Request,
  secrets: readonly string[],
): Pick<Request, 'path' | 'query' | 'headers' | 'text' | 'body'> {
  const mask = (text: string) => secrets.reduce((hidden, secret) => hidden.replaceAll(secret, '***'), text);
  const maskAll = (record: Readonly<Record<string, string>>) =>
    Object.fromEntries(Object.entries(record).map(([key, value]) => [key, mask(value)]));
  const text = mask(raw.text);
  return {
    path: mask(raw.path),
    query: maskAll(raw.query),
    headers: maskAll(raw.headers),
    text,
    body: parseJson(text),
  };
}

/** The body as text, or null when the client went away. */
export async function readText(message: IncomingMessage): Promise<string | null> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of message) {
      size += chunk.length;
      if (size <= MAX_BODY_BYTES) chunks.push(chunk);
    }
  } catch {
    return null;
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** Undefined where a text is no JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
