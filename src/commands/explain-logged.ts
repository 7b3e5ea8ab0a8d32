// Performs a logged decision again from the log alone: its evidence, its facts, its policy as they were, the rules of today.

import { signals } from '../consent/index.ts';
import type { RuleNote } from '../core/consent.ts';
import { describeSignals, unpackFacts } from '../core/decision-text.ts';
import { CannotRun } from '../core/errors.ts';
import { createDecide, type Decision, type Objection } from '../core/policy.ts';
import { identifyPolicy, type Policy, policyFile } from '../core/policy-file.ts';
import { isReasonCode } from '../core/reasons.ts';
import type { RegionEvidence } from '../core/region.ts';
import { type LoggedDecision, readLoggedDecision } from '../store/logged-decision.ts';
import { withLog } from '../store/read.ts';
import type { Explanation } from './explanation.ts';

const BASES = ['proxy_header', 'ip_database', 'server_token', 'order_address', 'unknown'] as const;

/**
 * Explains the decision with this number.
 * @throws CannotRun where it cannot be read or not be performed again
 */
export function explainLogged(file: string, seq: number): Promise<Explanation> {
  return withLog(file, async (store) => performAgain(await readLoggedDecision(store, seq)));
}

function performAgain(logged: LoggedDecision): Explanation {
  const { seq, atMs, evidence } = logged;
  if (evidence === null) {
    throw new CannotRun(
      `the evidence of entry ${seq} was erased: it can be read (${logged.verdict}, ${logged.reason}), not performed again`,
    );
  }
  const policy = policyOf(logged);
  const region = regionOf(logged);
  const rules: RuleNote[] = [];
  const facts = {
    destination: logged.destination,
    atMs,
    withdrawnMs: logged.withdrawnMs,
    ...unpackFacts(logged.facts),
  };
  const event = { name: logged.eventName, objections: objectionsOf(logged) };
  const decision = createDecide(signals)(event, evidence, region, policy, facts, (note) => rules.push(note));
  return {
    event: { name: logged.eventName, eventId: logged.eventId, source: logged.source, trust: logged.trust },
    site: logged.site,
    policy,
    region,
    atMs,
    bundle: evidence,
    explained: [{ decision, rules }],
    logged: { seq, verdict: logged.verdict, reason: logged.reason, same: isSame(decision, logged) },
    notes: [
      'performed again from the log: facts, evidence and policy are those of then, the rules those of this version',
    ],
  };
}

function isSame(decision: Decision, logged: LoggedDecision): boolean {
  return (
    decision.verdict === logged.verdict &&
    decision.reason === logged.reason &&
    describeSignals(decision.signals) === logged.signals
  );
}

function policyOf({ seq, policy, policyRef }: LoggedDecision): Policy {
  if (policy === null)
    throw new CannotRun(`the policy ${policyRef} of entry ${seq} is not in the log: run sluice verify-log`);
  const parsed = policyFile.safeParse(JSON.parse(policy));
  const found = parsed.success ? identifyPolicy(parsed.data) : null;
  if (found?.ref === policyRef) return found;
  throw new CannotRun(`the policy ${policyRef} of entry ${seq} cannot be run: run sluice verify-log`);
}

function regionOf({ seq, country, regionBasis }: LoggedDecision): RegionEvidence {
  const basis = BASES.find((known) => known === regionBasis);
  if (basis === undefined)
    throw new CannotRun(`entry ${seq} of the log has no basis of its region: run sluice verify-log`);
  return { country, basis };
}

const ABOUT_THE_EVENT = /^(event\.(too_old|superseded)|order\.|source\.)/;

// What a source or the intake objected to is in the log as the reason alone; every other reason follows from the facts.
function objectionsOf({ reason, destination }: LoggedDecision): readonly Objection[] {
  return isReasonCode(reason) && ABOUT_THE_EVENT.test(reason) ? [{ code: reason, destination }] : [];
}
