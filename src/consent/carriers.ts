// The carriers of a request's signals: its body, and what its cookies and headers say in the same words. Cookie values stay
// as they arrived: each signal knows its own encoding.

import type { RawConsent } from '../core/consent.ts';

/** A browser has a cookie of one name at a few scopes; more than this many values are not looked at. */
const MAX_VALUES = 8;

/** Cookie name → its values in the order of the Cookie header, not URL-decoded. */
export type Cookies = ReadonlyMap<string, readonly string[]>;

/**
 * Everything that carries consent, the body first. Repeated cookies with different values, and TC strings under different
 * names, are carriers of their own: of two readings of one signal the stricter counts.
 * @param secGpc the value of the `Sec-GPC` header
 */
export function carriersOf(body: RawConsent | null, cookies: Cookies, secGpc: string | null): RawConsent[] {
  const closed = earliest(valuesOf(cookies, 'OptanonAlertBoxClosed'));
  const tcStrings = pairTcStrings(
    valuesOf(cookies, 'eupubconsent-v2', 'euconsent-v2'),
    valuesOf(cookies, 'OTAdditionalConsentString'),
  );
  const oneTrust = valuesOf(cookies, 'OptanonConsent').map((onetrust) => ({ onetrust, ...closed }));
  const gpp = valuesOf(cookies, 'OTGPPConsent').map((value) => ({ gpp: value }));
  const usPrivacy = valuesOf(cookies, 'usprivacy').map((usprivacy) => ({ usprivacy }));
  const shopify = valuesOf(cookies, '_tracking_consent').map((shopify_cookie) => ({ shopify_cookie }));
  const gpc = secGpc?.trim() === '1' ? [{ gpc: true }] : [];
  const length = Math.max(...[tcStrings, oneTrust, gpp, usPrivacy, shopify, gpc].map((part) => part.length));
  const fromRequest = Array.from({ length }, (_, i) => ({
    ...tcStrings[i],
    ...oneTrust[i],
    ...gpp[i],
    ...usPrivacy[i],
    ...shopify[i],
    ...gpc[i],
  }));
  return [...(body === null ? [] : [withAlertBox(body, closed)]), ...fromRequest];
}

function valuesOf(cookies: Cookies, ...names: readonly string[]): readonly string[] {
  const values = new Set(names.flatMap((name) => cookies.get(name) ?? []));
  values.delete('');
  return [...values].slice(0, MAX_VALUES);
}

/** A TC string goes with the Additional Consent string of the same place; a single one goes with all of them. */
function pairTcStrings(strings: readonly string[], additional: readonly string[]): readonly RawConsent[] {
  const [only] = additional;
  const length = Math.max(strings.length, additional.length);
  return Array.from({ length }, (_, i) => {
    const tcf = strings[i];
    const additional_consent = additional.length === 1 ? only : additional[i];
    return {
      ...(tcf === undefined ? {} : { tcf }),
      ...(additional_consent === undefined ? {} : { additional_consent }),
    };
  });
}

/** Of several answers the earliest: ISO instants sort as text, and the consent can only become older by it. */
function earliest(values: readonly string[]): Pick<RawConsent, 'onetrust_closed'> {
  const [first] = [...values].sort();
  return first === undefined ? {} : { onetrust_closed: first };
}

// The storefront script reads OptanonConsent; the cookie beside it is of the same banner.
function withAlertBox(body: RawConsent, closed: Pick<RawConsent, 'onetrust_closed'>): RawConsent {
  return body.onetrust === undefined || body.onetrust_closed !== undefined ? body : { ...body, ...closed };
}
