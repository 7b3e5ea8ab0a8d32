// Group commit on PostgreSQL: what arrives while a batch is written goes into the next. At most two batches are in flight:
// the later one is gathered and decided while the earlier one commits, and the chain's head makes it fail with it.

import { Problem } from '../../core/errors.ts';
import { type Head, isCommitted, resumeChain, takeChain } from './chain.ts';
import type { Connection } from './connection.ts';
import type { PostgresContext } from './context.ts';
import { createDraft, type Written } from './draft.ts';
import { failureKind, nameFailure } from './failure.ts';
import { gather, type Wants } from './gather.ts';
import type { Link } from './link.ts';
import { type Operation, OperationError, runOperation, wantsOf } from './operation.ts';
import { termsOf, write } from './write.ts';

export interface Committer {
  /** `urgent`: at the next turn; else it may wait a little for company. */
  enqueue<T>(operation: Operation<T>, urgency: 'urgent' | 'patient'): void;
  /** Null while commits succeed. */
  failure(): string | null;
  head(): Head;
  onCommit(listener: (events: number, durationMs: number, written: Written | null) => void): void;
  /** Commits what is left, if it can, and takes nothing more. */
  close(): Promise<void>;
}

export interface CommitterOptions {
  readonly context: PostgresContext;
  /** Two connections: one a batch in flight. */
  readonly links: readonly [Link, Link];
  readonly head: Head;
  readonly maxWeight: number;
  readonly patienceMs: number;
  readonly retryMs: number;
}

interface Queued extends Operation<never> {
  /** Tried without company: one bad event must not cost its neighbours. */
  alone?: boolean;
  tries?: number;
}

interface Batch {
  readonly operations: readonly Queued[];
  readonly startedMs: number;
  readonly link: Link;
  written: Written | null;
  acknowledge: () => void;
  ended: Promise<void>;
}

const TRIES = 8;

