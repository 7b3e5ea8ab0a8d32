// The decision: pure, made where the facts are, and repeatable from the log (contract section 4). Denial is the default of
// every branch: what is not granted in so many words is dropped.

import type {
  Ask,
  ConsentSignal,
  ConsentTime,
  Evidence,
  EvidenceBundle,
  PurposeBits,
  RuleNote,
  SignalName,
  SignalVerdict,
} from './consent.ts';
import type { DestinationPolicy, Policy } from './policy-file.ts';
import type { ReasonCode } from './reasons.ts';
import { classifyRegion, type Region, type RegionEvidence } from './region.ts';

/** Something about the event itself that forbids it, for one destination or for all. */
export interface Objection {
  readonly code: ReasonCode;
  /** A destination, or `*`. */
  readonly destination: string;
}

/** What is known of one event at one destination, apart from its consent. */
export interface Facts {
  readonly destination: string;
  /** The moment of the decision, epoch milliseconds. */
  readonly atMs: number;
  readonly configured: boolean;
  /** The destination has a name for this event. */
  readonly mapped: boolean;
  readonly duplicate: boolean;
  readonly erased: boolean;
  /** Receipt of a withdrawal that no later report has undone, epoch milliseconds. */
  readonly withdrawnMs: number | null;
  /** An operator's own pause. */
  readonly paused: boolean;
  /** The shop may send this event there without cookie consent: it performs a contract, stripped of what the browser shows. */
  readonly transactional: boolean;
}

export interface Decision {
  readonly destination: string;
  readonly verdict: 'permit' | 'drop';
  readonly reason: ReasonCode;
  /** What the consent alone comes to, whatever else forbids the event. */
  readonly consentReason: ReasonCode;
  readonly region: Region;
  /** Each signal that was asked, in the registry's order. */
  readonly signals: readonly { readonly name: SignalName; readonly verdict: SignalVerdict }[];
  readonly purposes: PurposeBits;
  /** Permitted under Limited Data Use only. */
  readonly limitedDataUse: boolean;
  /** The consent alone would permit: identifiers may be stored on the device. */
  readonly consentPermits: boolean;
}

/** What a decision needs to know of the event. */
export interface DecidedEvent {
  readonly name: string;
  readonly objections: readonly Objection[];
}

export type Decide = (
  event: DecidedEvent,
  signals: EvidenceBundle,
  region: RegionEvidence,
  policy: Policy,
  facts: Facts,
  note?: (note: RuleNote) => void,
) => Decision;

/** Binds the decision to the signals that this program knows; everything else is an argument. */
export function createDecide(registry: readonly ConsentSignal[]): Decide {
  return (event, signals, region, policy, facts, note) => {
    const regionClass = classifyRegion(region.country, policy.regions);
    const consent = judgeConsent(registry, signals, regionClass, policy, facts, note);
    const objection = findObjection(event, policy, facts);
    const outcome = objection ?? (facts.erased ? 'subject.erased' : null);
    const needsNone = facts.transactional && consent.verdict === 'drop';
    const permitted = outcome === null && (consent.verdict === 'permit' || needsNone);
    const permit = needsNone ? 'consent.not_required' : consent.reason;
    const reason = outcome ?? (permitted && facts.paused ? 'destination.paused' : permit);
    return {
      destination: facts.destination,
      verdict: permitted && !facts.paused ? 'permit' : 'drop',
      reason,
      consentReason: consent.reason,
      region: regionClass,
      signals: consent.signals,
      purposes: consent.purposes,
      limitedDataUse: consent.limitedDataUse,
      consentPermits: consent.verdict === 'permit' && !facts.erased,
    };
  };
}

function findObjection(event: DecidedEvent, policy: Policy, facts: Facts): ReasonCode | null {
  if (!facts.configured) return 'destination.not_configured';
  for (const { code, destination } of event.objections) {
    if (destination === '*' || destination === facts.destination) return code;
  }
  const listed = policy.destinations[facts.destination]?.events ?? '*';
  if (!facts.mapped || (listed !== '*' && !listed.includes(event.name))) return 'event.not_mapped';
  return facts.duplicate ? 'event.duplicate' : null;
}

interface Judgement {
  readonly verdict: 'permit' | 'drop';
  readonly reason: ReasonCode;
  readonly signals: Decision['signals'];
  readonly purposes: PurposeBits;
  readonly limitedDataUse: boolean;
}

// A destination that the policy leaves out takes no grant from any signal; an opt-out forbids it all the same.
const UNLISTED: DestinationPolicy = { optOut: 'drop', events: '*' };
const NO_PURPOSES: PurposeBits = { required: 0, granted: 0 };

function judgeConsent(
  registry: readonly ConsentSignal[],
  bundle: EvidenceBundle,
  region: Region,
  policy: Policy,
  facts: Facts,
  note?: (note: RuleNote) => void,
): Judgement {
  const listed = policy.destinations[facts.destination];
  const wanted = listed ?? UNLISTED;
  const signals = readSignals(registry, bundle, { region, policy, facts, wanted, note }).filter(
    ({ verdict }) => listed !== undefined || verdict.result === 'denied',
  );
  const purposes = signals.find(({ verdict }) => verdict.purposes !== undefined)?.verdict.purposes ?? NO_PURPOSES;
  const verdicts = signals.map(({ verdict }) => verdict);
  const { reason, limitedDataUse } =
    region === 'regulated' ? judgeRegulated(verdicts, facts) : judgeElsewhere(verdicts, wanted, facts);
  const permits = reason === 'consent.granted' || reason === 'consent.not_required';
  return { verdict: permits ? 'permit' : 'drop', reason, signals, purposes, limitedDataUse };
}

