// Reads what the shop's consent platform says at this moment, for the server to judge. Nothing here decides: what cannot be
// read is left out, and the server drops where consent is due and none came.

import type { WireConsent } from '../core/event.ts';

type TextSignal = 'tcf' | 'additional_consent' | 'onetrust' | 'onetrust_closed' | 'gpp' | 'usprivacy';

// The first one found of a kind counts. Values go on as they stand in the cookie: decoding OptanonConsent before it is
// split would let a landing page's address forge a group.
const COOKIES: readonly (readonly [cookie: string, signal: TextSignal])[] = [
  ['eupubconsent-v2', 'tcf'],
  ['euconsent-v2', 'tcf'],
  ['OTAdditionalConsentString', 'additional_consent'],
  ['OptanonConsent', 'onetrust'],
  ['OptanonAlertBoxClosed', 'onetrust_closed'],
  ['OTGPPConsent', 'gpp'],
  ['usprivacy', 'usprivacy'],
];

/** The consent signals in a `document.cookie`. */
export function readCookies(cookies: string): WireConsent {
  const found: WireConsent = {};
  const pairs = cookies.split(/; */);
  for (const [cookie, signal] of COOKIES) {
    const pair = pairs.find((one) => one.startsWith(`${cookie}=`));
    if (pair !== undefined) found[signal] ??= pair.slice(cookie.length + 1);
  }
  return found;
}

/** The part of TCData that is read (IAB Tech Lab, CMP API v2, "getTCData"); `addtlConsent` is Google's addition. */
interface TcData {
  readonly tcString?: unknown;
  readonly addtlConsent?: unknown;
  readonly eventStatus?: unknown;
}

export type TcfApi = (
  command: 'getTCData',
  version: 2,
  callback: (data: TcData | null, success: boolean) => void,
) => void;

/**
 * Asks the CMP for its strings. Calls back once it answers: at once, later, or never, as CMPs do.
 * While the banner is open (`cmpuishown`) its string is a default and nobody's choice, so that it is not read.
 */
export function askTcf(api: TcfApi, answer: (strings: WireConsent) => void): void {
  api('getTCData', 2, (data, success) => {
    const strings: WireConsent = {};
    if (success && data && data.eventStatus !== 'cmpuishown') {
      if (isFilled(data.tcString)) strings.tcf = data.tcString;
      if (isFilled(data.addtlConsent)) strings.additional_consent = data.addtlConsent;
    }
    answer(strings);
  });
}

function isFilled(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}
