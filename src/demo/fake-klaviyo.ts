// A strict stand-in for Klaviyo's Events API: validation, deduplication, rate limits and flows as documented, and the
// order against Meta's ledger.

import type { Fault, Reply } from './fake-faults.ts';
import { klaviyoErrorReply, type Refusal, refusal } from './fake-klaviyo-answers.ts';
import { type KlaviyoAttributes, readKlaviyoEvent } from './fake-klaviyo-rules.ts';
import { comparable, isRecord, type LedgerEntry, type Request } from './fake-ledger.ts';
import type { FakeMeta } from './fake-meta.ts';
import { type Claim, orderViolation } from './fake-order.ts';
import { type Note, startFakeServer, type Vendor, type Violation } from './fake-server.ts';
import { createRateLimit, type RateLimits, type Taken } from './rate-limit.ts';

/** An event that Klaviyo took. */
export interface KlaviyoRecord {
  readonly event: KlaviyoAttributes;
  readonly metric: string;
  readonly uniqueId: string;
  /** Profile, metric and unique_id were there before: taken in silence, recorded once. */
  readonly duplicate: boolean;
  readonly entry: LedgerEntry;
}

export interface FakeKlaviyo {
  readonly url: string;
  readonly ledger: readonly LedgerEntry[];
  readonly faults: Fault[];
  accepted(): readonly KlaviyoRecord[];
  acceptedFor(eventId: string): readonly KlaviyoRecord[];
  attemptsFor(eventId: string): readonly LedgerEntry[];
  /** The events that would have started a flow: recorded, no duplicate, no backfill. */
  flowsFired(): readonly KlaviyoRecord[];
  violations(): readonly Violation[];
  forbid(text: string): void;
  close(): Promise<void>;
}

export interface FakeKlaviyoOptions {
  readonly port?: number;
  /** The one private key with the scope events:write. */
  readonly key: string;
  /** Keys that are known and may not write events. */
  readonly keysWithoutScope?: readonly string[];
  /** Against whose ledgers the order is checked. */
  readonly meta?: FakeMeta | readonly FakeMeta[];
  /** Metric → Meta's event name, where one event id stands for several events. */
  readonly metaNames?: Readonly<Record<string, string>>;
  readonly latencyMs?: number;
  readonly now?: () => number;
  readonly revisions?: readonly string[];
  /** Null = none. */
  readonly limits?: RateLimits | null;
  readonly knownKx?: readonly string[];
}

const REVISIONS = ['2025-10-15', '2026-01-15', '2026-04-15', '2026-07-15'];
const RETIRED_BEFORE = '2024-10-15';
const LIMITS: RateLimits = { burst: 350, steady: 3500 };
const META_NAMES = { post_purchase_ready: 'Purchase', started_checkout_ready: 'InitiateCheckout' };
const MAX_BODY_BYTES = 5 * 1024 * 1024;
/** Requests that were under way when the 429 was given could not know of it. */
const ON_ITS_WAY_MS = 50;
const CLOCK_SLACK_MS = 20;

/** Starts it on loopback. */
export async function startFakeKlaviyo(options: FakeKlaviyoOptions): Promise<FakeKlaviyo> {
  const vendor = new Klaviyo(options);
  const server = await startFakeServer(vendor, { port: options.port ?? 0, latencyMs: options.latencyMs ?? 0 });
  return {
    url: server.url,
    ledger: server.ledger,
    faults: server.faults,
    accepted: () => [...vendor.records],
    acceptedFor: (eventId) => vendor.records.filter(({ event }) => concerns(event, eventId)),
    attemptsFor: (eventId) => server.ledger.filter((entry) => concerns(attributesOf(entry), eventId)),
    flowsFired: () => vendor.records.filter(({ duplicate, event }) => !duplicate && event.backfill !== true),
    violations: () => [...server.notes, ...orderViolations(server.ledger, options)],
    forbid: (text) => server.forbid(text),
    close: () => server.close(),
  };
}

interface Block {
  readonly n: number;
  readonly fromMs: number;
  readonly untilMs: number;
}

class Klaviyo implements Vendor {
  readonly secrets: readonly string[];
  readonly receivedNothing = { status: 200, text: '' };
  readonly records: KlaviyoRecord[] = [];
  readonly #seen = new Set<string>();
  readonly #firstSent = new Map<string, string>();
  readonly #blocks: Block[] = [];
  readonly #limit: { take(): Taken } | null;
  readonly #options: FakeKlaviyoOptions;
  readonly #now: () => number;

