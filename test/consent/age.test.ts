import { describe, expect, it } from 'vitest';
import { addMonths } from '../../src/consent/age.ts';

describe('calendar months', () => {
  it.each([
    ['2025-10-24T12:00:00.000Z', 13, '2026-11-24T12:00:00.000Z'],
    ['2026-01-31T08:30:00.500Z', 1, '2026-02-28T08:30:00.500Z'],
    ['2027-12-31T23:59:59.999Z', 2, '2028-02-29T23:59:59.999Z'],
    ['2026-12-15T00:00:00.000Z', 1, '2027-01-15T00:00:00.000Z'],
    ['1969-12-31T06:00:00.000Z', 13, '1971-01-31T06:00:00.000Z'],
  ])('%s and %i months are %s', (from, months, to) => {
    expect(new Date(addMonths(Date.parse(from), months)).toISOString()).toBe(to);
  });
});
