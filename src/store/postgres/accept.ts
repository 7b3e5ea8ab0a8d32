// The accept transaction: decided once before the database is asked, because most events meet neither a duplicate nor a
// withdrawal; then recorded over what the database says (P1, P5).

import { describeSignals, packFacts } from '../../core/decision-text.ts';
import { commitment } from '../../core/ledger.ts';
import type { Decision, Facts } from '../../core/policy.ts';
import type { Accepted, Candidate } from '../../core/ports.ts';
import { DUPLICATE_LOGGED, takesId } from '../sqlite/accept.ts';
import type { DestinationRules, SiteRules } from '../sqlite/context.ts';
import { JOB_FLAGS, JOB_STATES, JOB_STRIDE } from '../sqlite/jobs.ts';
import type { PostgresContext } from './context.ts';
import type { Draft } from './draft.ts';
import { cancelJobs } from './end.ts';
import type { StoredEvidence } from './evidence.ts';
import { eventNumber } from './numbers.ts';

interface Decided {
  readonly rules: DestinationRules;
  readonly facts: Facts;
  readonly decision: Decision;
}

/** An event as it would be decided if nobody had seen it and nobody had withdrawn. */
export interface Expected {
  readonly candidate: Candidate;
  readonly site: SiteRules;
  readonly atMs: number;
  readonly decided: readonly Decided[];
  /** The bits that it will take. */
  readonly mask: number;
  /** A refusal comes with it: what is queued of the same visitor may have to be cancelled. */
  readonly refuses: boolean;
}

/** @throws Error for a site that is not configured */
export function expectDecision(context: PostgresContext, candidate: Candidate): Expected {
  const { options } = context;
  const site = options.sites.get(candidate.site);
  if (site === undefined) throw new Error('a candidate names a site that is not configured');
  const atMs = options.clock();
  const decided = site.destinations.map((rules) =>
    decideOne(context, { candidate, site, atMs }, { rules, duplicate: false, withdrawnMs: null }),
  );
  return {
    candidate,
    site,
    atMs,
    decided,
    mask: bitsOf(decided),
    refuses: decided.some(({ decision }) => denies(decision)),
  };
}

const denies = (decision: Decision): boolean => decision.signals.some(({ verdict }) => verdict.result === 'denied');

function bitsOf(decided: readonly Decided[]): number {
  let bits = 0;
  for (const { rules, decision } of decided) if (takesId(decision.verdict, decision.reason)) bits |= 1 << rules.place;
  return bits;
}

interface Known {
  readonly rules: DestinationRules;
  readonly duplicate: boolean;
  readonly withdrawnMs: number | null;
}

function decideOne(
  { options, evidence }: PostgresContext,
  { candidate, site, atMs }: Pick<Expected, 'candidate' | 'site' | 'atMs'>,
  { rules, duplicate, withdrawnMs }: Known,
): Decided {
  const facts: Facts = {
    destination: rules.id,
    atMs,
    configured: rules.configured,
    mapped: rules.configured && rules.maps(candidate.name),
    duplicate,
    erased: false,
    withdrawnMs,
    paused: rules.paused,
    transactional: rules.configured && rules.isTransactional(candidate.name),
  };
  const isTooOld = rules.maxAgeMs !== null && atMs - candidate.timeMs > rules.maxAgeMs;
  const objections = isTooOld
    ? [...candidate.objections, { code: 'event.too_old' as const, destination: rules.id }]
    : candidate.objections;
  const event = { name: candidate.name, objections };
  const bundle = evidence.parse(candidate.evidence);
  return { rules, facts, decision: options.decide(event, bundle, candidate.region, site.policy, facts) };
}

/** Decides with what the database knows, and drafts entries, evidence and jobs. */
export function acceptOne(context: PostgresContext, draft: Draft, expected: Expected): Accepted {
  const { candidate, atMs } = expected;
  const mask = draft.mask(candidate.eventKey) | (candidate.orderKey === null ? 0 : draft.mask(candidate.orderKey));
  const decided = expected.decided.map((one): Decided => {
    const duplicate = (mask & (1 << one.rules.place)) !== 0;
    const withdrawnMs = draft.states.withdrawnMs(candidate.visitorRefs, one.rules.id);
    return duplicate || withdrawnMs !== null
      ? decideOne(context, expected, { rules: one.rules, duplicate, withdrawnMs })
      : one;
  });
  const isDuplicate = decided.some(({ decision }) => decision.reason === 'event.duplicate');
  if (candidate.visitorRefs.length > 0) heedDenials(draft, candidate, decided, atMs);
  // Once its duplicate is logged, an id is only counted; what takes it anew is always logged.
  const logged = decided.filter(
    ({ decision }) => (mask & DUPLICATE_LOGGED) === 0 || takesId(decision.verdict, decision.reason),
  );
  if (logged.length > 0) {
    record(draft, { expected, logged });
    const taken = mask | (isDuplicate ? DUPLICATE_LOGGED : 0) | bitsOf(logged);
    for (const key of [candidate.eventKey, candidate.orderKey]) {
      if (key !== null && taken !== mask) draft.setMask(key, taken);
    }
  }
  return {
    duplicate: isDuplicate,
    verdicts: decided.map(({ decision: { destination, verdict, reason, consentPermits } }) => ({
      destination,
      verdict,
      reason,
      consentPermits,
    })),
  };
}

