// Google's Additional Consent string: which ad technology providers outside the IAB's list were consented to
// (https://support.google.com/admanager/answer/9681920). Id 89 is Facebook. It grants nothing without a TC string.

import type { Ask, ConsentSignal, SignalVerdict } from '../core/consent.ts';
import type { Json } from '../core/json.ts';
import { type Fault, MAX_SIGNAL_LENGTH, malformed, type Unreadable, unreadable } from './unreadable.ts';

export type AdditionalConsentEvidence = { readonly ac: string } | Unreadable;

const IDS = '(?:[1-9]\\d{0,8}(?:\\.[1-9]\\d{0,8})*)?';
const CONSENTED_ONLY = new RegExp(`^1~(${IDS})$`);
const CONSENTED_AND_DISCLOSED = new RegExp(`^2~(${IDS})~dv\\.(${IDS})$`);
const PREFIX = 'additional_consent:';

/** The two lists of a readable string; ids are decimal numbers without leading zeros, as the format has them. */
export interface Providers {
  consented(id: string): boolean;
  /** Shown and not consented to. Version 1 has no such list. */
  disclosed(id: string): boolean;
}

export const additionalConsent: ConsentSignal<AdditionalConsentEvidence> = {
  name: 'additional_consent',
  decode({ additional_consent: raw }, keyedHash) {
    if (raw === undefined || raw === '') return null;
    const text = decodeOnce(raw);
    const fault = findFault(text);
    return fault === null ? { ac: text } : unreadable(raw, fault, keyedHash);
  },
  judge(evidence, ask) {
    const ids = (ask.wanted.tcf?.vendorEvidence ?? []).filter((kind) => kind.startsWith(PREFIX));
    if (ids.length === 0) return null;
    const providers = readAdditionalConsent(evidence);
    note(ask, 'readable', ['version 1 or 2', 'unreadable' in evidence ? evidence.unreadable : 'readable', !!providers]);
    if (providers === null) return { result: 'none', code: 'code' in evidence ? evidence.code : 'consent.malformed' };
    return judgeProviders(
      ids.map((kind) => kind.slice(PREFIX.length)),
      providers,
      ask,
    );
  },
};

/** Reads the evidence of this signal; null where there is none or none that can be read. */
export function readAdditionalConsent(evidence: Json | undefined): Providers | null {
  if (typeof evidence !== 'object' || evidence === null || !('ac' in evidence)) return null;
  const { ac } = evidence;
  if (typeof ac !== 'string') return null;
  // What became evidence has passed the expressions above.
  const [, consented = '', disclosed = ''] = ac.split('~').map((list) => list.replace(/^dv\./, ''));
  const names = (list: string, id: string) => `.${list}.`.includes(`.${id}.`);
  return { consented: (id) => names(consented, id), disclosed: (id) => names(disclosed, id) };
}

/** A refusal of any provider that the policy names denies; a consent corroborates the TC string and alone permits nothing. */
function judgeProviders(ids: readonly string[], providers: Providers, ask: Ask): SignalVerdict {
  let verdict: SignalVerdict = { result: 'none', code: 'vendor.not_disclosed' };
  for (const id of ids) {
    const refused = providers.disclosed(id);
    const holds = providers.consented(id) && !refused;
    note(ask, `provider_${id}`, ['consent', holds ? 'consent' : refused ? 'shown, no consent' : 'not named', holds]);
    if (refused) return { result: 'denied', code: 'vendor.denied' };
    if (holds) verdict = { result: 'granted', sufficient: false, time: null };
  }
  return verdict;
}

function findFault(text: string): Fault | null {
  if (text.length > MAX_SIGNAL_LENGTH) return malformed('length');
  if (CONSENTED_ONLY.test(text) || CONSENTED_AND_DISCLOSED.test(text)) return null;
  return /^(?:[3-9]|[1-9]\d{1,3})~/.test(text)
    ? { code: 'consent.unsupported_version', fault: 'version' }
    : malformed('format');
}

// A cookie's value may have its tildes encoded; nothing else in it can be.
function decodeOnce(text: string): string {
  return text.length <= MAX_SIGNAL_LENGTH && !text.includes('~') ? text.replace(/%7e/gi, '~') : text;
}

function note(ask: Ask, rule: string, [required, found, holds]: readonly [string, string, boolean]): void {
  ask.note?.({ signal: 'additional_consent', rule, required, found, holds });
}
