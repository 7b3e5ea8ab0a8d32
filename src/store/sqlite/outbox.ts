// The delivering half of the store: claims heads of lanes, records what attempts came to, releases who waited too long.

import type { CapiStatus } from '../../core/delivery.ts';
import type { Claim, Outbox, Settlement } from '../../core/ports.ts';
import type { RegionBasis } from '../../core/region.ts';
import { endJob, eventSeqOf } from './cancel.ts';
import type { Committer } from './committer.ts';
import type { StoreContext } from './context.ts';
import { BACKOFF_UNIT, BATCH_CAP_UNIT, JOB_FLAGS, JOB_STATES, type JobRow } from './jobs.ts';

// Read as arrays: rows as objects cost more than twice the time.
type EventRow = [timeMs: number, visitor: Buffer | null, others: number, sealId: Buffer, sealed: Buffer];
type DecisionRow = [
  atMs: number,
  eventName: string,
  country: string | null,
  regionBasis: number,
  evidence: number | null,
];

export interface OutboxOptions {
  readonly committer: Committer;
  /** What was queued before this start waits its time anew, epoch milliseconds. */
  readonly startedMs: number;
}

/** Opens the delivering half over the store's parts. */
export function openOutbox(store: StoreContext, { committer, startedMs }: OutboxOptions): Outbox {
  const readEvent = store.db
    .prepare('SELECT time_ms, visitor, others, seal_id, sealed FROM outbox_event WHERE event_seq = ?')
    .raw();
  const readDecision = store.db
    .prepare('SELECT at_ms, event_name, country, region_basis, evidence FROM log_entry WHERE seq = ?')
    .raw();
  const moving = new Set<number>();
  // Between a claim and the question after the next one the clock goes on: what came due meanwhile is in neither otherwise.
  const lookedMs = new Map<string, number>();

  /** Enqueues a change of one job that is no attempt. */
  const change = (id: number, run: (job: JobRow) => void, urgency: 'urgent' | 'patient' = 'urgent') => {
    moving.add(id);
    committer.enqueue(
      {
        weight: 0,
        mustKeep: true,
        run() {
          const job = store.jobs.get(id);
          if (job !== undefined) run(job);
        },
        done() {
          moving.delete(id);
          store.inFlight.delete(id);
        },
        failed() {
          moving.delete(id);
        },
      },
      urgency,
    );
  };

  const release = (id: number) =>
    change(id, (job) => {
      if (job.state !== JOB_STATES.waiting) return;
      const atMs = store.clock();
      const seq = store.entries.append('release', atMs, {
        event_seq: eventSeqOf(job),
        decision_seq: job.decision_seq,
        destination: store.entries.text(job.destination),
        capi_status: 'deferred',
      });
      const status = store.entries.number('capi_status', 'deferred');
      store.jobs.update(job, { state: JOB_STATES.due, due_ms: atMs, capi_status: status, released_seq: seq });
    });

  /** A waiting head whose time is over: released, or given its time anew after a start. */
  const endWait = (job: JobRow) => {
    const anewMs = startedMs + waitMsOf(store, job);
    if (store.clock() >= anewMs) release(job.id);
    else change(job.id, (row) => row.state === JOB_STATES.waiting && store.jobs.update(row, { due_ms: anewMs }));
  };

  const toClaim = (job: JobRow): Claim => {
    const event = readEvent.get(eventSeqOf(job)) as EventRow | undefined;
    const decision = readDecision.get(job.decision_seq) as DecisionRow | undefined;
    if (event === undefined || decision === undefined) throw new Error('a job has no event');
    const [timeMs, visitor, others, sealId, sealed] = event;
    const [acceptedMs, eventName, country, regionBasis, evidence] = decision;
    return {
      jobId: job.id,
      destination: store.entries.text(job.destination),
      site: store.entries.text(job.site),
      eventSeq: eventSeqOf(job),
      decisionSeq: job.decision_seq,
      eventName,
      region: { country, basis: store.entries.text(regionBasis) as RegionBasis },
      evidence: store.evidence.read(evidence),
      visitorRefs: [
        ...(visitor === null ? [] : [visitor.toString('latin1')]),
        ...(others === 0 ? [] : store.events.others(eventSeqOf(job))),
      ],
      sealId: sealId.toString('latin1'),
      sealed: sealed.toString('latin1'),
      acceptedMs,
      timeMs,
      attempt: job.attempt,
      earlierUnknown: (job.flags & JOB_FLAGS.unknown) !== 0,
      backfill: (job.flags & JOB_FLAGS.backfill) !== 0,
      capiStatus: job.capi_status === null ? null : (store.entries.text(job.capi_status) as CapiStatus),
      releasedSeq: job.released_seq ?? job.decision_seq,
      lane: job.lane.toString('latin1'),
      batchCap: capOf(job),
      backoff: Math.floor(job.flags / BACKOFF_UNIT),
    };
  };

  const isBusy = (job: JobRow) => store.inFlight.has(job.id) || moving.has(job.id);

  /** A head and what may leave in one request with it: the next of its lane, as long as they are due too. */
  const runOf = (head: JobRow, length: number): readonly JobRow[] => {
    if (length <= 1) return [head];
    const nowMs = store.clock();
    const followers = store.jobs.followers(head, length - 1);
    const isReady = (job: JobRow) =>
      (job.state === JOB_STATES.due || job.state === JOB_STATES.retrying) && job.due_ms <= nowMs && !isBusy(job);
    const end = followers.findIndex((job) => !isReady(job));
    return [head, ...(end < 0 ? followers : followers.slice(0, end))];
  };

  return {
    async claim(destination, { jobs, runLength }) {
      if (committer.failure() !== null || jobs <= 0) return [];
      const number = store.entries.number('destination', destination);
      const nowMs = store.clock();
      lookedMs.set(destination, nowMs);
      const heads = store.jobs.heads(number, nowMs, jobs + store.inFlight.size + moving.size);
      const runs: Claim[][] = [];
      let left = jobs;
      for (const head of heads) {
        if (left <= 0) break;
        if (isBusy(head)) continue;
        if (head.state === JOB_STATES.waiting) endWait(head);
        else {
          const run = runOf(head, Math.min(left, runLength, capOf(head) ?? runLength));
          for (const job of run) store.inFlight.add(job.id);
          runs.push(run.map(toClaim));
          left -= run.length;
        }
      }
      return runs;
    },
    unclaim: (claim) => store.inFlight.delete(claim.jobId),
    nextDueMs: async (destination) =>
      store.jobs.nextDueMs(store.entries.number('destination', destination), lookedMs.get(destination) ?? 0),
    look: async (claim) => ({
      withdrawnMs: store.states.withdrawnMs(claim.visitorRefs, claim.destination),
      erased: false,
    }),
    settle: (settlement) => settle(store, committer, settlement),
    postpone: (claim, dueMs) => change(claim.jobId, (job) => store.jobs.update(job, { due_ms: dueMs }), 'patient'),
    park: (claim) => change(claim.jobId, (job) => store.jobs.update(job, { state: JOB_STATES.paused }), 'patient'),
    unpark(destination, site, limit) {
      const numbers = [store.entries.number('destination', destination), store.entries.number('site', site)] as const;
      for (const parked of store.jobs.parked(...numbers, limit)) {
        change(parked.id, (job) => {
          if (job.state !== JOB_STATES.paused) return;
          const state = job.attempt === 0 ? JOB_STATES.due : JOB_STATES.retrying;
          store.jobs.update(job, { state, due_ms: store.clock() });
        });
      }
    },
    parkedSites: async (destination) =>
      store.jobs.parkedSites(store.entries.number('destination', destination)).map((site) => store.entries.text(site)),
    newestSeq: () => store.entries.newestSeq(),
  };
}

