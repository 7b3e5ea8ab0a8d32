// What `explain` prints: what each signal says, every rule with what it requires and what was found, and the verdict for
// each destination with the sentence of its reason.

import { decodedEvidence } from '../consent/decoded.ts';
import type { EvidenceBundle, RuleNote } from '../core/consent.ts';
import { describeSignals, parseSignals, purposeList } from '../core/decision-text.ts';
import type { Json } from '../core/json.ts';
import type { Decision } from '../core/policy.ts';
import type { Policy } from '../core/policy-file.ts';
import { isReasonCode, REASONS } from '../core/reasons.ts';
import { classifyRegion, type RegionEvidence } from '../core/region.ts';

export interface Explained {
  readonly decision: Decision;
  readonly rules: readonly RuleNote[];
}

export interface Explanation {
  /** Null: a visitor's report of a new consent state, which is about no event. */
  readonly event: {
    readonly name: string;
    readonly eventId: string;
    readonly source: string;
    readonly trust: string;
  } | null;
  readonly site: string;
  readonly policy: Policy;
  readonly region: RegionEvidence;
  readonly atMs: number;
  readonly bundle: EvidenceBundle;
  readonly explained: readonly Explained[];
  /** The decision that the log holds, where one is performed again. */
  readonly logged: {
    readonly seq: number;
    readonly verdict: string;
    readonly reason: string;
    readonly same: boolean;
  } | null;
  /** What was not looked at, and what was given and not used. */
  readonly notes: readonly string[];
}

/** Names of the signals that came, each once, in the order in which they came. */
export function signalNames(bundle: EvidenceBundle): readonly string[] {
  return [...new Set(bundle.flatMap((evidence) => Object.keys(evidence)))];
}

/** For a person: one line a rule. */
export function describeExplanation(explanation: Explanation): string {
  const { event, site, policy, region, atMs, bundle, explained, logged, notes } = explanation;
  const names = signalNames(bundle);
  const lines = [
    event === null
      ? "event    none: a visitor's report of a new consent state"
      : `event    ${event.name} ${event.eventId}, from a ${event.trust}`,
    `site     ${site}, policy ${policy.ref}`,
    `at       ${new Date(atMs).toISOString()}`,
    `region   ${classifyRegion(region.country, policy.regions)}: ${region.country ?? 'no country known'} (${region.basis})`,
    `signals  ${names.length === 0 ? 'none' : names.join(', ')}`,
    ...describeBundle(bundle),
    ...explained.flatMap(describeExplained),
    ...(logged === null ? [] : ['', describeLogged(logged)]),
    '',
    ...notes.map((note) => `note: ${note}`),
  ];
  return `${lines.join('\n').trimEnd()}\n`;
}

function describeBundle(bundle: EvidenceBundle): readonly string[] {
  const several = bundle.length > 1;
  return bundle.flatMap((evidence, i) =>
    Object.entries(decodedEvidence(evidence)).map(
      ([name, decoded]) => `  ${name}${several ? ` (${i + 1} of ${bundle.length})` : ''}: ${describeJson(decoded)}`,
    ),
  );
}

/** `created: 2026-11-23, purposes: [1, 3, 4]`: the members of a record, without the noise of JSON. */
function describeJson(value: Json): string {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return inline(value);
  return Object.entries(value)
    .map(([key, member]) => `${key}: ${inline(member)}`)
    .join(', ');
}

// Texts of a visitor's own making go through JSON.stringify, which leaves no control character as it is.
function inline(value: Json): string {
  return typeof value === 'string' && /^[\w.:+-]+$/.test(value) ? value : JSON.stringify(value);
}

function describeExplained({ decision, rules }: Explained): readonly string[] {
  return [
    '',
    `${decision.destination}: ${decision.verdict}, ${decision.reason}`,
    `  ${sentenceOf(decision)}`,
    ...alignRules(rules).map((rule) => `  ${rule}`),
    ...decision.signals.map(({ name, verdict }) => `  = ${describeSignals([{ name, verdict }]).replace('=', ': ')}`),
  ];
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

function describeLogged({ seq, verdict, reason, same }: NonNullable<Explanation['logged']>): string {
  const sentence = isReasonCode(reason) ? ` ${REASONS[reason].sentence}` : '';
  return same
    ? `The log says the same in entry ${seq}: ${verdict}, ${reason}.`
    : `The log says OTHERWISE in entry ${seq}: ${verdict}, ${reason}.${sentence}`;
}

/** For a program, with the names of the export. */
export function explanationValue(explanation: Explanation) {
  const { event, site, policy, region, atMs, bundle, explained, logged, notes } = explanation;
  return {
    event:
      event === null ? null : { name: event.name, event_id: event.eventId, source: event.source, trust: event.trust },
    site,
    policy_id: policy.ref,
    at: new Date(atMs).toISOString(),
    region: classifyRegion(region.country, policy.regions),
    region_basis: region.basis,
    country: region.country,
    signals: signalNames(bundle),
    evidence: bundle.map(decodedEvidence),
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
    logged,
    notes,
  };
}
