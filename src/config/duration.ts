// Lengths of time as a person writes them: `13mo`, `30d`, `12h`, `30m`, `15s`.

import { z } from 'zod';

const SECOND_MS = 1000;
const DAY_MS = 86_400 * SECOND_MS;
const UNITS_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: SECOND_MS,
  m: 60 * SECOND_MS,
  h: 3600 * SECOND_MS,
  d: DAY_MS,
  // The mean month of the Gregorian calendar: retention is a bound, not a date.
  mo: Math.round((365.2425 / 12) * DAY_MS),
};
const FORM = /^([1-9]\d{0,8})(ms|s|m|h|d|mo)$/;

/** The length in milliseconds, or null for what is no length of time. */
function durationMs(text: string): number | null {
  const [, count, unit] = FORM.exec(text) ?? [];
  const unitMs = UNITS_MS[unit ?? ''];
  return count === undefined || unitMs === undefined ? null : Number(count) * unitMs;
}

/** A field that holds a length of time and yields milliseconds, at most ten years. */
export const duration = z
  .string()
  .refine((text) => durationMs(text) !== null, 'must be a length of time: 13mo, 30d, 12h, 30m or 15s')
  .refine((text) => (durationMs(text) ?? 0) <= 3660 * DAY_MS, 'must be at most ten years')
  .transform((text) => durationMs(text) ?? 0);