function capOf(job: JobRow): number | null {
  const cap = Math.floor((job.flags % BACKOFF_UNIT) / BATCH_CAP_UNIT);
  return cap === 0 ? null : cap;
}

function waitMsOf(store: StoreContext, job: JobRow): number {
  const destination = store.entries.text(job.destination);
  const site = store.sites.get(store.entries.text(job.site));
  return site?.destinations.find(({ id }) => id === destination)?.waitMs ?? 0;
}

function settle(store: StoreContext, committer: Committer, settlement: Settlement): Promise<void> {
  const releases = settlement.outcome !== 'retrying' && store.jobs.waiter({ id: settlement.claim.jobId }) !== undefined;
  return new Promise((resolve, reject) => {
    committer.enqueue(
      {
        weight: 1,
        mustKeep: true,
        run: () => record(store, settlement),
        done() {
          if (!settlement.kept) store.inFlight.delete(settlement.claim.jobId);
          resolve();
        },
        failed: reject,
      },
      // Somebody waits for this commit; a final one may ride along with the next.
      releases ? 'urgent' : 'patient',
    );
  });
}

function record(store: StoreContext, settlement: Settlement): void {
  const { claim, outcome, startedSeq } = settlement;
  const atMs = store.clock();
  const attempt = claim.attempt + (startedSeq === null ? 0 : 1);
  const seq = store.entries.append('delivery', atMs, {
    event_seq: claim.eventSeq,
    decision_seq: claim.decisionSeq,
    destination: claim.destination,
    outcome,
    attempt,
    http_status: settlement.httpStatus,
    code: settlement.code,
    trace_id: settlement.traceId,
    started_seq: startedSeq,
    capi_status: claim.capiStatus,
  });
  const job = store.jobs.get(claim.jobId);
  if (job === undefined) return;
  if (outcome !== 'retrying') {
    endJob(store, { ...job, attempt }, { outcome, seq, atMs, code: settlement.code });
    return;
  }
  const flags = (settlement.unknown ? JOB_FLAGS.unknown : 0) | (settlement.backfill ? JOB_FLAGS.backfill : 0);
  store.jobs.update(job, {
    state: settlement.parked ? JOB_STATES.paused : JOB_STATES.retrying,
    due_ms: settlement.dueMs ?? atMs,
    attempt,
    flags:
      (job.flags & (JOB_FLAGS.unknown | JOB_FLAGS.transactional)) |
      flags |
      ((settlement.batchCap ?? 0) * BATCH_CAP_UNIT) |
      (settlement.backoff * BACKOFF_UNIT),
  });
}