  constructor(options: FakeKlaviyoOptions) {
    const { key, keysWithoutScope = [], limits = LIMITS, now = Date.now } = options;
    this.#options = options;
    this.#now = now;
    this.secrets = [key, ...keysWithoutScope];
    this.#limit = limits === null ? null : createRateLimit(limits, now);
  }

  receive(entry: LedgerEntry, raw: Request, note: Note): void {
    const { n, path } = entry;
    const address = decodeURIComponent(raw.path) + JSON.stringify(raw.query);
    if (this.secrets.some((secret) => address.includes(secret))) {
      note({ rule: 'K2', n, detail: 'the private key is in the address' });
    }
    const [rule, detail] = misuse(path);
    if (rule !== null) note({ rule, n, detail });
    this.#noteImpatience(entry, note);
    this.#noteChange(entry, note);
  }

  judge(request: Request, entry: LedgerEntry, note: Note): Reply {
    const refused = this.#refuseAccess(request) ?? refuseForm(request, this.#options.revisions ?? REVISIONS);
    if (refused !== null) return reject(entry, refused);
    const taken = this.#limit?.take() ?? null;
    if (taken !== null && taken.retryAfterS !== null) {
      const headers = { 'retry-after': String(taken.retryAfterS) };
      return reject(entry, { ...refusal(429, 'K13', 'Request was throttled.'), headers });
    }
    const read = readKlaviyoEvent(request.body, { nowMs: this.#now(), knownKx: this.#options.knownKx ?? [] });
    if ('problems' in read) {
      for (const { rule, detail } of read.problems) if (rule === 'K18') note({ rule, n: request.n, detail });
      return reject(entry, { status: 400, problems: read.problems });
    }
    this.#record(read.event, entry);
    return { status: 202, headers: taken?.headers ?? {}, text: '' };
  }

  answered({ n, status, answeredMs, retryAfterS }: LedgerEntry): void {
    if (status !== 429 || answeredMs === null || retryAfterS === null) return;
    const untilMs = answeredMs + retryAfterS * 1000 - CLOCK_SLACK_MS;
    this.#blocks.push({ n, fromMs: answeredMs + ON_ITS_WAY_MS, untilMs });
  }

  // K13: the whole account waits until Retry-After is over.
  #noteImpatience({ n, arrivedMs }: Request, note: Note): void {
    const ignored = this.#blocks.find(({ fromMs, untilMs }) => arrivedMs > fromMs && arrivedMs < untilMs);
    if (ignored !== undefined) note({ rule: 'K13', n, detail: `came before Retry-After of request ${ignored.n}` });
  }

  // K11: a retry is the same request, but for `backfill`, which may turn true.
  #noteChange(entry: Request, note: Note): void {
    const attributes = attributesOf(entry);
    if (attributes === null) return;
    const identity = `${metricOf(attributes)} ${String(attributes['unique_id'])}`;
    const form = comparable({ ...attributes, backfill: undefined });
    const before = this.#firstSent.get(identity);
    if (before === undefined) this.#firstSent.set(identity, form);
    else if (before !== form) note({ rule: 'K11', n: entry.n, detail: `${identity}: sent again with another content` });
  }

  #refuseAccess({ method, path, headers }: Request): Refusal | null {
    if (!isEvents(path)) return refusal(404, 'K1', `no such endpoint ${path}`);
    if (method !== 'POST') return refusal(405, 'K1', `${method} is not allowed`);
    const given = /^Klaviyo-API-Key (\S+)$/.exec(headers['authorization'] ?? '')?.[1] ?? '';
    if (!this.secrets.includes(given)) return refusal(401, 'K2', 'Missing or invalid private key.');
    return given === this.#options.key ? null : refusal(403, 'K2', 'The key lacks the scope events:write.');
  }

  #record(event: KlaviyoAttributes, entry: LedgerEntry): void {
    entry.verdict = 'accepted';
    const metric = event.metric.data.attributes.name;
    const { email, phone_number, external_id, anonymous_id, _kx } = event.profile.data.attributes;
    const profile = email?.toLowerCase() ?? phone_number ?? external_id ?? anonymous_id ?? _kx;
    const identity = `${profile} ${metric} ${event.unique_id}`;
    this.records.push({ event, metric, uniqueId: event.unique_id, duplicate: this.#seen.has(identity), entry });
    this.#seen.add(identity);
  }
}

