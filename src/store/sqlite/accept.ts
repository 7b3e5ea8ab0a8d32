// The accept transaction of one event: facts, decisions, entries, evidence, jobs (P1, P5).

import type { EvidenceBundle } from '../../core/consent.ts';
import { describeSignals, packFacts } from '../../core/decision-text.ts';
import { commitment } from '../../core/ledger.ts';
import type { Decision, Facts } from '../../core/policy.ts';
import type { Accepted, Candidate } from '../../core/ports.ts';
import type { ReasonCode } from '../../core/reasons.ts';
import { cancelJobs, jobsOfVisitors } from './cancel.ts';
import type { DestinationRules, SiteRules, StoreContext } from './context.ts';
import type { StoredEvidence } from './evidence.ts';
import { JOB_FLAGS, JOB_STATES, JOB_STRIDE } from './jobs.ts';

/** The bit of a look-up mask that says: a duplicate of this id was logged. */
export const DUPLICATE_LOGGED = 0x80;

/** Whether a decision takes the event's id at its destination: a permit does, and a drop for lack of consent (contract section 3). */
export function takesId(verdict: string, reason: ReasonCode): boolean {
  return verdict === 'permit' || reason === 'subject.erased' || isAboutConsent(reason);
}

function isAboutConsent(reason: ReasonCode): boolean {
  return /^(consent|storage|purpose|vendor|category|optout)\./.test(reason);
}

interface Decided {
  readonly rules: DestinationRules;
  readonly facts: Facts;
  readonly decision: Decision;
}

/** Prepares the statements of the accept transaction. */
export function prepareAccept(store: StoreContext): (candidate: Candidate) => Accepted {
  const { db, entries, lookups } = store;
  const insertLink = db.prepare('INSERT INTO subject_link (event_seq, epoch, salt, refs) VALUES (?, ?, ?, ?)');

  return (candidate) => {
    const site = store.sites.get(candidate.site);
    if (site === undefined) throw new Error('a candidate names a site that is not configured');
    const atMs = store.clock();
    const mask = maskOf(candidate, atMs);
    const bundle = store.evidence.parse(candidate.evidence);
    const decided = decideAll(store, site, candidate, { atMs, mask, bundle });
    const isDuplicate = decided.some(({ decision }) => decision.reason === 'event.duplicate');
    if (candidate.visitorRefs.length > 0) heedDenials(store, candidate, decided, atMs);
    const logged = decided.filter(({ decision }) => isWorthLogging(decision, mask));
    if (logged.length > 0) record(candidate, logged, { atMs, mask, isDuplicate });
    return { duplicate: isDuplicate, verdicts: decided.map(({ decision }) => verdictOf(decision)) };
  };

  function maskOf(candidate: Candidate, atMs: number): number {
    const order = candidate.orderKey === null ? 0 : lookups.mask(candidate.orderKey, atMs);
    return order | lookups.mask(candidate.eventKey, atMs);
  }

  function record(
    candidate: Candidate,
    logged: readonly Decided[],
    event: { atMs: number; mask: number; isDuplicate: boolean },
  ): void {
    const evidence = store.evidence.store(candidate.evidence);
    const eventSeq = entries.nextSeq();
    const link = linkSubjects(candidate, eventSeq);
    const seqs = logged.map((one) =>
      appendDecision(store, candidate, one, { eventSeq, atMs: event.atMs, evidence, link }),
    );
    enqueue(candidate, logged, { eventSeq, seqs, atMs: event.atMs });
    takeIds(candidate, logged, { ...event, eventSeq });
  }

  function linkSubjects(candidate: Candidate, eventSeq: number): Uint8Array | null {
    if (candidate.subjectRefs === '') return null;
    const salt = Buffer.from(store.ids.bytes(16), 'latin1');
    const refs = Buffer.from(candidate.subjectRefs, 'latin1');
    insertLink.run(eventSeq, store.epoch, salt, refs);
    return commitment(salt, refs);
  }

  function enqueue(
    candidate: Candidate,
    logged: readonly Decided[],
    at: { eventSeq: number; seqs: readonly number[]; atMs: number },
  ): void {
    let isFollower = false;
    let releasedSeq: number | null = null;
    for (const [i, { rules, facts, decision }] of logged.entries()) {
      const seq = at.seqs[i] ?? at.eventSeq;
      if (decision.verdict === 'permit') {
        const waits = isFollower;
        store.jobs.insert({
          id: at.eventSeq * JOB_STRIDE + rules.place,
          destination: entries.number('destination', rules.id),
          site: entries.number('site', candidate.site),
          lane: Buffer.from(candidate.lane, 'latin1'),
          state: waits ? JOB_STATES.waiting : JOB_STATES.due,
          due_ms: waits ? at.atMs + rules.waitMs : at.atMs,
          flags: facts.transactional ? JOB_FLAGS.transactional : 0,
          decision_seq: seq,
          capi_status: waits || rules.place === 0 ? null : entries.number('capi_status', 'skipped'),
          released_seq: waits ? null : (releasedSeq ?? seq),
        });
        isFollower = true;
      }
      releasedSeq = seq;
    }
    if (!isFollower) return;
    const { timeMs, visitorRefs, laneVisitor, sealId, sealed } = candidate;
    store.events.insert({ eventSeq: at.eventSeq, timeMs, visitorRefs, laneVisitor, sealId, sealed });
  }

  function takeIds(
    candidate: Candidate,
    logged: readonly Decided[],
    event: { eventSeq: number; atMs: number; mask: number; isDuplicate: boolean },
  ): void {
    let mask = event.mask | (event.isDuplicate ? DUPLICATE_LOGGED : 0);
    for (const { rules, decision } of logged) if (takesId(decision.verdict, decision.reason)) mask |= 1 << rules.place;
    if (mask === event.mask) return;
    for (const key of [candidate.eventKey, candidate.orderKey]) {
      if (key !== null) lookups.note({ key, mask, atMs: event.atMs, seq: event.eventSeq });
    }
  }
}

