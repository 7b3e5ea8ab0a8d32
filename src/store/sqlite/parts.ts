// Opens the parts of a store over one database, and records the start.

import { createSecretKey, type KeyObject } from 'node:crypto';
import type Database from 'better-sqlite3';
import { CannotRun } from '../../core/errors.ts';
import type { Keys } from '../../core/identity.ts';
import { canonicalPolicy } from '../../core/policy-file.ts';
import type { Outbox } from '../../core/ports.ts';
import { seal, unseal } from '../../core/seal.ts';
import { type Committer, createCommitter } from './committer.ts';
import { openConsentStates } from './consent-state.ts';
import type { StoreContext, StoreOptions } from './context.ts';
import { type DeadLetters, openDeadLetters } from './dead-letters.ts';
import { openEntries } from './entries.ts';
import { openEvidence } from './evidence.ts';
import { openJobs } from './jobs.ts';
import { openLookups } from './lookups.ts';
import { openOutbox } from './outbox.ts';
import { openOutboxEvents } from './outbox-events.ts';
import { rebuildLookups } from './rebuild.ts';

/** Events in one transaction at most. */
const MAX_EVENTS = 500;
/** How long a settlement that nobody waits for may wait for company. */
const PATIENCE_MS = 10;
const RETRY_MS = 250;
const SEEN_WINDOW_MS = 7 * 86_400_000;

export interface Parts {
  readonly context: StoreContext;
  readonly committer: Committer;
  readonly outbox: Outbox;
  readonly letters: DeadLetters;
  readonly epochKey: KeyObject;
}

/**
 * Opens everything over a database that is ours alone.
 * @throws CannotRun when the key file is not the one that the database was made with
 */
export function openParts(db: Database.Database, options: StoreOptions): Parts {
  const startedMs = options.clock();
  const epoch = openEpochKey(db, options, startedMs);
  const context = openContext(db, options, epoch.id);
  rebuildLookups({
    db,
    lookups: context.lookups,
    dictionary: context.entries,
    sinceMs: startedMs - SEEN_WINDOW_MS,
    placeOf: placesOf(options.destinations),
  });
  const committer = startCommitter(context, options);
  recordStart(context, committer, options);
  return {
    context,
    committer,
    outbox: openOutbox(context, { committer, startedMs }),
    letters: openDeadLetters(context),
    epochKey: epoch.key,
  };
}

function openContext(db: Database.Database, options: StoreOptions, epoch: number): StoreContext {
  const { keys, clock, ids, decide, sites } = options;
  const bytes = (count: number) => ids.bytes(count);
  const entries = openEntries(db, () => ids.uuid());
  return {
    db,
    entries,
    lookups: openLookups(`${options.file.replace(/\.db$/, '')}-lookup.db`, entries.chain),
    evidence: openEvidence(db, bytes),
    states: openConsentStates(db, keys.seal, bytes),
    jobs: openJobs(db),
    events: openOutboxEvents(db),
    sites,
    decide,
    clock,
    ids,
    epoch,
    inFlight: new Set(),
  };
}

function startCommitter({ db, entries, evidence, jobs, lookups }: StoreContext, options: StoreOptions): Committer {
  return createCommitter({
    db,
    participants: [
      {
        sealing: () => entries.sealBatch(),
        committed: () => entries.committed(),
        rolledBack: () => entries.rolledBack(),
      },
      { committed: () => undefined, rolledBack: () => evidence.rolledBack() },
      jobs,
      lookups,
    ],
    nowMs: options.clock,
    maxWeight: MAX_EVENTS,
    patienceMs: PATIENCE_MS,
    retryMs: RETRY_MS,
    onBroken: options.onBroken,
  });
}

function placesOf(destinations: readonly string[]): (destination: string) => number | null {
  return (destination) => {
    const place = destinations.indexOf(destination);
    return place < 0 ? null : place;
  };
}

interface EpochRow {
  readonly id: number;
  readonly wrapped: Buffer;
}

function openEpochKey(
  db: Database.Database,
  { keys, ids }: StoreOptions,
  nowMs: number,
): { id: number; key: KeyObject } {
  const row = db.prepare('SELECT id, wrapped FROM epoch_key ORDER BY id DESC LIMIT 1').get() as EpochRow | undefined;
  if (row !== undefined) return { id: row.id, key: unwrap(keys, row) };
  const raw = ids.bytes(32);
  const wrapped = seal(keys.wrap, raw, 'epoch 1', ids.bytes(12));
  db.prepare('INSERT INTO epoch_key (id, from_ms, wrapped) VALUES (1, ?, ?)').run(
    nowMs,
    Buffer.from(wrapped, 'latin1'),
  );
  return { id: 1, key: createSecretKey(Buffer.from(raw, 'latin1')) };
}

function unwrap(keys: Keys, { id, wrapped }: EpochRow): KeyObject {
  try {
    return createSecretKey(Buffer.from(unseal(keys.wrap, wrapped.toString('latin1'), `epoch ${id}`), 'latin1'));
  } catch (cause) {
    throw new CannotRun(
      'the key file is not the one that this database was made with: put the right one in its place',
      { cause },
    );
  }
}

/** The first entries of a start: policies that the log does not know yet, and the start itself. */
function recordStart({ db, entries, sites, clock }: StoreContext, committer: Committer, options: StoreOptions): void {
  const known = db.prepare('SELECT 1 FROM policy WHERE ref = ?');
  const publish = db.prepare('INSERT INTO policy (ref, content) VALUES (?, ?)');
  const last = db.prepare('SELECT kind FROM log_entry WHERE kind IN (5, 6) ORDER BY seq DESC LIMIT 1').pluck().get();
  committer.enqueue(
    {
      weight: 0,
      mustKeep: true,
      run() {
        // Numbers that reading needs are made here, where a transaction is open.
        for (const id of options.destinations) entries.number('destination', id);
        for (const [id, { policy }] of sites) {
          entries.number('site', id);
          if (known.get(policy.ref) !== undefined) continue;
          publish.run(policy.ref, canonicalPolicy(policy));
          entries.append('policy_publish', clock(), { policy: policy.ref });
        }
        const detail = JSON.stringify({
          ...options.about,
          after: last === 5 ? 'unclean stop' : last === 6 ? 'stop' : 'nothing',
        });
        entries.append('start', clock(), { detail });
      },
      done: () => undefined,
      failed: options.onBroken,
    },
    'urgent',
  );
  committer.flushNow();
}