function misuse(path: string): readonly [rule: string, detail: string] | readonly [null, ''] {
  if (isEvents(path)) return [null, ''];
  if (/^\/api\/profile-subscription/.test(path)) return ['K19', 'subscriptions are not ours to change'];
  if (/^\/api\/event-bulk-create-jobs/.test(path))
    return ['K15', 'the bulk endpoint fails a whole request for one event'];
  return ['K1', `${path} is not for a server that delivers events`];
}

function refuseForm({ headers, text, body }: Request, revisions: readonly string[]): Refusal | null {
  const revision = headers['revision'] ?? '';
  if (!revisions.includes(revision)) {
    const isRetired = /^\d{4}-\d{2}-\d{2}$/.test(revision) && revision < RETIRED_BEFORE;
    return refusal(isRetired ? 410 : 400, 'K3', `revision ${revision || '(none)'} is not served`);
  }
  if (headers['x-klaviyo-revision-fall-forward-opt-out'] !== '1') {
    return refusal(400, 'K3', 'the opt-out of falling forward is required here');
  }
  const type = headers['content-type'] ?? '';
  if (!/^application\/(?:vnd\.api\+)?json(?:\s*;|$)/i.test(type)) return refusal(415, 'K4', `content type ${type}`);
  if (Buffer.byteLength(text) > MAX_BODY_BYTES) return refusal(413, 'K10', 'a payload of more than 5 MB');
  return body === undefined ? refusal(400, 'K5', 'the body is not JSON') : null;
}

function reject(entry: LedgerEntry, { status, problems, headers = {} }: Refusal): Reply {
  const [first] = problems;
  Object.assign(entry, { verdict: 'rejected', rule: first?.rule ?? null, why: first?.detail ?? null });
  return klaviyoErrorReply(status, { problems, headers });
}

// What counts is the first request for an event: by the time of a retry Meta may have been asked again.
function orderViolations(ledger: readonly LedgerEntry[], options: FakeKlaviyoOptions): readonly Violation[] {
  const metas = options.meta === undefined ? [] : [options.meta].flat();
  if (metas.length === 0) return [];
  const checked = new Set<string>();
  return ledger.flatMap((entry) => {
    const claim = claimOf(entry, options.metaNames ?? META_NAMES);
    const identity = `${claim?.metric} ${claim?.uniqueId}`;
    if (claim === null || checked.has(identity)) return [];
    checked.add(identity);
    return orderViolation(claim, metas) ?? [];
  });
}

function claimOf(
  entry: LedgerEntry,
  metaNames: Readonly<Record<string, string>>,
): (Claim & { readonly metric: string; readonly uniqueId: string }) | null {
  const attributes = attributesOf(entry);
  if (attributes === null || !isEvents(entry.path) || entry.status === 401) return null;
  const metric = metricOf(attributes);
  return {
    entry,
    metric,
    uniqueId: String(attributes['unique_id']),
    eventId: String(propertyOf(attributes, 'capi_event_id')),
    metaName: metaNames[metric] ?? null,
    capiStatus: propertyOf(attributes, 'capi_status'),
  };
}

type Attributes = Readonly<Record<string, unknown>>;

function isEvents(path: string): boolean {
  return /^\/api\/events\/?$/.test(path);
}

function attributesOf({ body }: Request): Attributes | null {
  const data = isRecord(body) ? body['data'] : undefined;
  const attributes = isRecord(data) ? data['attributes'] : undefined;
  return isRecord(attributes) ? attributes : null;
}

function metricOf(attributes: Attributes): string {
  let value: unknown = attributes['metric'];
  for (const key of ['data', 'attributes', 'name']) value = isRecord(value) ? value[key] : undefined;
  return String(value);
}

function propertyOf(attributes: Attributes, key: string): unknown {
  const properties = attributes['properties'];
  return isRecord(properties) ? properties[key] : undefined;
}

function concerns(attributes: Attributes | null, eventId: string): boolean {
  if (attributes === null) return false;
  return attributes['unique_id'] === eventId || propertyOf(attributes, 'capi_event_id') === eventId;
}