function verdictOf(decision: Decision): Accepted['verdicts'][number] {
  const { destination, verdict, reason, consentPermits } = decision;
  return { destination, verdict, reason, consentPermits };
}

// Once its duplicate is logged, an id is only counted; what takes it anew is always logged.
function isWorthLogging(decision: Decision, mask: number): boolean {
  return (mask & DUPLICATE_LOGGED) === 0 || takesId(decision.verdict, decision.reason);
}

interface Known {
  readonly atMs: number;
  readonly mask: number;
  readonly bundle: EvidenceBundle;
}

function decideAll(store: StoreContext, site: SiteRules, candidate: Candidate, known: Known): readonly Decided[] {
  return site.destinations.map((rules) => {
    const facts: Facts = {
      destination: rules.id,
      atMs: known.atMs,
      configured: rules.configured,
      mapped: rules.configured && rules.maps(candidate.name),
      duplicate: (known.mask & (1 << rules.place)) !== 0,
      erased: false,
      withdrawnMs: store.states.withdrawnMs(candidate.visitorRefs, rules.id),
      paused: rules.paused,
      transactional: rules.configured && rules.isTransactional(candidate.name),
    };
    const objections = isTooOld(candidate, rules, known.atMs)
      ? [...candidate.objections, { code: 'event.too_old' as const, destination: rules.id }]
      : candidate.objections;
    const event = { name: candidate.name, objections };
    return { rules, facts, decision: store.decide(event, known.bundle, candidate.region, site.policy, facts) };
  });
}

function isTooOld(candidate: Candidate, rules: DestinationRules, atMs: number): boolean {
  return rules.maxAgeMs !== null && atMs - candidate.timeMs > rules.maxAgeMs;
}

interface DecisionPlace {
  readonly eventSeq: number;
  readonly atMs: number;
  readonly evidence: StoredEvidence | null;
  readonly link: Uint8Array | null;
}

function appendDecision(
  store: StoreContext,
  candidate: Candidate,
  { facts, decision }: Decided,
  place: DecisionPlace,
): number {
  return store.entries.append('decision', place.atMs, {
    site: candidate.site,
    source: candidate.source,
    trust: candidate.trust,
    event_id: candidate.loggedEventId,
    event_name: candidate.name,
    event_seq: place.eventSeq,
    destination: decision.destination,
    verdict: decision.verdict,
    reason: decision.reason,
    region: decision.region,
    region_basis: candidate.region.basis,
    country: candidate.region.country,
    policy: store.sites.get(candidate.site)?.policy.ref ?? null,
    signals: describeSignals(decision.signals),
    purposes_required: decision.purposes.required,
    purposes_granted: decision.purposes.granted,
    facts: packFacts(facts, decision.limitedDataUse),
    withdrawn_ms: facts.withdrawnMs,
    evidence: place.evidence?.id ?? null,
    evidence_commit: place.evidence?.commitment ?? null,
    subject_commit: place.link,
    event_key: Buffer.from(candidate.eventKey, 'latin1'),
    order_key: candidate.orderKey === null ? null : Buffer.from(candidate.orderKey, 'latin1'),
  });
}

/**
 * A refusal that comes with an event stops what is queued of the same visitor, and is kept as a withdrawal where there is
 * something it withdraws: a known state, or an event accepted before. A first-time refuser leaves no state.
 */
function heedDenials(store: StoreContext, candidate: Candidate, decided: readonly Decided[], atMs: number): void {
  const visitors = candidate.visitorRefs.map((ref) => ({ ref, lane: candidate.lane }));
  // The last destination first: one that is cancelled itself need not be released by the one before it.
  for (const { rules, decision } of [...decided].reverse()) {
    if (!decision.signals.some(({ verdict }) => verdict.result === 'denied') || decision.consentPermits) continue;
    const destination = store.entries.number('destination', rules.id);
    const jobs = jobsOfVisitors(store, destination, visitors);
    const known = candidate.visitorRefs.some((ref) => store.states.has(ref));
    if (jobs.length === 0 && !known && decision.reason !== 'event.duplicate') continue;
    cancelJobs(store, jobs, 'consent.withdrawn', atMs);
    for (const ref of candidate.visitorRefs) store.states.change(ref, atMs, { [rules.id]: atMs });
  }
}
