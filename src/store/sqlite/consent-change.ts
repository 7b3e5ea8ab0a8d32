// A visitor's new consent state: decided, recorded, and unsent events cancelled, in one transaction (P7).

import { commitment } from '../../core/ledger.ts';
import type { Decision, Facts } from '../../core/policy.ts';
import type { AcceptedVerdict, ConsentChange, ConsentChanged } from '../../core/ports.ts';
import { cancelJobs, jobsOfVisitors } from './cancel.ts';
import type { DestinationRules, SiteRules, StoreContext } from './context.ts';

/** Prepares the statements of a consent change. */
export function prepareConsentChange(store: StoreContext): (change: ConsentChange) => ConsentChanged {
  const insertLink = store.db.prepare('INSERT INTO subject_link (event_seq, epoch, salt, refs) VALUES (?, ?, ?, ?)');

  return (change) => {
    const site = store.sites.get(change.site);
    if (site === undefined) throw new Error('a consent change names a site that is not configured');
    const atMs = store.clock();
    const decided = decideState(store, site, change, atMs);
    const dropped = decided.filter(({ decision }) => !decision.consentPermits);
    // The last destination first: one that is cancelled itself need not be released by the one before it.
    const doomed = [...dropped].reverse().map(({ rules }) => {
      const destination = store.entries.number('destination', rules.id);
      return jobsOfVisitors(store, destination, change.visitors).filter((job) => !store.inFlight.has(job.id));
    });
    const cancelled = doomed.reduce((sum, jobs) => sum + jobs.length, 0);
    record(change, decided, { atMs, cancelled });
    for (const jobs of doomed) cancelJobs(store, jobs, 'consent.withdrawn', atMs);
    keep(store, change, decided, atMs);
    return { verdicts: decided.map(({ decision }) => stateVerdict(decision)), cancelled };
  };

  function record(
    change: ConsentChange,
    decided: readonly StateDecision[],
    what: { atMs: number; cancelled: number },
  ): void {
    const evidence = change.visitors.length === 0 ? null : store.evidence.store(change.evidence);
    const verdicts = decided.map(({ decision }) => stateVerdict(decision));
    store.entries.append('consent_change', what.atMs, {
      site: change.site,
      source: 'browser',
      region: decided[0]?.decision.region ?? null,
      region_basis: change.region.basis,
      country: change.region.country,
      policy: store.sites.get(change.site)?.policy.ref ?? null,
      evidence: evidence?.id ?? null,
      evidence_commit: evidence?.commitment ?? null,
      subject_commit: link(change),
      detail: JSON.stringify({
        verdicts: Object.fromEntries(verdicts.map(({ destination, verdict }) => [destination, verdict])),
        reasons: Object.fromEntries(verdicts.map(({ destination, reason }) => [destination, reason])),
        cancelled: what.cancelled,
      }),
    });
  }

  function link(change: ConsentChange): Uint8Array | null {
    if (change.visitors.length === 0 || change.subjectRefs === '') return null;
    const salt = Buffer.from(store.ids.bytes(16), 'latin1');
    const refs = Buffer.from(change.subjectRefs, 'latin1');
    insertLink.run(store.entries.nextSeq(), store.epoch, salt, refs);
    return commitment(salt, refs);
  }
}

interface StateDecision {
  readonly rules: DestinationRules;
  readonly decision: Decision;
}

function decideState(
  store: StoreContext,
  site: SiteRules,
  change: ConsentChange,
  atMs: number,
): readonly StateDecision[] {
  const bundle = store.evidence.parse(change.evidence);
  return site.destinations.map((rules) => {
    const facts: Facts = {
      destination: rules.id,
      atMs,
      configured: true,
      mapped: true,
      duplicate: false,
      erased: false,
      // What is reported now is later than any withdrawal before.
      withdrawnMs: null,
      paused: false,
      transactional: false,
    };
    const event = { name: '', objections: [] };
    return { rules, decision: store.decide(event, bundle, change.region, site.policy, facts) };
  });
}

function stateVerdict(decision: Decision): AcceptedVerdict {
  return {
    destination: decision.destination,
    verdict: decision.consentPermits ? 'permit' : 'drop',
    reason: decision.consentReason,
    consentPermits: decision.consentPermits,
  };
}

function keep(store: StoreContext, change: ConsentChange, decided: readonly StateDecision[], atMs: number): void {
  const withdrawn = Object.fromEntries(
    decided.map(({ rules, decision }) => [rules.id, decision.consentPermits ? null : change.receivedMs]),
  );
  for (const { ref } of change.visitors) store.states.change(ref, atMs, withdrawn);
}