interface Recorded {
  readonly expected: Expected;
  readonly logged: readonly Decided[];
}

function record(draft: Draft, { expected, logged }: Recorded): void {
  const { candidate, atMs } = expected;
  const evidence = draft.evidence(candidate.evidence);
  const eventSeq = draft.nextSeq();
  let link: Uint8Array | null = null;
  if (candidate.subjectRefs !== '') {
    const salt = draft.salt();
    const refs = Buffer.from(candidate.subjectRefs, 'latin1');
    draft.link({ eventSeq, salt, refs });
    link = commitment(salt, refs);
  }
  const seqs = logged.map((one) => appendDecision(draft, expected, one, { eventSeq, evidence, link }));
  if (!enqueue(draft, { expected, logged }, { eventSeq, seqs })) return;
  const { timeMs, visitorRefs, laneVisitor, sealId, sealed } = candidate;
  draft.insertEvent({
    event: eventNumber({ chain: draft.chain, seq: eventSeq }),
    atMs,
    timeMs,
    eventId: candidate.loggedEventId,
    eventName: candidate.name,
    country: candidate.region.country,
    regionBasis: candidate.region.basis,
    evidence: evidence?.id ?? null,
    visitor: laneVisitor,
    others: [...new Set(visitorRefs.filter((ref) => ref !== laneVisitor))],
    sealId,
    sealed,
  });
}

/** @returns whether anything was queued */
function enqueue(
  draft: Draft,
  { expected: { candidate, atMs }, logged }: Recorded,
  at: { eventSeq: number; seqs: readonly number[] },
): boolean {
  const event = eventNumber({ chain: draft.chain, seq: at.eventSeq });
  let isFollower = false;
  let releasedSeq: number | null = null;
  for (const [i, { rules, facts, decision }] of logged.entries()) {
    const seq = at.seqs[i] ?? at.eventSeq;
    if (decision.verdict === 'permit') {
      const waits = isFollower;
      draft.insertJob({
        id: event * JOB_STRIDE + rules.place,
        destination: rules.id,
        site: candidate.site,
        lane: candidate.lane,
        state: waits ? JOB_STATES.waiting : JOB_STATES.due,
        ord: atMs,
        dueMs: waits ? atMs + rules.waitMs : atMs,
        attempt: 0,
        flags: facts.transactional ? JOB_FLAGS.transactional : 0,
        decisionSeq: seq,
        capiStatus: waits || rules.place === 0 ? null : 'skipped',
        released: waits ? null : { chain: draft.chain, seq: releasedSeq ?? seq },
        code: null,
        visitor: candidate.laneVisitor,
        others: candidate.visitorRefs.filter((ref) => ref !== candidate.laneVisitor),
        leaseToken: 0,
        isBusy: false,
      });
      isFollower = true;
    }
    releasedSeq = seq;
  }
  return isFollower;
}

interface DecisionPlace {
  readonly eventSeq: number;
  readonly evidence: StoredEvidence | null;
  readonly link: Uint8Array | null;
}

function appendDecision(
  draft: Draft,
  { candidate, site, atMs }: Expected,
  { facts, decision }: Decided,
  place: DecisionPlace,
): number {
  return draft.append('decision', atMs, {
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
    policy: site.policy.ref,
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
function heedDenials(draft: Draft, candidate: Candidate, decided: readonly Decided[], atMs: number): void {
  const visitors = candidate.visitorRefs.map((ref) => ({ ref, lane: candidate.lane }));
  // The last destination first: one that is cancelled itself need not be released by the one before it.
  for (const { rules, decision } of [...decided].reverse()) {
    if (!denies(decision) || decision.consentPermits) continue;
    const jobs = draft.ofVisitors(rules.id, visitors);
    const known = candidate.visitorRefs.some((ref) => draft.states.has(ref));
    if (jobs.length === 0 && !known && decision.reason !== 'event.duplicate') continue;
    cancelJobs(draft, jobs, 'consent.withdrawn', atMs);
    for (const ref of candidate.visitorRefs) draft.states.change(ref, { [rules.id]: atMs });
  }
}
