// Natural group commit: what arrives while a transaction runs goes into the next one. Nothing is acknowledged before its
// transaction is on disk, and after a failed commit nothing new is taken until a commit succeeds again.

import Database from 'better-sqlite3';
import { Problem } from '../../core/errors.ts';

/** A piece of work of one transaction. `weight` counts against the most events of a transaction. */
export interface Operation<T = unknown> {
  readonly weight: number;
  run(): T;
  done(result: T): void;
  failed(error: unknown): void;
  /** Kept and tried again after a failed commit, because it happened whether we can write it or not. */
  readonly mustKeep: boolean;
}

/** What has to follow commits and rollbacks. */
export interface Participant {
  /** The last writes of a transaction. */
  sealing?(): void;
  committed(): void;
  rolledBack(): void;
}

export interface Committer {
  /** `urgent`: committed at the next turn; else it may wait `patienceMs` for company. */
  enqueue<T>(operation: Operation<T>, urgency: 'urgent' | 'patient'): void;
  /** Null while commits succeed. */
  failure(): string | null;
  onCommit(listener: (events: number, durationMs: number) => void): void;
  /** Commits what is queued before it returns. */
  flushNow(): void;
  /** Commits what is left and takes nothing more. */
  close(): void;
}

export interface CommitterOptions {
  readonly db: Database.Database;
  readonly participants: readonly Participant[];
  readonly nowMs: () => number;
  readonly maxWeight: number;
  readonly patienceMs: number;
  /** Between attempts while the log cannot be written. */
  readonly retryMs: number;
  /** An error that is neither the disk's nor the database's: the state can no longer be trusted. */
  readonly onBroken: (error: unknown) => void;
}

/** Starts the commit loop of a database. */
export function createCommitter(options: CommitterOptions): Committer {
  const { db, participants } = options;
  const begin = db.prepare('BEGIN IMMEDIATE');
  const commit = db.prepare('COMMIT');
  const rollback = db.prepare('ROLLBACK');
  const listeners: ((events: number, durationMs: number) => void)[] = [];
  let queue: Operation<never>[] = [];
  let immediate: NodeJS.Immediate | null = null;
  let timer: NodeJS.Timeout | null = null;
  let failure: string | null = null;
  let closed = false;

  function transact(operations: readonly Operation<never>[]): (() => void)[] {
    begin.run();
    try {
      const acknowledgements = operations.map((operation) => {
        const result = operation.run();
        return () => operation.done(result);
      });
      for (const participant of participants) participant.sealing?.();
      commit.run();
      for (const participant of participants) participant.committed();
      return acknowledgements;
    } catch (error) {
      if (db.inTransaction) rollback.run();
      for (const participant of participants) participant.rolledBack();
      throw error;
    }
  }

  function flush(): void {
    clear();
    const operations = take();
    const startedMs = options.nowMs();
    try {
      const acknowledgements = transact(operations);
      failure = null;
      for (const acknowledge of acknowledgements) acknowledge();
    } catch (error) {
      afterFailure(operations, error);
      return;
    }
    const events = operations.reduce((sum, operation) => sum + operation.weight, 0);
    for (const listener of listeners) listener(events, options.nowMs() - startedMs);
    if (queue.length > 0) schedule('urgent');
  }

  function take(): readonly Operation<never>[] {
    let weight = 0;
    let count = 0;
    for (const operation of queue) {
      weight += operation.weight;
      if (count > 0 && weight > options.maxWeight) break;
      count += 1;
    }
    const taken = queue.slice(0, count);
    queue = queue.slice(count);
    return taken;
  }

  function afterFailure(operations: readonly Operation<never>[], error: unknown): void {
    if (!(error instanceof Database.SqliteError)) {
      isolate(operations, error);
      return;
    }
    failure = error.code;
    const kept = operations.filter((operation) => operation.mustKeep);
    for (const operation of operations) if (!operation.mustKeep) operation.failed(unavailable(error));
    // Outcomes in hand are the first that a working disk gets.
    queue = [...kept, ...refuseRest()];
    retryLater();
  }

  function refuseRest(): Operation<never>[] {
    const kept: Operation<never>[] = [];
    for (const operation of queue) {
      if (operation.mustKeep) kept.push(operation);
      else operation.failed(unavailable(null));
    }
    return kept;
  }

  // One bad event must not cost its neighbours: each is tried alone, and the one that fails again is the bad one.
  function isolate(operations: readonly Operation<never>[], error: unknown): void {
    const [only, ...others] = operations;
    if (only !== undefined && others.length === 0) {
      only.failed(error);
      if (only.mustKeep) options.onBroken(error);
    } else {
      for (const operation of operations) runAlone(operation);
    }
    if (queue.length > 0) schedule('urgent');
  }

  function runAlone(operation: Operation<never>): void {
    try {
      for (const acknowledge of transact([operation])) acknowledge();
      for (const listener of listeners) listener(operation.weight, 0);
    } catch (error) {
      afterFailure([operation], error);
    }
  }

  function retryLater(): void {
    if (closed) return;
    clear();
    timer = setTimeout(() => (queue.length > 0 ? flush() : probe()), options.retryMs);
  }

  // An empty transaction that writes a page: does the disk take it?
  function probe(): void {
    try {
      begin.run();
      db.pragma(`user_version = ${Number(db.pragma('user_version', { simple: true })) === 1 ? 2 : 1}`);
      commit.run();
      failure = null;
      for (const listener of listeners) listener(0, 0);
    } catch (error) {
      if (db.inTransaction) rollback.run();
      if (!(error instanceof Database.SqliteError)) throw error;
      failure = error.code;
      retryLater();
    }
  }

  function clear(): void {
    if (immediate !== null) clearImmediate(immediate);
    if (timer !== null) clearTimeout(timer);
    immediate = null;
    timer = null;
  }

  function schedule(urgency: 'urgent' | 'patient'): void {
    if (failure !== null) return;
    if (urgency === 'patient') timer ??= setTimeout(flush, options.patienceMs);
    else immediate ??= setImmediate(flush);
  }

  return {
    enqueue(operation, urgency) {
      if (closed || (failure !== null && !operation.mustKeep)) {
        operation.failed(unavailable(null));
        return;
      }
      queue.push(operation as Operation<never>);
      schedule(urgency);
    },
    failure: () => failure,
    flushNow() {
      while (queue.length > 0 && failure === null) flush();
    },
    onCommit: (listener) => listeners.push(listener),
    close() {
      this.flushNow();
      clear();
      closed = true;
    },
  };
}

function unavailable(cause: unknown): Problem {
  return new Problem('unavailable', undefined, { retryAfterSeconds: 2, cause });
}
