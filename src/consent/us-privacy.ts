// The US Privacy string (IAB Tech Lab, "U.S. Privacy String", version 1): four characters, the third says whether the
// visitor opted out of the sale of personal data. Not having opted out is no consent.

import type { ConsentSignal } from '../core/consent.ts';
import { type Fault, malformed, type Unreadable, unreadable } from './unreadable.ts';

/** `-`: the law does not apply to this visitor. */
export type UsPrivacyEvidence = { readonly opt_out: 'Y' | 'N' | '-' } | Unreadable;

const LENGTH = 4;

export const usPrivacy: ConsentSignal<UsPrivacyEvidence> = {
  name: 'us_privacy',
  decode({ usprivacy: text }, keyedHash) {
    if (text === undefined || text === '') return null;
    const found = readUsPrivacy(text);
    return typeof found === 'string' ? { opt_out: found } : unreadable(text, found, keyedHash);
  },
  judge(evidence, { note }) {
    const isReadable = !('unreadable' in evidence);
    const found = isReadable ? 'readable' : evidence.unreadable;
    note?.({ signal: 'us_privacy', rule: 'readable', required: 'version 1', found, holds: isReadable });
    if (!isReadable) return { result: 'none', code: evidence.code };
    const out = evidence.opt_out === 'Y';
    note?.({
      signal: 'us_privacy',
      rule: 'opt_out',
      required: 'no opt-out',
      found: out ? 'opt-out' : 'no opt-out',
      holds: !out,
    });
    return out ? { result: 'denied', code: 'optout.us_privacy' } : { result: 'none', code: 'consent.absent' };
  },
};

/** The third character, or why the text is none. Lower case is taken as meant. */
export function readUsPrivacy(text: string): 'Y' | 'N' | '-' | Fault {
  // There was never another version than 1.
  if (text.length !== LENGTH || !/^1[YN-]{3}$/i.test(text)) return malformed('format');
  const third = text.charAt(2).toUpperCase();
  return third === 'Y' || third === 'N' ? third : '-';
}