interface Reading {
  readonly region: Region;
  readonly policy: Policy;
  readonly facts: Facts;
  readonly wanted: DestinationPolicy;
  readonly note: ((note: RuleNote) => void) | undefined;
}

function readSignals(
  registry: readonly ConsentSignal[],
  bundle: EvidenceBundle,
  reading: Reading,
): Decision['signals'] {
  const found: { name: SignalName; verdict: SignalVerdict }[] = [];
  for (const signal of registry) {
    let strictest: SignalVerdict | null = null;
    for (const evidence of bundle) {
      const verdict = judgeOne(signal, evidence, bundle, reading);
      if (verdict !== null) strictest = strictest === null ? verdict : stricter(strictest, verdict);
    }
    if (strictest !== null) found.push({ name: signal.name, verdict: strictest });
  }
  return found;
}

function judgeOne(
  signal: ConsentSignal,
  evidence: Evidence,
  bundle: EvidenceBundle,
  reading: Reading,
): SignalVerdict | null {
  const own = evidence[signal.name];
  if (own === undefined) return null;
  const ask: Ask = {
    destination: reading.facts.destination,
    wanted: reading.wanted,
    rules: reading.policy.consent,
    region: reading.region,
    atMs: reading.facts.atMs,
    evidenceOf: (name) => evidence[name] ?? findCompanion(bundle, signal.name, name),
    ...(reading.note ? { note: reading.note } : {}),
  };
  return signal.judge(own, ask);
}

// A companion that came by itself is of the same event; one that stands beside another reading of the signal is that one's.
function findCompanion(bundle: EvidenceBundle, of: SignalName, name: SignalName): Evidence[SignalName] {
  return bundle.find((other) => other[of] === undefined && other[name] !== undefined)?.[name];
}

const WEIGHT = { denied: 2, granted: 1, none: 0 } as const;

/** Of two readings of one signal the stricter: denied before granted before none (contract section 3). */
function stricter(a: SignalVerdict, b: SignalVerdict): SignalVerdict {
  if (WEIGHT[a.result] !== WEIGHT[b.result]) return WEIGHT[a.result] > WEIGHT[b.result] ? a : b;
  if (a.result === 'granted' && b.result === 'granted') return (a.time?.ms ?? 0) <= (b.time?.ms ?? 0) ? a : b;
  if (a.result === 'none' && b.result === 'none') return telling(a.code) <= telling(b.code) ? a : b;
  return a;
}

interface Reasoned {
  readonly reason: ReasonCode;
  readonly limitedDataUse: boolean;
}

const because = (reason: ReasonCode): Reasoned => ({ reason, limitedDataUse: false });

// The most telling first: what came nearest to a grant.
const TELLING: readonly ReasonCode[] = [
  'vendor.not_disclosed',
  'category.missing',
  'consent.unanswered',
  'consent.expired',
  'consent.future',
  'consent.unsupported_version',
  'consent.malformed',
];

/** The place of a code in that order; what is not in it tells nothing. */
function telling(code: ReasonCode): number {
  const at = TELLING.indexOf(code);
  return at < 0 ? TELLING.length : at;
}

function judgeRegulated(verdicts: readonly SignalVerdict[], facts: Facts): Reasoned {
  for (const verdict of verdicts) if (verdict.result === 'denied') return because(verdict.code);
  const grants = verdicts.filter((verdict) => verdict.result === 'granted' && verdict.sufficient);
  if (grants.length > 0) return because(isRevived(grants, facts) ? 'consent.granted' : 'consent.withdrawn');
  const none = new Set(verdicts.flatMap((verdict) => (verdict.result === 'none' ? [verdict.code] : [])));
  return because(TELLING.find((code) => none.has(code)) ?? 'consent.absent');
}

function judgeElsewhere(verdicts: readonly SignalVerdict[], wanted: DestinationPolicy, facts: Facts): Reasoned {
  const denials = verdicts.flatMap((verdict) => (verdict.result === 'denied' ? [verdict.code] : []));
  const refusal = denials.find((code) => !code.startsWith('optout.'));
  if (refusal !== undefined) return because(refusal);
  const grants = verdicts.filter((verdict) => verdict.result === 'granted');
  if (!isRevived(grants, facts)) return because('consent.withdrawn');
  const [optOut] = denials;
  if (optOut !== undefined && wanted.optOut !== 'limited_data_use') return because(optOut);
  const reason = grants.some((grant) => grant.result === 'granted' && grant.sufficient)
    ? 'consent.granted'
    : 'consent.not_required';
  return { reason, limitedDataUse: optOut !== undefined };
}

/** True when no withdrawal stands, or a grant is later than it: by the instant, or by the day where only that is known. */
function isRevived(grants: readonly SignalVerdict[], { withdrawnMs }: Facts): boolean {
  if (withdrawnMs === null) return true;
  return grants.some((grant) => grant.result === 'granted' && grant.time !== null && isLater(grant.time, withdrawnMs));
}

const DAY_MS = 86_400_000;

function isLater(time: ConsentTime, thanMs: number): boolean {
  if (time.precision === 'instant') return time.ms > thanMs;
  return Math.floor(time.ms / DAY_MS) > Math.floor(thanMs / DAY_MS);
}

/** `granted`, `denied:CODE` or `none:CODE`: the form of a signal in the log and in exports. */
export function describeVerdict(verdict: SignalVerdict): string {
  return verdict.result === 'granted' ? 'granted' : `${verdict.result}:${verdict.code}`;
}
