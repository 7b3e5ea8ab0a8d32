// A visitor's new consent state: decided, recorded, and unsent events cancelled, in one transaction (P7).

import { commitment } from '../../core/ledger.ts';
import type { Decision, Facts } from '../../core/policy.ts';
import type { AcceptedVerdict, ConsentChange, ConsentChanged } from '../../core/ports.ts';
import type { DestinationRules, SiteRules } from '../sqlite/context.ts';
import type { PostgresContext } from './context.ts';
import type { Draft } from './draft.ts';
import { cancelJobs } from './end.ts';

interface StateDecision {
  readonly rules: DestinationRules;
  readonly decision: Decision;
}

/** Drafts a consent change. @throws Error for a site that is not configured */
export function changeConsent(context: PostgresContext, draft: Draft, change: ConsentChange): ConsentChanged {
  const site = context.options.sites.get(change.site);
  if (site === undefined) throw new Error('a consent change names a site that is not configured');
  const atMs = context.options.clock();
  const decided = decideState(context, site, { change, atMs });
  const dropped = decided.filter(({ decision }) => !decision.consentPermits);
  // The last destination first: one that is cancelled itself need not be released by the one before it.
  const doomed = [...dropped]
    .reverse()
    .map(({ rules }) => draft.ofVisitors(rules.id, change.visitors).filter((job) => !job.isBusy));
  const cancelled = doomed.reduce((sum, jobs) => sum + jobs.length, 0);
  record(draft, { change, site, decided }, { atMs, cancelled });
  for (const jobs of doomed) cancelJobs(draft, jobs, 'consent.withdrawn', atMs);
  const withdrawn = Object.fromEntries(
    decided.map(({ rules, decision }) => [rules.id, decision.consentPermits ? null : change.receivedMs]),
  );
  for (const { ref } of change.visitors) draft.states.change(ref, withdrawn);
  return { verdicts: decided.map(({ decision }) => stateVerdict(decision)), cancelled };
}

interface Changing {
  readonly change: ConsentChange;
  readonly site: SiteRules;
  readonly decided: readonly StateDecision[];
}

function record(draft: Draft, { change, site, decided }: Changing, what: { atMs: number; cancelled: number }): void {
  const evidence = change.visitors.length === 0 ? null : draft.evidence(change.evidence);
  const verdicts = decided.map(({ decision }) => stateVerdict(decision));
  draft.append('consent_change', what.atMs, {
    site: change.site,
    source: 'browser',
    region: decided[0]?.decision.region ?? null,
    region_basis: change.region.basis,
    country: change.region.country,
    policy: site.policy.ref,
    evidence: evidence?.id ?? null,
    evidence_commit: evidence?.commitment ?? null,
    subject_commit: link(draft, change),
    detail: JSON.stringify({
      verdicts: Object.fromEntries(verdicts.map(({ destination, verdict }) => [destination, verdict])),
      reasons: Object.fromEntries(verdicts.map(({ destination, reason }) => [destination, reason])),
      cancelled: what.cancelled,
    }),
  });
}

function link(draft: Draft, change: ConsentChange): Uint8Array | null {
  if (change.visitors.length === 0 || change.subjectRefs === '') return null;
  const salt = draft.salt();
  const refs = Buffer.from(change.subjectRefs, 'latin1');
  draft.link({ eventSeq: draft.nextSeq(), salt, refs });
  return commitment(salt, refs);
}

function decideState(
  { options, evidence }: PostgresContext,
  site: SiteRules,
  { change, atMs }: { change: ConsentChange; atMs: number },
): readonly StateDecision[] {
  const bundle = evidence.parse(change.evidence);
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
    return { rules, decision: options.decide(event, bundle, change.region, site.policy, facts) };
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
