// The visitors of the demonstration: who they are, what their browsers say, what goes wrong meanwhile, and what they are promised.

import type { CapiStatus } from '../core/delivery.ts';
import type { WireConsent } from '../core/event.ts';
import type { ReasonCode } from '../core/reasons.ts';
import { writeAdditionalConsent, writeAlertBoxClosed, writeOptanonConsent, writeTcString } from './consent-strings.ts';

/** What a browser brings along: in the event's body, in its Cookie header, in `Sec-GPC`. */
export interface BrowserSays {
  readonly consent?: WireConsent;
  readonly cookie?: string;
  readonly gpc?: true;
}

/** What happens at Meta, or to the visitor's mind, while the purchase is on its way. */
export type Trouble = 'none' | 'meta_stumbles' | 'meta_is_down' | 'withdraws';

export interface PromisedDecision {
  readonly verdict: 'permit' | 'drop';
  readonly reason: ReasonCode;
}

/** What must come true, or the demonstration fails. */
export interface Promised {
  readonly meta: PromisedDecision;
  readonly klaviyo: PromisedDecision;
  readonly metaHasIt: boolean;
  /** What Klaviyo is told about Meta; null = Klaviyo is never asked. */
  readonly capiStatus: CapiStatus | null;
}

export interface Visitor {
  /** A first name, and what is special, in a few words. */
  readonly name: string;
  readonly story: string;
  /** Where the shop's proxy sees them, ISO 3166-1. */
  readonly country: string;
  readonly ip: string;
  /** The signal, in words. */
  readonly signal: string;
  readonly says: BrowserSays;
  readonly trouble: Trouble;
  readonly promised: Promised;
}

const HOUR_MS = 3_600_000;
/** Google's id of Meta in the list of ad technology providers. */
const META_PROVIDER = 89;
const OTHER_PROVIDER = 1097;
const ALL_PURPOSES = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];
const DISCLOSED = { max: 793, ranges: [[1, 793]] } as const;

/** What the consent platform of a TCF shop holds after a click on "accept all". `nowMs`: epoch milliseconds. */
export function acceptAll(nowMs: number): { readonly tcf: string; readonly additional_consent: string } {
  return {
    tcf: writeTcString({ createdMs: nowMs, purposes: ALL_PURPOSES, vendors: DISCLOSED, disclosed: DISCLOSED }),
    additional_consent: writeAdditionalConsent([META_PROVIDER, OTHER_PROVIDER]),
  };
}

/** The same after "reject all". */
export function rejectAll(nowMs: number): { readonly tcf: string; readonly additional_consent: string } {
  return {
    tcf: writeTcString({ createdMs: nowMs, purposes: [], disclosed: DISCLOSED }),
    additional_consent: writeAdditionalConsent([], [META_PROVIDER, OTHER_PROVIDER]),
  };
}

/** All purposes, but not Meta. */
function acceptWithoutMeta(nowMs: number): WireConsent {
  return { ...acceptAll(nowMs), additional_consent: writeAdditionalConsent([OTHER_PROVIDER], [META_PROVIDER]) };
}

const GROUPS = { C0001: 1, C0002: 1, C0003: 1, C0004: 1 } as const;

/** OneTrust writes its template's defaults before anybody has clicked. */
function bannerOpen(nowMs: number): string {
  return `OptanonConsent=${writeOptanonConsent({ groups: GROUPS, writtenMs: nowMs })}`;
}

function bannerAccepted(nowMs: number): string {
  const content = { groups: GROUPS, writtenMs: nowMs, geolocation: 'PT;11', interaction: 1, crTimeMs: nowMs };
  return `OptanonConsent=${writeOptanonConsent(content)}; OptanonAlertBoxClosed=${writeAlertBoxClosed(nowMs)}`;
}

const permit = (reason: ReasonCode): PromisedDecision => ({ verdict: 'permit', reason });
const drop = (reason: ReasonCode): PromisedDecision => ({ verdict: 'drop', reason });

