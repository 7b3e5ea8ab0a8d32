// What a browser's consent looks like to a test, in as few words as the test needs.

import type { RawConsent } from '../src/core/consent.ts';
import {
  writeAdditionalConsent,
  writeAlertBoxClosed,
  writeOptanonConsent,
  writeTcString,
} from '../src/demo/consent-strings.ts';

/** OneTrust's two cookies, the banner answered at `atMs`. */
export function oneTrustCookie({
  atMs,
  groups,
}: {
  atMs: number;
  groups: Readonly<Record<string, 0 | 1>>;
}): RawConsent {
  const interaction = Object.values(groups).includes(0) ? 6 : 1;
  return {
    onetrust: writeOptanonConsent({
      groups,
      writtenMs: atMs,
      geolocation: 'DE;BE',
      interaction,
      awaitingReconsent: false,
    }),
    onetrust_closed: writeAlertBoxClosed(atMs),
  };
}

/** TCF with Additional Consent; Meta is provider 89. */
export function tcfStrings({
  atMs,
  purposes,
  meta,
}: {
  atMs: number;
  purposes: readonly number[];
  meta: boolean;
}): RawConsent {
  return {
    tcf: writeTcString({ createdMs: Math.floor(atMs / 86_400_000) * 86_400_000, purposes }),
    additional_consent: meta ? writeAdditionalConsent([89]) : writeAdditionalConsent([], [89]),
  };
}
