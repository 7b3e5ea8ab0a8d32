// What `explain` prints: the decision for each destination, and one line for each rule.

import type { RuleNote } from '../core/consent.ts';
import { describeSignals, parseSignals, purposeList } from '../core/decision-text.ts';
import type { CollectedEvent } from '../core/event.ts';
import type { Decision } from '../core/policy.ts';
import { REASONS } from '../core/reasons.ts';
import { classifyRegion, type RegionEvidence } from '../core/region.ts';
import type { Site } from '../core/settings.ts';

export interface Explained {
  readonly decision: Decision;
  readonly rules: readonly RuleNote[];
}

export interface Explanation {
  readonly event: CollectedEvent;
  readonly site: Site;
  readonly region: RegionEvidence;
  readonly atMs: number;
  /** Names of the signals that the event brought. */
  readonly signals: readonly string[];
  readonly explained: readonly Explained[];
  readonly notes: readonly string[];
}

/** For a person: one line a rule. */
export function describeExplanation({ event, site, region, atMs, signals, explained, notes }: Explanation): string {
  const regionClass = classifyRegion(region.country, site.policy.regions);
  const lines = [
    `event    ${event.name} ${event.eventId}, from a ${event.trust}`,
    `site     ${site.id}, policy ${site.policy.ref}`,
    `at       ${new Date(atMs).toISOString()}`,
    `region   ${regionClass}: ${region.country ?? 'no country known'} (${region.basis})`,
    `signals  ${signals.length === 0 ? 'none' : signals.join(', ')}`,
  ];
  for (const { decision, rules } of explained) {
    lines.push('', `${decision.destination}: ${decision.verdict}, ${decision.reason}`, `  ${sentenceOf(decision)}`);
    lines.push(...alignRules(rules).map((rule) => `  ${rule}`));
  }
  return `${[...lines, '', ...notes.map((note) => `note: ${note}`)].join('\n')}\n`;
}

function sentenceOf({ reason, consentReason, limitedDataUse }: Decision): string {
  const { sentence } = REASONS[reason];
  const limit = limitedDataUse ? ' An opt-out limits it to Limited Data Use.' : '';
  const alone = consentReason === reason ? '' : ` (Its consent alone: ${consentReason}.)`;
  return `${sentence}${limit}${alone}`;
}

function alignRules(rules: readonly RuleNote[]): readonly string[] {
  const name = ({ signal, rule }: RuleNote) => `${signal} ${rule}`;
  const width = Math.max(0, ...rules.map((rule) => name(rule).length));
  return rules.map((rule) => {
    const verdict = rule.holds ? 'holds' : 'FAILS';
    return `${verdict}  ${name(rule).padEnd(width)}  required: ${rule.required}; found: ${rule.found}`;
  });
}

/** For a program, with the names of the export. */
export function explanationJson({ event, site, region, atMs, signals, explained, notes }: Explanation): string {
  const value = {
    event: { name: event.name, event_id: event.eventId, source: event.source, trust: event.trust },
    site: site.id,
    policy_id: site.policy.ref,
    at: new Date(atMs).toISOString(),
    region: classifyRegion(region.country, site.policy.regions),
    region_basis: region.basis,
    country: region.country,
    signals,
    decisions: explained.map(({ decision, rules }) => ({
      destination: decision.destination,
      verdict: decision.verdict,
      reason: decision.reason,
      sentence: REASONS[decision.reason].sentence,
      consent_reason: decision.consentReason,
      limited_data_use: decision.limitedDataUse,
      signals: parseSignals(describeSignals(decision.signals)),
      purposes_required: purposeList(decision.purposes.required),
      purposes_granted: purposeList(decision.purposes.granted),
      rules,
    })),
    notes,
  };
  return `${JSON.stringify(value, null, 2)}\n`;
}
