// OneTrust: the groups of OptanonConsent, and the proof that somebody answered the banner. The SDK writes the template's
// defaults into the cookie before any click, so that a group alone proves nothing.

import type { Ask, ConsentSignal, ConsentTime, SignalVerdict } from '../core/consent.ts';
import { judgeAge } from './age.ts';
import { BANNER_CLOSED, type Flags, type OneTrustCookie, readAlertBox, readOneTrustCookie } from './onetrust-cookie.ts';
import { type Unreadable, unreadable } from './unreadable.ts';

/** Where the time of consent was found. `write`: only the cookie's last write is known, which is never earlier. */
type TimeSource = 'alert_box' | 'cr_time' | 'last_consent' | 'write';

/** What the rules read, and nothing more: no consent id, no landing page, no hosts. */
export type OneTrustGroups = {
  readonly granted: readonly string[];
  readonly denied: readonly string[];
  /** General vendors; no key where the value names none. */
  readonly vendors?: Flags;
  readonly reconsent: boolean;
  readonly country: string | null;
  readonly cut: boolean;
  readonly interaction: number | null;
  readonly time: { readonly ms: number; readonly from: TimeSource } | null;
};

export type OneTrustEvidence = OneTrustGroups | Unreadable;

export const onetrust: ConsentSignal<OneTrustEvidence> = {
  name: 'onetrust',
  decode({ onetrust: text, onetrust_closed: closed }, keyedHash) {
    if (text === undefined || text === '') return null;
    const cookie = readOneTrustCookie(text);
    if ('fault' in cookie) return unreadable(text, cookie, keyedHash);
    const { granted, denied, awaitingReconsent: reconsent, country, cut, interaction } = cookie;
    const vendors = cookie.vendors === null ? {} : { vendors: cookie.vendors };
    const time = timeOf(cookie, readAlertBox(closed));
    return { granted, denied, ...vendors, reconsent, country, cut, interaction, time };
  },
  judge(evidence, ask) {
    const wanted = ask.wanted.onetrust;
    if (wanted === undefined) return null;
    const isReadable = !('unreadable' in evidence);
    note(ask, 'readable', ['a value with groups', isReadable ? 'readable' : evidence.unreadable, isReadable]);
    return isReadable ? judgeGroups(evidence, wanted, ask) : { result: 'none', code: evidence.code };
  },
  hints: (evidence) => ('unreadable' in evidence || evidence.country === null ? [] : [evidence.country]),
};

function timeOf(cookie: OneTrustCookie, alertBoxMs: number | null): OneTrustGroups['time'] {
  const { crTimeMs, lastConsentMs, writtenMs } = cookie;
  if (alertBoxMs !== null) return { ms: alertBoxMs, from: 'alert_box' };
  if (crTimeMs !== null) return { ms: crTimeMs, from: 'cr_time' };
  if (lastConsentMs !== null) return { ms: lastConsentMs, from: 'last_consent' };
  return writtenMs === null ? null : { ms: writtenMs, from: 'write' };
}

type Wanted = NonNullable<Ask['wanted']['onetrust']>;

function judgeGroups(evidence: OneTrustGroups, wanted: Wanted, ask: Ask): SignalVerdict {
  note(ask, 'reconsent', ['not due', evidence.reconsent ? 'due' : 'not due', !evidence.reconsent]);
  if (evidence.reconsent) return { result: 'denied', code: 'consent.reconsent_due' };
  const [categories, vendors] = [judgeCategories(evidence, wanted, ask), judgeVendors(evidence, wanted, ask)];
  if (vendors?.result === 'denied' && categories?.result !== 'denied') return vendors;
  const missing = categories ?? vendors;
  if (missing !== null) return missing;
  // Where opt-out is the law, defaults of the template count until somebody refuses.
  if (ask.region === 'regulated' && !isAnswered(evidence, ask)) return { result: 'none', code: 'consent.unanswered' };
  return judgeTime(evidence, ask);
}

function judgeCategories(evidence: Flags, { groups }: Wanted, ask: Ask): SignalVerdict | null {
  const states = groups.map((id) => noteState(evidence, id, { ask, kind: 'group' }));
  if (states.includes('denied')) return { result: 'denied', code: 'category.denied' };
  return states.includes('missing') ? { result: 'none', code: 'category.missing' } : null;
}

const NO_VENDORS: Flags = { granted: [], denied: [] };

function judgeVendors(
  { vendors = NO_VENDORS }: OneTrustGroups,
  { genVendors = [] }: Wanted,
  ask: Ask,
): SignalVerdict | null {
  const states = genVendors.map((id) => noteState(vendors, id, { ask, kind: 'vendor' }));
  if (states.includes('denied')) return { result: 'denied', code: 'vendor.denied' };
  return states.includes('missing') ? { result: 'none', code: 'vendor.not_disclosed' } : null;
}

interface Noted {
  readonly ask: Ask;
  readonly kind: 'group' | 'vendor';
}

function noteState({ granted, denied }: Flags, id: string, { ask, kind }: Noted): 'granted' | 'denied' | 'missing' {
  const state = denied.includes(id) ? 'denied' : granted.includes(id) ? 'granted' : 'missing';
  note(ask, `${kind} ${id}`, ['granted', state, state === 'granted']);
  return state;
}

/** Whether the banner was answered: closing it with the defaults is no answer. */
function isAnswered(evidence: OneTrustGroups, ask: Ask): boolean {
  const proof = proofOf(evidence, ask.rules.requireAlertBoxCookie);
  const holds = proof !== null && evidence.interaction !== BANNER_CLOSED;
  const found = evidence.interaction === BANNER_CLOSED ? 'closed without an answer' : (proof ?? 'nothing');
  note(ask, 'answered', ['proof that the banner was answered', found, holds]);
  return holds;
}

function proofOf({ time, cut, country, interaction }: OneTrustGroups, alertBoxOnly: boolean): string | null {
  if (time?.from === 'alert_box') return 'alert_box';
  // In a value that was cut, a re-consent that is due may be among what is lost; the SDK deletes the alert box then.
  if (alertBoxOnly || cut) return null;
  // Written by the SDK only once the banner is closed and its answer valid.
  if (country !== null) return 'geolocation';
  if (interaction !== null) return 'interaction';
  return time === null || time.from === 'write' ? null : time.from;
}

function judgeTime({ time }: OneTrustGroups, ask: Ask): SignalVerdict {
  note(ask, 'time', ['a time of consent', time?.from ?? 'none', time !== null]);
  if (time === null) return { result: 'none', code: 'consent.unanswered' };
  const stale = judgeAge({ signal: 'onetrust', ms: time.ms, slackMs: 0 }, ask);
  if (stale !== null) return { result: 'none', code: stale };
  return { result: 'granted', sufficient: true, time: consentTime(time) };
}

// The last write proves that the consent is no younger; it must not make an old consent younger than a withdrawal.
function consentTime(time: NonNullable<OneTrustGroups['time']>): ConsentTime | null {
  return time.from === 'write' ? null : { ms: time.ms, precision: 'instant' };
}

function note(ask: Ask, rule: string, [required, found, holds]: readonly [string, string, boolean]): void {
  ask.note?.({ signal: 'onetrust', rule, required, found, holds });
}
