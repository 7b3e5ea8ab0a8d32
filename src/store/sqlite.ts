// The store on SQLite: one writer, one file for log and outbox, a second one for look-ups. Whoever opens it owns the data
// folder until it is closed.

import { Problem } from '../core/errors.ts';
import { prepareAccept } from './sqlite/accept.ts';
import type { Committer } from './sqlite/committer.ts';
import { prepareConsentChange } from './sqlite/consent-change.ts';
import type { StoreContext, StoreOptions } from './sqlite/context.ts';
import { openDatabase } from './sqlite/database.ts';
import type { DeadLetters } from './sqlite/dead-letters.ts';
import { watchFreeSpace } from './sqlite/free-space.ts';
import { JOB_STRIDE } from './sqlite/jobs.ts';
import { takeLock } from './sqlite/lock.ts';
import { openParts, type Parts } from './sqlite/parts.ts';
import type { QueueState, Store } from './store.ts';

const FILL_AFTER_MS = 100;
const EXPIRE_EVERY_MS = 3_600_000;

/**
 * Takes the folder's lock, opens or creates the database, and brings the look-ups up to the log.
 * @throws CannotRun with the reason in one sentence
 */
export async function openSqliteStore(options: StoreOptions): Promise<Store> {
  const lock = takeLock(options.file);
  try {
    const db = await openDatabase(options.file);
    const opened = openParts(db, options);
    return assemble(opened, options, () => {
      db.close();
      lock.release();
    });
  } catch (error) {
    lock.release();
    throw error;
  }
}

function assemble(
  { context, committer, outbox, letters, epochKey }: Parts,
  options: StoreOptions,
  release: () => void,
): Store {
  const { jobs, entries, lookups } = context;
  const acceptOne = prepareAccept(context);
  const changeConsent = prepareConsentChange(context);
  const space = watchFreeSpace(options.file, options.minFreeBytes);
  const failing = new Set<string>();
  const number = (destination: string) => entries.number('destination', destination);
  let isRefusing = false;

  const refusal = (): string | null => {
    if (isRefusing) return 'the server is stopping';
    if (committer.failure() !== null) return `the log cannot be written (${committer.failure()})`;
    return space.isLow() ? 'the disk is nearly full' : null;
  };
  const backlog = (): string | null => {
    const due = options.destinations.filter((id) => !failing.has(id)).map((id) => jobs.fresh(number(id)));
    if (Math.max(0, ...due) > options.maxDueJobs) return 'more events are due than are being sent';
    return lookups.isFull() ? 'the look-ups lag behind' : null;
  };
  const commit = <T>(weight: number, run: () => T): Promise<T> =>
    new Promise((resolve, reject) =>
      committer.enqueue({ weight, mustKeep: false, run, done: resolve, failed: reject }, 'urgent'),
    );

  const stopTimers = startTimers(context, { committer, letters, keepMs: options.keepDeadLettersMs });

  return {
    outbox,
    epochKey,
    async accept(candidates) {
      const why = refusal() ?? backlog();
      if (why !== null) throw new Problem('unavailable', `${why}; nothing was accepted`, { retryAfterSeconds: 2 });
      return commit(candidates.length, () => candidates.map(acceptOne));
    },
    async changeConsent(change) {
      const why = refusal();
      if (why !== null) throw new Problem('unavailable', `${why}; nothing was recorded`, { retryAfterSeconds: 2 });
      return commit(1, () => changeConsent(change));
    },
    async health() {
      const why = refusal() ?? backlog();
      return { ready: why === null, why };
    },
    deadLetters: async () => letters.list(),
    retryDeadLetters: (ids) => commit(0, () => letters.retry(ids)),
    onCommit: (listener) => committer.onCommit(listener),
    queue: async (destination) => queueState(context, options.destinations.indexOf(destination), number(destination)),
    setFailing(destination, isFailing) {
      if (isFailing) failing.add(destination);
      else failing.delete(destination);
    },
    refuseAll() {
      isRefusing = true;
    },
    async close() {
      isRefusing = true;
      stopTimers();
      space.stop();
      committer.enqueue(
        {
          weight: 0,
          mustKeep: true,
          run: () => entries.append('stop', context.clock(), {}),
          done: () => undefined,
          failed: () => undefined,
        },
        'urgent',
      );
      committer.close();
      lookups.close();
      release();
    },
  };
}

function queueState({ jobs, inFlight }: StoreContext, place: number, destination: number): QueueState {
  const count = (state: 'due' | 'waiting' | 'retrying' | 'paused' | 'dead') => jobs.count(destination, state);
  const live = { due: count('due'), waiting: count('waiting'), retrying: count('retrying'), paused: count('paused') };
  const isEmpty = live.due + live.waiting + live.retrying + live.paused === 0;
  return {
    ...live,
    in_flight: [...inFlight].filter((id) => id % JOB_STRIDE === place).length,
    dead: count('dead'),
    oldestMs: isEmpty ? null : jobs.oldestAcceptedMs(destination),
  };
}

interface Housekeeping {
  readonly committer: Committer;
  readonly letters: DeadLetters;
  readonly keepMs: number;
}

/** Fills the look-ups behind the answers and forgets old dead letters. */
function startTimers({ lookups, clock }: StoreContext, { committer, letters, keepMs }: Housekeeping): () => void {
  let filling: NodeJS.Immediate | null = null;
  let waiting: NodeJS.Timeout | null = null;
  const fill = () => {
    filling = lookups.fill() ? setImmediate(fill) : null;
  };
  let isStopped = false;
  committer.onCommit(() => {
    if (isStopped || filling !== null || waiting !== null) return;
    waiting = setTimeout(() => {
      waiting = null;
      fill();
    }, FILL_AFTER_MS);
  });
  const expire = setInterval(() => {
    const run = () => letters.expire(clock() - keepMs);
    committer.enqueue({ weight: 0, mustKeep: false, run, done: () => undefined, failed: () => undefined }, 'patient');
  }, EXPIRE_EVERY_MS);
  expire.unref();
  return () => {
    isStopped = true;
    clearInterval(expire);
    if (filling !== null) clearImmediate(filling);
    if (waiting !== null) clearTimeout(waiting);
  };
}
