// A strict stand-in for Meta's Conversions API: it refuses what Meta refuses, and a little more, and remembers everything.

import { createHmac } from 'node:crypto';
import type { Fault, Reply } from './fake-faults.ts';
import { comparable, isRecord, type LedgerEntry, type Request } from './fake-ledger.ts';
import { type GraphBody, type GraphEvent, type GraphRefusal, readGraphBody } from './fake-meta-rules.ts';
import { type Note, startFakeServer, type Vendor, type Violation } from './fake-server.ts';

/** An event that Meta took. */
export interface MetaRecord {
  readonly event: GraphEvent;
  readonly dataset: string;
  readonly testEventCode: string | null;
  /** Meta had it before (within 48 hours): taken, and not counted again. */
  readonly duplicate: boolean;
  readonly entry: LedgerEntry;
}

export interface FakeMeta {
  readonly url: string;
  readonly ledger: readonly LedgerEntry[];
  readonly faults: Fault[];
  accepted(): readonly MetaRecord[];
  acceptedFor(eventId: string): readonly MetaRecord[];
  /** Every request that held the event, whatever became of it. */
  attemptsFor(eventId: string): readonly LedgerEntry[];
  /** What the product must never do, refused by Meta or not. */
  violations(): readonly Violation[];
  forbid(text: string): void;
  close(): Promise<void>;
}

export interface FakeMetaOptions {
  readonly port?: number;
  /** Access token by dataset. */
  readonly datasets: Readonly<Record<string, string>>;
  readonly latencyMs?: number;
  /** Epoch milliseconds: by it the age of events is judged. */
  readonly now?: () => number;
  readonly versions?: readonly string[];
  /** Where given, each request must prove that it knows it. */
  readonly appSecret?: string;
  /** Test events count like others, so one where none is expected is a violation. */
  readonly testCodes?: 'expected' | 'never';
}

const VERSIONS = ['v22.0', 'v23.0', 'v24.0', 'v25.0', 'v26.0'];
const DEDUPLICATION_MS = 48 * 3_600_000;

/** Starts it on loopback. */
export async function startFakeMeta(options: FakeMetaOptions): Promise<FakeMeta> {
  const vendor = new Meta(options);
  const server = await startFakeServer(vendor, { port: options.port ?? 0, latencyMs: options.latencyMs ?? 0 });
  return {
    url: server.url,
    ledger: server.ledger,
    faults: server.faults,
    accepted: () => [...vendor.records],
    acceptedFor: (eventId) => vendor.records.filter(({ event }) => event.event_id === eventId),
    attemptsFor: (eventId) => vendor.attempts.get(eventId) ?? [],
    violations: () => [...server.notes],
    forbid: (text) => server.forbid(text),
    close: () => server.close(),
  };
}

class Meta implements Vendor {
  readonly secrets: readonly string[];
  readonly receivedNothing = success(0);
  readonly records: MetaRecord[] = [];
  readonly attempts = new Map<string, LedgerEntry[]>();
  readonly #firstSeenMs = new Map<string, number>();
  readonly #firstSent = new Map<string, string>();
  readonly #options: FakeMetaOptions;
  readonly #now: () => number;

  constructor(options: FakeMetaOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.secrets = Object.values(options.datasets);
  }

  receive(entry: LedgerEntry, raw: Request, note: Note): void {
    const address = decodeURIComponent(raw.path) + JSON.stringify(raw.query);
    if ('access_token' in raw.query || this.secrets.some((token) => address.includes(token))) {
      note({ rule: 'G3', n: entry.n, detail: 'the access token is in the address' });
    }
    if (isRecord(raw.body) && 'test_event_code' in raw.body && this.#options.testCodes !== 'expected') {
      note({ rule: 'G20', n: entry.n, detail: 'a test event code in production' });
    }
    for (const event of eventsOf(raw)) this.#noteEvent(entry, event, note);
  }

  judge(request: Request, entry: LedgerEntry): Reply {
    const refused = this.#refuseAccess(request);
    if (refused !== null) return reject(entry, refused);
    const body = readGraphBody(request.body, this.#now());
    if ('rule' in body) return reject(entry, { ...body, code: 100 });
    this.#record(body, entry);
    return success(body.data.length);
  }

  // A retry must be the same event, or Meta may count it twice.
  #noteEvent(entry: LedgerEntry, event: Readonly<Record<string, unknown>>, note: Note): void {
    const eventId = String(event['event_id']);
    this.attempts.set(eventId, [...(this.attempts.get(eventId) ?? []), entry]);
    const identity = `${entry.path} ${event['event_name']} ${eventId}`;
    const form = comparable(event);
    const before = this.#firstSent.get(identity);
    if (before === undefined) this.#firstSent.set(identity, form);
    else if (before !== form) note({ rule: 'G19', n: entry.n, detail: 'sent again with another content' });
  }

