// A batch while it is made: what was gathered from the database, and over it what the batch's operations change. All of it
// is written in one transaction, or nothing.

import {
  batchHash,
  EMPTY_ENTRY,
  ENTRY_KINDS,
  type EntryKind,
  type LogEntry,
  leafHash,
  merkleRoot,
} from '../../core/ledger.ts';
import type { Ids } from '../../core/ports.ts';
import type { NewEntry } from '../sqlite/entries.ts';
import { JOB_FLAGS, JOB_STATES, JOB_STRIDE } from '../sqlite/jobs.ts';
import type { Chains, Head } from './chain.ts';
import type { EvidenceStore, NewEvidence, StoredEvidence } from './evidence.ts';
import type { Job } from './job.ts';
import type { EntryRef } from './numbers.ts';
import type { VisitorStates } from './visitor-states.ts';

/** What the database said before the batch. */
export interface Gathered {
  /** Bits of each key that was asked for; 0 = nobody took it in the window. */
  readonly masks: ReadonlyMap<string, number>;
  /** What this batch wrote already when it claimed keys that were free. */
  readonly claimed: ReadonlyMap<string, number>;
  readonly states: VisitorStates;
  readonly jobs: readonly Job[];
}

export interface NewEvent {
  readonly event: number;
  readonly atMs: number;
  readonly timeMs: number;
  readonly eventId: string;
  readonly eventName: string;
  readonly country: string | null;
  readonly regionBasis: string;
  readonly evidence: number | null;
  readonly visitor: string | null;
  readonly others: readonly string[];
  readonly sealId: string;
  readonly sealed: string;
}

export interface Link {
  readonly eventSeq: number;
  readonly salt: Uint8Array;
  readonly refs: Uint8Array;
}

/** What a batch comes to. */
export interface Written {
  readonly head: Head;
  readonly next: Head;
  readonly root: Uint8Array | null;
  readonly entries: readonly { readonly entry: LogEntry; readonly leaf: Uint8Array }[];
  readonly links: readonly Link[];
  readonly evidence: readonly NewEvidence[];
  readonly events: readonly NewEvent[];
  readonly inserted: readonly Job[];
  readonly updated: readonly Job[];
  readonly removed: readonly number[];
  readonly removedEvents: readonly number[];
  /** Lanes whose next job may have become the first, with the jobs that left them. */
  readonly left: readonly Job[];
  readonly masks: readonly (readonly [string, number])[];
  readonly states: ReadonlyMap<string, string>;
  readonly changedMs: number;
}

export interface DraftOptions {
  readonly head: Head;
  readonly chains: Chains;
  readonly evidence: EvidenceStore;
  readonly ids: Ids;
  readonly gathered: Gathered;
  readonly nowMs: number;
}

export type Draft = ReturnType<typeof createDraft>;

