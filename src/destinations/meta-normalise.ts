// Customer information in the form that Meta documents for hashing, key by key. Where Meta's own library does otherwise
// (it cuts states and countries to two letters), the documentation is followed.
// https://developers.facebook.com/docs/marketing-api/conversions-api/parameters/customer-information-parameters

import type { EventUser } from '../core/event.ts';
import { countryOf } from './countries.ts';
import { parseEmail } from './email.ts';
import { phoneDigits } from './phone.ts';
import { usState } from './us-states.ts';

export interface Circumstances {
  /** ISO 3166-1 alpha-2 of the user, upper case, where it is known. */
  readonly country: string | null;
  /** The year of now: nobody is born later. */
  readonly year: number;
}

type Normalise = (text: string, circumstances: Circumstances) => string | null;

/** Meta's key, the event's key and the rule between them. Null: there is nothing that could be matched. */
export const NORMALISED: readonly (readonly [MetaHashedKey, keyof EventUser, Normalise])[] = [
  ['em', 'email', (text) => parseEmail(text)?.toLowerCase() ?? null],
  ['ph', 'phone', (text, { country }) => phoneDigits(text, country)],
  ['fn', 'first_name', letters],
  ['ln', 'last_name', letters],
  ['ge', 'gender', (text) => GENDERS[text.toLowerCase()] ?? null],
  ['db', 'birthday', birthday],
  ['ct', 'city', letters],
  ['st', 'region', state],
  ['zp', 'postal_code', postalCode],
  ['country', 'country', (text) => countryOf(text)?.toLowerCase() ?? null],
  // Meta states no rule; what counts is that every channel sends the same, and the pixel is given the id as it is.
  ['external_id', 'external_id', (text) => text],
];

export type MetaHashedKey = 'em' | 'ph' | 'fn' | 'ln' | 'ge' | 'db' | 'ct' | 'st' | 'zp' | 'country' | 'external_id';

const GENDERS: Readonly<Partial<Record<string, string>>> = { f: 'f', female: 'f', m: 'm', male: 'm' };
const FIRST_YEAR = 1900;
const ZIP_LENGTH = 5;

// Lower case without punctuation and spaces. Letters of any script stay: "UTF-8 allowed".
function letters(text: string): string | null {
  const kept = text
    .normalize('NFC')
    .toLowerCase()
    .replace(/[\p{P}\p{S}\p{Z}\p{C}]/gu, '');
  return kept === '' ? null : kept;
}

function state(text: string, { country }: Circumstances): string | null {
  const name = letters(text);
  if (name === null) return null;
  if (country === 'US') return usState(name);
  return country === null ? (usState(name) ?? name) : name;
}

function postalCode(text: string, { country }: Circumstances): string | null {
  const code = letters(text);
  if (code === null) return null;
  const isZip = country === 'US' || (country === null && /^\s*\d{5}-\d{4}\s*$/.test(text));
  return isZip ? code.slice(0, ZIP_LENGTH) : code;
}

/** YYYYMMDD. Order is found from the year; between day and month, month first, unless it cannot be one. */
function birthday(text: string, { year }: Circumstances): string | null {
  const groups = text.match(/\d+/g) ?? [];
  const [first = '', second = '', third = ''] = groups;
  if (groups.length === 1 && first.length === 8) {
    return date([first.slice(0, 4), first.slice(4, 6), first.slice(6)], year);
  }
  if (groups.length !== 3) return null;
  if (first.length === 4) return date([first, second, third], year) ?? date([first, third, second], year);
  return date([third, first, second], year) ?? date([third, second, first], year);
}

function date(parts: readonly [string, string, string], latestYear: number): string | null {
  const [year, month, day] = parts.map(Number) as [number, number, number];
  const real = new Date(Date.UTC(year, month - 1, day));
  const exists = real.getUTCMonth() === month - 1 && real.getUTCDate() === day;
  if (!exists || year < FIRST_YEAR || year > latestYear) return null;
  return `${year}${String(month).padStart(2, '0')}${String(day).padStart(2, '0')}`;
}