  #refuseAccess(request: Request): AccessRefusal | null {
    const { datasets, versions = VERSIONS, appSecret } = this.#options;
    const [, version = '', dataset = ''] = /^\/(v\d+\.0)\/(\d+)\/events$/.exec(request.path) ?? [];
    if (request.method !== 'POST' || !versions.includes(version)) {
      return { rule: 'G1', code: 2500, message: `no such address or version: ${request.method} ${request.path}` };
    }
    const token = tokenOf(request);
    if (!this.secrets.includes(token)) return { rule: 'G2', code: 190, message: 'Invalid OAuth access token.' };
    if (appSecret !== undefined && proofOf(request) !== createHmac('sha256', appSecret).update(token).digest('hex')) {
      return { rule: 'G4', code: 100, message: 'Invalid appsecret_proof provided in the API argument' };
    }
    if (datasets[dataset] === token) return null;
    return { rule: 'G5', code: 100, subcode: 33, message: 'Unsupported post request. Object does not exist.' };
  }

  #record(body: GraphBody, entry: LedgerEntry): void {
    entry.verdict = 'accepted';
    const dataset = entry.path.split('/')[2] ?? '';
    const atMs = this.#now();
    for (const event of body.data) {
      const identity = `${dataset} ${event.event_name} ${event.event_id}`;
      const duplicate = atMs - (this.#firstSeenMs.get(identity) ?? Number.NEGATIVE_INFINITY) < DEDUPLICATION_MS;
      if (!duplicate) this.#firstSeenMs.set(identity, atMs);
      this.records.push({ event, dataset, testEventCode: body.test_event_code ?? null, duplicate, entry });
    }
  }
}

/** The events of a request as far as they can be read. */
export function eventsOf({ body }: Request): readonly Readonly<Record<string, unknown>>[] {
  const data = isRecord(body) ? body['data'] : undefined;
  return Array.isArray(data) ? data.filter(isRecord) : [];
}

interface ErrorWords {
  readonly message?: string;
  readonly subcode?: number;
  readonly title?: string;
  readonly transient?: boolean;
  readonly status?: number;
}

type AccessRefusal = GraphRefusal & { readonly code: number };

function reject(entry: LedgerEntry, refusal: AccessRefusal): Reply {
  Object.assign(entry, { verdict: 'rejected', rule: refusal.rule, why: refusal.message });
  return graphErrorReply(refusal.code, refusal);
}

/** A fault that answers with an error of the Graph API, with every field that Meta documents. */
export function graphError(code: number, words: ErrorWords & Pick<Fault, 'times' | 'match'> = {}): Fault {
  const { times = 1, match = () => true, ...rest } = words;
  return { do: 'answer', reply: graphErrorReply(code, rest), times, match };
}

const TRACE_ID = 'AFakeTraceOfMeta01';
const JSON_TYPE = { 'content-type': 'application/json; charset=UTF-8' };

function graphErrorReply(code: number, words: ErrorWords): Reply {
  const { message = `(#${code}) error`, subcode, title, transient = false, status = code <= 2 ? 500 : 400 } = words;
  const error = {
    message,
    type: code === 100 ? 'GraphMethodException' : 'OAuthException',
    code,
    ...(subcode === undefined ? {} : { error_subcode: subcode }),
    is_transient: transient,
    ...(title === undefined ? {} : { error_user_title: title, error_user_msg: message }),
    fbtrace_id: TRACE_ID,
  };
  return { status, headers: JSON_TYPE, text: JSON.stringify({ error }) };
}

function success(received: number): Reply {
  const body = { events_received: received, messages: [], fbtrace_id: TRACE_ID };
  return { status: 200, headers: JSON_TYPE, text: JSON.stringify(body) };
}

function tokenOf({ body, query, headers }: Request): string {
  const inBody = isRecord(body) ? body['access_token'] : undefined;
  const bearer = /^Bearer (\S+)$/.exec(headers['authorization'] ?? '')?.[1];
  return [inBody, bearer, query['access_token']].find((token) => typeof token === 'string') ?? '';
}

function proofOf({ body, query }: Request): unknown {
  return isRecord(body) && 'appsecret_proof' in body ? body['appsecret_proof'] : query['appsecret_proof'];
}