function nothing(reason: ReasonCode): Promised {
  return { meta: drop(reason), klaviyo: drop(reason), metaHasIt: false, capiStatus: null };
}

function both(reason: ReasonCode, capiStatus: CapiStatus): Promised {
  return { meta: permit(reason), klaviyo: permit(reason), metaHasIt: true, capiStatus };
}

type Person = Omit<Visitor, 'ip' | 'says'> & {
  /** `answeredMs`: when the banner was answered, epoch milliseconds. */
  readonly says: (answeredMs: number) => BrowserSays;
};

const SILENT = { signal: 'none', says: () => ({}) };
const TCF_ACCEPTS = { signal: 'TCF + Google AC', says: (ms: number) => ({ consent: acceptAll(ms) }) };
const GRANTED = both('consent.granted', 'sent');

const PEOPLE: readonly Person[] = [
  { name: 'Lena', story: 'accepts', country: 'DE', ...TCF_ACCEPTS, trouble: 'none', promised: GRANTED },
  {
    name: 'Marc',
    story: 'rejects',
    country: 'FR',
    signal: 'TCF + Google AC',
    says: (ms) => ({ consent: rejectAll(ms) }),
    trouble: 'none',
    promised: nothing('storage.denied'),
  },
  {
    name: 'Olga',
    story: 'accepts, not Meta',
    country: 'BE',
    signal: 'TCF + Google AC',
    says: (ms) => ({ consent: acceptWithoutMeta(ms) }),
    trouble: 'none',
    promised: {
      meta: drop('vendor.denied'),
      klaviyo: permit('consent.granted'),
      metaHasIt: false,
      capiStatus: 'skipped',
    },
  },
  {
    name: 'Gino',
    story: 'no answer',
    country: 'IT',
    ...SILENT,
    trouble: 'none',
    promised: nothing('consent.absent'),
  },
  {
    name: 'Sven',
    story: 'banner left open',
    country: 'SE',
    signal: 'OneTrust default',
    says: (ms) => ({ cookie: bannerOpen(ms) }),
    trouble: 'none',
    promised: nothing('consent.unanswered'),
  },
  {
    name: 'Ines',
    story: 'accepts',
    country: 'PT',
    signal: 'OneTrust cookies',
    says: (ms) => ({ cookie: bannerAccepted(ms) }),
    trouble: 'none',
    promised: GRANTED,
  },
  {
    name: 'Tom',
    story: 'says nothing',
    country: 'US',
    ...SILENT,
    trouble: 'none',
    promised: both('consent.not_required', 'sent'),
  },
  {
    name: 'Amy',
    story: 'opts out',
    country: 'US',
    signal: 'Sec-GPC: 1',
    says: () => ({ gpc: true }),
    trouble: 'none',
    promised: nothing('optout.gpc'),
  },
  { name: 'Karl', story: 'Meta stumbles', country: 'AT', ...TCF_ACCEPTS, trouble: 'meta_stumbles', promised: GRANTED },
  {
    name: 'Nora',
    story: 'Meta is down',
    country: 'NL',
    ...TCF_ACCEPTS,
    trouble: 'meta_is_down',
    promised: both('consent.granted', 'deferred'),
  },
  {
    name: 'Emil',
    story: 'withdraws in time',
    country: 'DE',
    ...TCF_ACCEPTS,
    trouble: 'withdraws',
    promised: { ...GRANTED, metaHasIt: false, capiStatus: null },
  },
];

/** Everybody who comes to the shop. They answered its banner an hour before `nowMs`, epoch milliseconds. */
export function visitorsAt(nowMs: number): readonly Visitor[] {
  // Addresses of RFC 5737: public in form, nobody's in fact.
  return PEOPLE.map((person, at) => ({ ...person, says: person.says(nowMs - HOUR_MS), ip: `203.0.113.${10 + at}` }));
}
