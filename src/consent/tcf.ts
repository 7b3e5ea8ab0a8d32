// IAB TCF: what a TC string says about a destination (IAB Europe TCF Policies, and "Consent string and vendor list formats
// v2" of the IAB Tech Lab). Meta and Klaviyo are on no IAB vendor list, so vendor bits and publisher restrictions, which
// speak of listed vendors only, are not looked at.

import type { Ask, ConsentSignal, PurposeBits, SignalVerdict } from '../core/consent.ts';
import { readAdditionalConsent } from './additional-consent.ts';
import { DAY_MS, judgeAge } from './age.ts';
import { readTcString, type TcReading } from './tcf-string.ts';
import { type Unreadable, unreadable } from './unreadable.ts';

export type TcfEvidence = { readonly tc: string } | Unreadable;

/** Below it: strings that were made after 2023-09-30 are invalid, older ones have expired. */
const FIRST_POLICY_VERSION = 4;
/** TCF 2.3: strings created after 2026-02-28 must say which vendors were shown. */
const DISCLOSURE_DUE_MS = Date.UTC(2026, 2, 1);
const STORAGE = 1;

export const tcf: ConsentSignal<TcfEvidence> = {
  name: 'tcf',
  decode({ tcf: text }, keyedHash) {
    if (text === undefined || text === '') return null;
    const reading = readTcString(text);
    return 'fault' in reading ? unreadable(text, reading, keyedHash) : { tc: text };
  },
  judge(evidence, ask) {
    const wanted = ask.wanted.tcf;
    if (wanted === undefined) return null;
    const reading = 'tc' in evidence ? readTcString(evidence.tc) : { code: evidence.code, fault: evidence.unreadable };
    const isReadable = !('fault' in reading);
    note(ask, 'readable', ['a TC string of version 2', isReadable ? 'readable' : reading.fault, isReadable]);
    return isReadable ? judgeReading(reading, wanted, ask) : { result: 'none', code: reading.code };
  },
};

type Wanted = NonNullable<Ask['wanted']['tcf']>;

// The order of the contract: version, future, expired, then storage, purpose, vendor.
function judgeReading(reading: TcReading, wanted: Wanted, ask: Ask): SignalVerdict {
  const purposes = { required: bitsOf(wanted.purposes), granted: grantedBits(reading) };
  const stale =
    judgeScope(reading, ask) ?? judgeAge({ signal: 'tcf', ms: reading.lastUpdatedMs, slackMs: DAY_MS }, ask);
  if (stale !== null) return { result: 'none', code: stale, purposes };
  const refused = judgePurposes(wanted, purposes, ask);
  if (refused !== null) return { result: 'denied', code: refused, purposes };
  if (!isDisclosed(reading, ask) || !hasVendorEvidence(reading, wanted, ask)) {
    return { result: 'none', code: 'vendor.not_disclosed', purposes };
  }
  return { result: 'granted', sufficient: true, time: { ms: reading.lastUpdatedMs, precision: 'day' }, purposes };
}

/** Purposes with consent. With PurposeOneTreatment the visitor was not asked about purpose 1, so its bit grants nothing. */
function grantedBits(reading: TcReading): number {
  return reading.purposeOneTreatment ? reading.purposes & ~1 : reading.purposes;
}

function judgeScope({ policyVersion, serviceSpecific }: TcReading, ask: Ask): 'consent.unsupported_version' | null {
  // A higher version than we know is judged by the rules we know.
  const isCurrent = policyVersion >= FIRST_POLICY_VERSION;
  note(ask, 'policy_version', [`at least ${FIRST_POLICY_VERSION}`, String(policyVersion), isCurrent]);
  if (!isCurrent) return 'consent.unsupported_version';
  note(ask, 'scope', ['service-specific', serviceSpecific ? 'service-specific' : 'global', serviceSpecific]);
  return serviceSpecific ? null : 'consent.unsupported_version';
}

function judgePurposes(wanted: Wanted, { granted }: PurposeBits, ask: Ask): 'storage.denied' | 'purpose.denied' | null {
  let refused: 'storage.denied' | 'purpose.denied' | null = null;
  for (const purpose of [...wanted.purposes].sort((a, b) => a - b)) {
    const holds = (granted & (1 << (purpose - 1))) !== 0;
    note(ask, `purpose_${purpose}`, ['consent', holds ? 'consent' : 'no consent', holds]);
    if (!holds) refused ??= purpose === STORAGE ? 'storage.denied' : 'purpose.denied';
  }
  return refused;
}

function isDisclosed({ createdMs, disclosedVendors }: TcReading, ask: Ask): boolean {
  const due = createdMs >= DISCLOSURE_DUE_MS;
  const holds = disclosedVendors || !due;
  const found = disclosedVendors ? 'present' : 'missing';
  note(ask, 'disclosed_vendors', [due ? 'a list of the vendors shown' : 'nothing before 2026-03-01', found, holds]);
  return holds;
}

/** Any one of what the policy names; nothing named, nothing needed. */
function hasVendorEvidence(reading: TcReading, wanted: Wanted, ask: Ask): boolean {
  const { vendorEvidence } = wanted;
  if (vendorEvidence.length === 0) return true;
  const found = vendorEvidence.find((kind) =>
    kind === 'publisher_tc'
      ? hasAll(reading.publisherPurposes, bitsOf(wanted.purposes))
      : isConsentedProvider(kind.slice(kind.indexOf(':') + 1), ask),
  );
  note(ask, 'vendor', [`any of ${vendorEvidence.join(', ')}`, found ?? 'none', found !== undefined]);
  return found !== undefined;
}

function isConsentedProvider(id: string, ask: Ask): boolean {
  const companion = readAdditionalConsent(ask.evidenceOf('additional_consent'));
  return companion?.consented(id) === true && !companion.disclosed(id);
}

const hasAll = (bits: number | null, required: number): boolean => bits !== null && (bits & required) === required;

const bitsOf = (purposes: readonly number[]): number => purposes.reduce((bits, n) => bits | (1 << (n - 1)), 0);

function note(ask: Ask, rule: string, [required, found, holds]: readonly [string, string, boolean]): void {
  ask.note?.({ signal: 'tcf', rule, required, found, holds });
}