/** Begins a batch over what was gathered. */
export function createDraft({ head, chains, evidence, ids, gathered, nowMs }: DraftOptions) {
  const jobs = new Map(gathered.jobs.map((job) => [job.id, job]));
  const gatheredJobs = new Set(jobs.keys());
  const changed = new Set<number>();
  const removed: number[] = [];
  const left: Job[] = [];
  const masks = new Map<string, number>();
  const entries: { entry: LogEntry; leaf: Uint8Array }[] = [];
  const links: Link[] = [];
  const newEvidence = new Map<string, NewEvidence>();
  const events = new Map<number, NewEvent>();
  const removedEvents: number[] = [];
  let { seq, evidence: evidenceId } = head;

  const draft = {
    chain: head.chain,
    states: gathered.states,
    nextSeq: () => seq + 1,
    /** Appends an entry; `decisionChain` is the chain of the decision that it cites. @returns its seq */
    append(kind: EntryKind, atMs: number, given: NewEntry, decisionChain: number = head.chain): number {
      seq += 1;
      const cited = given.decision_seq == null ? null : chains.id(decisionChain);
      const place = { chain: head.id, seq, kind: ENTRY_KINDS[kind], at_ms: atMs, decision_chain: cited };
      const entry: LogEntry = { ...EMPTY_ENTRY, ...given, ...place };
      entries.push({ entry, leaf: leafHash(entry) });
      return seq;
    },
    link: (link: Link) => void links.push(link),
    salt: () => Buffer.from(ids.bytes(16), 'latin1'),
    evidence(body: string): StoredEvidence | null {
      const known = evidence.known(body) ?? newEvidence.get(body);
      if (known !== undefined) return known;
      if (evidence.parse(body).length === 0) return null;
      const made = evidence.make(body, evidenceId);
      evidenceId += 1;
      newEvidence.set(body, made);
      return made;
    },
    mask: (key: string): number => masks.get(key) ?? gathered.masks.get(key) ?? 0,
    setMask: (key: string, mask: number) => void masks.set(key, mask),
    job: (id: number): Job | undefined => jobs.get(id),
    /** What is left of an event, in the order of dispatch, dead letters included. */
    ofEvent: (event: number): readonly Job[] =>
      Array.from({ length: JOB_STRIDE }, (_, place) => jobs.get(event * JOB_STRIDE + place)).filter(
        (job) => job !== undefined,
      ),
    /**
     * Live jobs at a destination of the events that name one of these visitors and need consent: a withdrawal does not concern
     * what performs a contract.
     */
    ofVisitors(destination: string, visitors: readonly { readonly ref: string; readonly lane: string }[]) {
      const names = (job: Job) =>
        visitors.some(({ ref, lane }) => (job.visitor === ref && job.lane === lane) || job.others.includes(ref));
      return [...jobs.values()].filter(
        (job) =>
          job.destination === destination &&
          job.state !== JOB_STATES.dead &&
          (job.flags & JOB_FLAGS.transactional) === 0 &&
          names(job),
      );
    },
    insertEvent: (event: NewEvent) => void events.set(event.event, event),
    removeEvent(event: number) {
      if (!events.delete(event)) removedEvents.push(event);
    },
    insertJob: (job: Job) => void jobs.set(job.id, job),
    updateJob(job: Job) {
      jobs.set(job.id, job);
      changed.add(job.id);
    },
    removeJob(job: Job) {
      jobs.delete(job.id);
      if (gatheredJobs.has(job.id)) removed.push(job.id);
      left.push(job);
    },
    leaveLane: (job: Job) => void left.push(job),
    finish(): Written {
      const leaves = entries.map(({ leaf }) => leaf);
      const root = leaves.length === 0 ? null : merkleRoot(leaves);
      const next = root === null ? head : linked(head, { root, seq, evidence: evidenceId });
      return {
        head,
        next,
        root,
        entries,
        links,
        evidence: [...newEvidence.values()],
        events: [...events.values()],
        inserted: [...jobs.values()].filter(({ id }) => !gatheredJobs.has(id)),
        updated: [...jobs.values()].filter(({ id }) => changed.has(id) && gatheredJobs.has(id)),
        removed,
        removedEvents,
        left: left.filter(({ id }) => gatheredJobs.has(id)),
        masks: changedMasks(gathered, masks),
        states: gathered.states.changed(),
        changedMs: nowMs,
      };
    },
  };
  return draft;
}

function linked(head: Head, now: { root: Uint8Array; seq: number; evidence: number }): Head {
  const link = { previous: head.hash, root: now.root, firstSeq: head.seq + 1, lastSeq: now.seq, chain: head.id };
  return { ...head, batch: head.batch + 1, seq: now.seq, hash: batchHash(link), evidence: now.evidence };
}

// Keys were claimed with the bits that they will most likely have: what came out otherwise is put right.
function changedMasks({ claimed }: Gathered, masks: ReadonlyMap<string, number>): (readonly [string, number])[] {
  const noted = [...masks].filter(([key, mask]) => claimed.get(key) !== mask);
  const unused = [...claimed].filter(([key, mask]) => mask !== 0 && !masks.has(key));
  return [...noted, ...unused.map(([key]) => [key, 0] as const)];
}

/** The entry that a delivery follows from, where it stands in another chain. */
export function citeRelease(released: EntryRef | null, own: number, chains: Chains): string | null {
  if (released === null || released.chain === own) return null;
  return JSON.stringify({ released: [chains.id(released.chain), released.seq] });
}