/** Starts the committer over a chain that is ours. */
export function createCommitter({ context, links, ...limits }: CommitterOptions): Committer {
  const { options } = context;
  const listeners: Parameters<Committer['onCommit']>[0][] = [];
  const holder = { node: options.node, leaseMs: options.leaseMs, newChainId: () => options.ids.uuid() };
  let queue: Queued[] = [];
  let inFlight: Batch[] = [];
  /** Batches whose end is not known, or is known to be bad, with the first error. */
  let lost: { batch: Batch; error: unknown }[] = [];
  /** Where the chain stands when all in flight succeed, and where it stood at the last commit. */
  let head = limits.head;
  let committed = limits.head;
  let failure: string | null = null;
  let isRunning = false;
  let isClosed = false;
  let timer: NodeJS.Timeout | null = null;

  async function work(): Promise<void> {
    if (isRunning) return;
    isRunning = true;
    if (timer !== null) clearTimeout(timer);
    timer = null;
    while (queue.length > 0 || lost.length > 0) {
      if (lost.length > 0) await recover();
      else await begin(take());
      if (failure !== null && isClosed) break;
    }
    isRunning = false;
  }

  function take(): readonly Queued[] {
    const alone = queue.findIndex((operation) => operation.alone === true);
    if (alone === 0) return queue.splice(0, 1);
    let weight = 0;
    let count = 0;
    for (const operation of alone < 0 ? queue : queue.slice(0, alone)) {
      weight += operation.weight;
      if (count > 0 && weight > limits.maxWeight) break;
      count += 1;
    }
    return queue.splice(0, count);
  }

  async function begin(operations: readonly Queued[]): Promise<void> {
    if (inFlight.length > 1) await inFlight[0]?.ended;
    const link = inFlight[0]?.link === links[0] ? links[1] : links[0];
    const batch: Batch = {
      operations,
      startedMs: performance.now(),
      link,
      written: null,
      acknowledge: () => undefined,
      ended: Promise.resolve(),
    };
    try {
      const wants = wantsOf(operations);
      if (mustWait(wants, inFlight.at(-1))) await Promise.all(inFlight.map(({ ended }) => ended));
      if (lost.length > 0) {
        queue = [...operations, ...queue];
        return;
      }
      const connection = await link.open();
      await prepare(batch, connection, wants);
      commit(batch, connection);
    } catch (error) {
      lose(batch, error);
      await Promise.all(inFlight.map(({ ended }) => ended));
    }
  }

  async function prepare(batch: Batch, connection: Connection, wants: Wants): Promise<void> {
    const number = Buffer.from(options.ids.bytes(6), 'latin1').readUIntBE(0, 6);
    const [, gathered] = await Promise.all([
      connection.run('BEGIN'),
      gather(connection, context, { wants, batch: number }),
    ]);
    const { chains, evidence } = context;
    const draft = createDraft({ head, chains, evidence, ids: options.ids, gathered, nowMs: options.clock() });
    const acknowledgements = batch.operations.map((operation) => {
      const result = runOperation(operation, draft);
      return () => operation.done(result);
    });
    const written = draft.finish();
    await context.dictionary.learn(termsOf(written));
    batch.written = written;
    batch.acknowledge = () => {
      for (const acknowledge of acknowledgements) acknowledge();
    };
  }

  function commit(batch: Batch, connection: Connection): void {
    const { written } = batch;
    if (written === null) return;
    head = written.next;
    for (const one of written.evidence) context.evidence.remember(one);
    inFlight.push(batch);
    batch.ended = write(connection, context, written).then(
      () => {
        succeed(batch);
      },
      (error: unknown) => lose(batch, error),
    );
  }

  function succeed(batch: Batch): void {
    inFlight = inFlight.filter((one) => one !== batch);
    if (batch.written !== null && batch.written.root !== null) committed = batch.written.next;
    failure = null;
    batch.acknowledge();
    const events = batch.operations.reduce((sum, { weight }) => sum + weight, 0);
    for (const listener of listeners) listener(events, performance.now() - batch.startedMs, batch.written);
  }

  function lose(batch: Batch, error: unknown): void {
    inFlight = inFlight.filter((one) => one !== batch);
    lost.push({ batch, error });
    batch.link.drop();
    void work();
  }

  /** Learns what became of the batches that were lost, and brings back to the queue what has to be done again. */
  async function recover(): Promise<void> {
    await Promise.all(inFlight.map(({ ended }) => ended));
    for (const link of links) link.drop();
    context.evidence.forget();
    const losses = [...lost].sort((a, b) => a.batch.startedMs - b.batch.startedMs);
    try {
      const connection = await links[0].open();
      const resumed =
        (await resumeChain(connection, committed, options.leaseMs)) ?? (await takeChain(connection, holder));
      const again: Queued[] = [];
      for (const { batch, error } of losses) {
        if (await isInLog(connection, batch)) succeed(batch);
        else again.push(...triesLeft(batch, error));
      }
      await context.chains.cover([resumed.chain]);
      head = resumed;
      committed = resumed;
      lost = [];
      failure = null;
      queue = [...again, ...queue];
    } catch (error) {
      await endure(error);
    }
  }

  /** What of a lost batch is tried again; the rest is told that it failed. */
  function triesLeft({ operations }: Batch, error: unknown): readonly Queued[] {
    const kind = error instanceof OperationError ? 'ours' : failureKind(error);
    const isAlone = operations.length === 1;
    return operations.filter((operation) => {
      if (kind === 'ours' && !isAlone) operation.alone = true;
      else if (kind === 'ours') {
        const cause = error instanceof OperationError ? error.cause : error;
        operation.failed(cause);
        if (operation.mustKeep) options.onBroken(cause);
        return false;
      } else operation.tries = (operation.tries ?? 0) + 1;
      if (operation.mustKeep || (operation.tries ?? 0) < TRIES) return true;
      operation.failed(unavailable(error));
      return false;
    });
  }

  /** The database cannot be reached: what can be refused is refused, the rest waits. */
  async function endure(error: unknown): Promise<void> {
    failure = nameFailure(error);
    const kept = (operations: readonly Queued[]) => operations.filter((operation) => keepOrRefuse(operation, error));
    lost = lost.map((one) => ({ ...one, batch: { ...one.batch, operations: kept(one.batch.operations) } }));
    queue = queue.filter((operation) => keepOrRefuse(operation, error));
    if (isClosed) return;
    await new Promise((resolve) => setTimeout(resolve, limits.retryMs));
  }

  return {
    enqueue(operation, urgency) {
      if (isClosed || (failure !== null && !operation.mustKeep)) {
        operation.failed(unavailable(null));
        return;
      }
      queue.push({ ...operation } as Queued);
      if (urgency === 'urgent') setImmediate(() => void work());
      else timer ??= setTimeout(() => void work(), limits.patienceMs);
    },
    failure: () => failure,
    head: () => committed,
    onCommit: (listener) => void listeners.push(listener),
    async close() {
      isClosed = true;
      await work();
      while (isRunning && failure === null) await new Promise((resolve) => setTimeout(resolve, 5));
      await Promise.all(inFlight.map(({ ended }) => ended));
      if (timer !== null) clearTimeout(timer);
    },
  };
}

// Who cancels must see what the batch before it queues; who decides must see the states that it changes.
function mustWait(wants: Wants, before: Batch | undefined): boolean {
  const cancels = wants.lockedRefs.size + wants.lanes.size + wants.visitors.size > 0;
  return cancels || (before?.written?.states.size ?? 0) > 0;
}

async function isInLog(connection: Connection, { written }: Batch): Promise<boolean> {
  if (written === null || written.root === null) return false;
  return isCommitted(connection, written.next.chain, written.next.batch, written.next.hash);
}

function keepOrRefuse(operation: Queued, error: unknown): boolean {
  if (!operation.mustKeep) operation.failed(unavailable(error));
  return operation.mustKeep;
}

function unavailable(cause: unknown): Problem {
  return new Problem('unavailable', undefined, { retryAfterSeconds: 2, cause });
}
