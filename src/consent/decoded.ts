// Evidence as a person reads it: TC strings taken apart, long lists counted, everything else as it is kept.

import type { Evidence, SignalName } from '../core/consent.ts';
import { purposeList } from '../core/decision-text.ts';
import type { Json } from '../core/json.ts';
import { readTcString } from './tcf-string.ts';

/** What each signal of one carrier says, decoded, for `explain` and the console. */
export function decodedEvidence(evidence: Evidence): Readonly<Partial<Record<SignalName, Json>>> {
  const decoded = Object.entries(evidence).map(([name, own]) => [name, decodedSignal(name, own)]);
  return Object.fromEntries(decoded);
}

function decodedSignal(name: string, evidence: Json): Json {
  if (name === 'tcf') return decodedTcf(evidence);
  if (name === 'additional_consent') return decodedProviders(evidence);
  const tc = name === 'gpp' ? member(evidence, 'tc') : undefined;
  return tc === undefined || tc === null || !isRecord(evidence) ? evidence : { ...evidence, tc: decodedTcf(tc) };
}

function decodedTcf(evidence: Json): Json {
  const text = member(evidence, 'tc');
  if (typeof text !== 'string') return evidence;
  const reading = readTcString(text);
  if ('fault' in reading) return { unreadable: reading.fault };
  const { createdMs, lastUpdatedMs, policyVersion, serviceSpecific, purposeOneTreatment, disclosedVendors } = reading;
  const publisher = reading.publisherPurposes;
  return {
    created: new Date(createdMs).toISOString(),
    last_updated: new Date(lastUpdatedMs).toISOString(),
    policy_version: policyVersion,
    service_specific: serviceSpecific,
    purposes: purposeList(reading.purposes),
    purpose_one_treatment: purposeOneTreatment,
    disclosed_vendors: disclosedVendors ? 'present' : 'missing',
    publisher_purposes: publisher === null ? 'missing' : purposeList(publisher),
  };
}

/** The ids of six hundred providers say nothing to the eye; how many there are does. */
function decodedProviders(evidence: Json): Json {
  const text = member(evidence, 'ac');
  if (typeof text !== 'string') return evidence;
  const [version = '', consented = '', disclosed] = text.split('~');
  const count = (list: string) => (list === '' ? 0 : list.split('.').length);
  const shown = disclosed === undefined ? {} : { disclosed_only: count(disclosed.slice('dv.'.length)) };
  return { version: Number(version), consented: count(consented), ...shown };
}

type JsonRecord = Readonly<Record<string, Json>>;

function isRecord(value: Json): value is JsonRecord {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function member(value: Json, key: string): Json | undefined {
  return isRecord(value) && Object.hasOwn(value, key) ? value[key] : undefined;
}
