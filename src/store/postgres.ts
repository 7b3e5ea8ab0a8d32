// The store on PostgreSQL: as many nodes as are wanted over one database. Each writes a chain of its own; each that delivers
// leases partitions of lanes. Connections: two that write, some that read, one that keeps leases, one that listens.

import { Problem } from '../core/errors.ts';
import type { ConsentChange } from '../core/ports.ts';
import { acceptOne, type Expected, expectDecision } from './postgres/accept.ts';
import type { Committer } from './postgres/committer.ts';
import { changeConsent } from './postgres/consent-change.ts';
import type { PostgresOptions } from './postgres/context.ts';
import { idsOf } from './postgres/dead-letters.ts';
import type { MutableWants, Operation } from './postgres/operation.ts';
import { openParts, type Parts } from './postgres/parts.ts';
import type { Store } from './store.ts';

/**
 * Migrates the database, takes a chain and a share of the partitions, and records the start.
 * @throws CannotRun with the reason in one sentence
 */
export async function openPostgresStore(options: PostgresOptions): Promise<Store> {
  return assemble(await openParts(options), options);
}

function assemble(parts: Parts, options: PostgresOptions): Store {
  const { context, committer, outbox, letters, backlog } = parts;
  const failing = new Set<string>();
  let isRefusing = false;

  const refusal = (): string | null => {
    if (isRefusing) return 'the server is stopping';
    const failure = committer.failure();
    return failure === null ? null : `the log cannot be written (${failure})`;
  };
  const isOutrun = (): string | null => {
    const due = options.destinations.filter((id) => !failing.has(id)).map((id) => backlog.fresh(id));
    return Math.max(0, ...due) > options.maxDueJobs ? 'more events are due than are being sent' : null;
  };
  const refuse = (why: string | null, what: string) => {
    if (why !== null) throw new Problem('unavailable', `${why}; nothing was ${what}`, { retryAfterSeconds: 2 });
  };

  return {
    outbox,
    epochKey: parts.epochKey,
    async accept(candidates) {
      refuse(refusal() ?? isOutrun(), 'accepted');
      if (candidates.length === 0) return [];
      let expected: readonly Expected[] = [];
      return commit(committer, {
        weight: candidates.length,
        mustKeep: false,
        want(wants) {
          expected = candidates.map((candidate) => expectDecision(context, candidate));
          for (const one of expected) wantOf(wants, one);
        },
        run: (draft) => expected.map((one) => acceptOne(context, draft, one)),
      });
    },
    async changeConsent(change) {
      refuse(refusal(), 'recorded');
      return commit(committer, {
        weight: 1,
        mustKeep: false,
        want: (wants) => wantOfChange(wants, change),
        run: (draft) => changeConsent(context, draft, change),
      });
    },
    async health() {
      const why = refusal() ?? isOutrun() ?? parts.unready();
      return { ready: why === null, why };
    },
    deadLetters: () => letters.list(),
    async retryDeadLetters(ids) {
      const chosen = idsOf(await letters.list(), ids);
      return new Promise((done, failed) => committer.enqueue(letters.retry(chosen, { done, failed }), 'urgent'));
    },
    onCommit(listener) {
      committer.onCommit(listener);
      // What another node queued is due here without a commit of ours.
      parts.onWake(() => listener(0, 0));
    },
    queue: (destination) => backlog.queue(destination, outbox.inFlight(destination)),
    setFailing(destination, isFailing) {
      if (isFailing) failing.add(destination);
      else failing.delete(destination);
    },
    refuseAll() {
      isRefusing = true;
    },
    async close() {
      isRefusing = true;
      await parts.close();
    },
  };
}

function commit<T>(committer: Committer, work: Omit<Operation<T>, 'done' | 'failed'>): Promise<T> {
  return new Promise((done, failed) => committer.enqueue({ ...work, done, failed }, 'urgent'));
}

function wantOf(wants: MutableWants, { candidate, mask, refuses }: Expected): void {
  for (const key of [candidate.eventKey, candidate.orderKey]) {
    if (key !== null && !wants.keys.has(key)) wants.keys.set(key, mask);
  }
  for (const ref of candidate.visitorRefs) wants.refs.add(ref);
  if (!refuses || candidate.visitorRefs.length === 0) return;
  wants.lanes.add(candidate.lane);
  for (const ref of candidate.visitorRefs) {
    wants.lockedRefs.add(ref);
    wants.visitors.add(ref);
  }
}

function wantOfChange(wants: MutableWants, { visitors }: ConsentChange): void {
  for (const { ref, lane } of visitors) {
    wants.refs.add(ref);
    wants.lockedRefs.add(ref);
    wants.visitors.add(ref);
    wants.lanes.add(lane);
  }
}
