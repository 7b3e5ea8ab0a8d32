// A store for a test: its own folder, a clock that stands still until it is moved, candidates with ids that say who they are.

import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { collectEvidence, signals } from '../../src/consent/index.ts';
import type { RawConsent } from '../../src/core/consent.ts';
import { deriveKeys, keyedHash, laneOf, type PersonId, packSubjectRefs, stateRef } from '../../src/core/identity.ts';
import { canonicalJson } from '../../src/core/json.ts';
import { createDecide } from '../../src/core/policy.ts';
import type { Candidate, Claim, ConsentChange, Settlement } from '../../src/core/ports.ts';
import { payloadBinding, seal } from '../../src/core/seal.ts';
import type { SiteRules, StoreOptions } from '../../src/store/sqlite/context.ts';
import type { Store } from '../../src/store/store.ts';
import { oneTrustCookie } from '../consent-samples.ts';
import { countedIds } from '../ids.ts';
import { defaultPolicy } from '../policies.ts';

export const START_MS = Date.parse('2026-11-24T08:00:00Z');
export const WAIT_MS = 30_000;
const SITE = 'shop';

export type OpenStore = (options: StoreOptions) => Promise<Store>;

export interface Visit {
  readonly event: string;
  readonly visitor?: string;
  readonly name?: string;
  readonly order?: string;
  readonly consent?: RawConsent | null;
  readonly objections?: Candidate['objections'];
  readonly timeMs?: number;
}

/** Opens stores of one folder; everything is closed and removed by `end`. */
export function storeWorld(open: OpenStore) {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-store-'));
  const file = join(folder, 'sluice.db');
  const keys = deriveKeys(createHash('sha256').update('test keys').digest());
  const ids = countedIds();
  const broken: unknown[] = [];
  let nowMs = START_MS;
  let store: Store | null = null;

  const options: StoreOptions = {
    file,
    keys,
    decide: createDecide(signals),
    sites: new Map([[SITE, rules()]]),
    destinations: ['meta', 'klaviyo'],
    clock: () => nowMs,
    ids,
    maxDueJobs: 1_000_000,
    minFreeBytes: 0,
    keepDeadLettersMs: 7 * 86_400_000,
    about: { version: 'test' },
    onBroken: (error) => broken.push(error),
  };

  const world = {
    file,
    keys,
    broken,
    now: () => nowMs,
    pass(ms: number) {
      nowMs += ms;
    },
    async open(change: Partial<StoreOptions> = {}): Promise<Store> {
      store = await open({ ...options, ...change });
      return store;
    },
    async close() {
      await store?.close();
      store = null;
    },
    async reopen(change: Partial<StoreOptions> = {}): Promise<Store> {
      await world.close();
      return world.open(change);
    },
    async end() {
      await world.close();
      rmSync(folder, { recursive: true, force: true });
    },
    candidate({
      event,
      visitor = 'anna',
      name = 'begin_checkout',
      order,
      consent = granted(nowMs),
      objections = [],
      timeMs,
    }: Visit): Candidate {
      const person: PersonId = { kind: 'visitor', id: visitor };
      const ref = stateRef(keys, SITE, person);
      const sealId = ids.bytes(16);
      return {
        site: SITE,
        source: 'browser',
        trust: 'browser',
        name,
        eventId: event,
        loggedEventId: event,
        timeMs: timeMs ?? nowMs,
        receivedMs: nowMs,
        objections,
        region: { country: 'DE', basis: 'proxy_header' },
        evidence: evidenceOf(consent),
        subjectRefs: packSubjectRefs(keys.state, SITE, [person]),
        visitorRefs: [ref],
        lane: laneOf(keys, SITE, [person], event),
        laneVisitor: ref,
        eventKey: keyedHash(keys.lookup, 8, SITE, name, event),
        orderKey: order === undefined ? null : keyedHash(keys.lookup, 8, SITE, 'order', order),
        sealId,
        sealed: seal(keys.seal, JSON.stringify({ eventId: event }), payloadBinding(SITE, sealId), ids.bytes(12)),
      };
    },
    consentChange(visitors: readonly string[], consent: RawConsent): ConsentChange {
      const persons = visitors.map((id): PersonId => ({ kind: 'visitor', id }));
      return {
        site: SITE,
        receivedMs: nowMs,
        region: { country: 'DE', basis: 'proxy_header' },
        evidence: evidenceOf(consent),
        subjectRefs: packSubjectRefs(keys.state, SITE, persons),
        visitors: persons.map((person) => ({
          ref: stateRef(keys, SITE, person),
          lane: laneOf(keys, SITE, [person], person.id),
        })),
      };
    },
    settlement(claim: Claim, change: Partial<Settlement> = {}): Settlement {
      return {
        claim,
        outcome: 'accepted',
        parked: false,
        code: null,
        httpStatus: 200,
        traceId: null,
        startedSeq: store?.outbox.newestSeq() ?? 0,
        unknown: false,
        backfill: false,
        dueMs: null,
        batchCap: null,
        backoff: claim.backoff,
        kept: false,
        ...change,
      };
    },
  };
  return world;
}

export type StoreWorld = ReturnType<typeof storeWorld>;

function rules(): SiteRules {
  const common = { configured: true, paused: false, maps: () => true };
  return {
    policy: defaultPolicy,
    destinations: [
      { ...common, id: 'meta', place: 0, isTransactional: () => false, maxAgeMs: 7 * 86_400_000, waitMs: 0 },
      {
        ...common,
        id: 'klaviyo',
        place: 1,
        isTransactional: (name) => name === 'transactional',
        maxAgeMs: null,
        waitMs: WAIT_MS,
      },
    ],
  };
}

function evidenceOf(consent: RawConsent | null): string {
  return canonicalJson(collectEvidence(consent === null ? [] : [consent], (text) => text.length.toString(16)));
}

/** OneTrust, answered a minute before `atMs`. */
export function granted(atMs: number): RawConsent {
  return oneTrustCookie({ atMs: atMs - 60_000, groups: { C0001: 1, C0004: 1 } });
}

export function refused(atMs: number): RawConsent {
  return oneTrustCookie({ atMs: atMs - 60_000, groups: { C0001: 1, C0004: 0 } });
}
