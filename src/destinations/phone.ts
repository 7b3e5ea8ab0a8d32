// Phone numbers in E.164: Klaviyo takes no other form, and Meta wants the country code in front.

import { type CountryCode, isSupportedCountry, parsePhoneNumberFromString } from 'libphonenumber-js/min';

/**
 * The number in E.164 (`+4930901820`), or null for what is none.
 * @param country ISO 3166-1 alpha-2, upper case; without it only a number that shows its country code (`+`, `00`) is read,
 *   for a guessed one is a stranger's
 */
export function parsePhone(text: string | undefined, country: string | null): string | null {
  const phone = visible(text);
  if (phone === '') return null;
  return valid(phone, supported(country)) ?? (isInternational(phone) ? valid(`+${significant(phone)}`) : null);
}

/**
 * The digits that Meta hashes, country code first. Nobody is called there, so that digits without a sign count when they
 * are a whole number as they stand, and an international one that no numbering plan knows counts too.
 */
export function phoneDigits(text: string | undefined, country: string | null): string | null {
  const number = parsePhone(text, country);
  if (number !== null) return number.slice(1);
  const phone = visible(text);
  if (/\p{L}/u.test(phone)) return null;
  const digits = significant(phone);
  if (isInternational(phone)) return /^\d{7,15}$/.test(digits) ? digits : null;
  return phone.startsWith('0') || phone.startsWith('(0') ? null : (valid(`+${digits}`)?.slice(1) ?? null);
}

// Address books copy invisible direction marks along.
function visible(text: string | undefined): string {
  return text?.replace(/\p{Cf}/gu, '').trim() ?? '';
}

function isInternational(phone: string): boolean {
  return /^(?:\+|00)/.test(phone) && !/\p{L}/u.test(phone);
}

function significant(phone: string): string {
  return phone.replace(/\D/g, '').replace(/^0+/, '');
}

function valid(phone: string, country?: CountryCode): string | null {
  const options = { extract: false, ...(country === undefined ? {} : { defaultCountry: country }) };
  const number = parsePhoneNumberFromString(phone, options);
  return number?.isValid() ? number.number : null;
}

function supported(country: string | null): CountryCode | undefined {
  return country !== null && isSupportedCountry(country) ? country : undefined;
}
