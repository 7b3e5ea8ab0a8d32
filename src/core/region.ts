// Which law a visitor is under: the strictest of all indications, and unknown means regulated (facts of law: GDPR Art. 3,
// the EEA agreement, UK GDPR, the Swiss FADP; territories by their own ISO codes).

export type Region = 'regulated' | 'opt_out' | 'open';
export type RegionBasis = 'proxy_header' | 'ip_database' | 'server_token' | 'order_address' | 'unknown';

export interface RegionRules {
  readonly regulated: readonly string[];
  readonly opt_out: readonly string[];
  readonly apply_everywhere: boolean;
}

/** One hint at a country. `hint` is what a client says of itself: it tightens and never loosens. */
export interface RegionIndication {
  readonly country: string | null;
  readonly basis: Exclude<RegionBasis, 'unknown'> | 'hint';
}

/** What the log keeps: the country that decided (null = none known) and how it was found. */
export interface RegionEvidence {
  readonly country: string | null;
  readonly basis: RegionBasis;
}

const REGULATED = new Set(
  (
    'AT BE BG HR CY CZ DK EE FI FR DE GR HU IE IT LV LT LU MT NL PL PT RO SK SI ES SE ' +
    'IS LI NO GB CH ' +
    'AX GF GP MQ RE YT MF SJ GI GG JE IM PM BL WF PF NC TF'
  ).split(' '),
);
const ALIASES: Readonly<Record<string, string>> = { UK: 'GB', EL: 'GR' };
const UNKNOWN = new Set(['EU', 'AP', 'A1', 'A2', 'XX', 'ZZ', 'T1']);

/** An ISO 3166-1 alpha-2 code in upper case, or null for anything that names no country. */
export function parseCountry(text: string | null | undefined): string | null {
  if (typeof text !== 'string' || !/^[A-Za-z]{2}$/.test(text)) return null;
  const code = text.toUpperCase();
  if (UNKNOWN.has(code)) return null;
  return ALIASES[code] ?? code;
}

/** The region of a country under a policy; an unknown country is regulated. */
export function classifyRegion(country: string | null, rules: RegionRules): Region {
  if (rules.apply_everywhere || country === null) return 'regulated';
  if (REGULATED.has(country) || rules.regulated.includes(country)) return 'regulated';
  return rules.opt_out.includes(country) ? 'opt_out' : 'open';
}

const STRICTNESS: Readonly<Record<Region, number>> = { regulated: 2, opt_out: 1, open: 0 };

/**
 * Picks the strictest indication. A hint counts only beside an indication of our own: alone it would loosen the unknown.
 * The basis names how the country of our own was found, also where a hint tightened it.
 */
export function resolveRegion(indications: readonly RegionIndication[], rules: RegionRules): RegionEvidence {
  let found: RegionEvidence = { country: null, basis: 'unknown' };
  for (const { country, basis } of indications) {
    if (country === null || basis === 'hint') continue;
    if (found.basis === 'unknown' || isStricter(country, found.country, rules)) found = { country, basis };
  }
  if (found.basis === 'unknown') return found;
  for (const { country, basis } of indications) {
    if (country === null || basis !== 'hint') continue;
    if (isStricter(country, found.country, rules)) found = { country, basis: found.basis };
  }
  return found;
}

function isStricter(country: string, than: string | null, rules: RegionRules): boolean {
  return STRICTNESS[classifyRegion(country, rules)] > STRICTNESS[classifyRegion(than, rules)];
}
