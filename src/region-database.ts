// The operator's own IP database (MaxMind DB format), read into memory at start: which country an address is in. Sluice ships
// none, because the free ones differ from each other and their licences forbid pinning them.

import { readFileSync } from 'node:fs';
import { Reader } from 'maxmind';
import { CannotRun } from './core/errors.ts';
import { parseCountry } from './core/region.ts';

/** The country of an address (ISO 3166-1 alpha-2), or null where the database knows none. Never throws. */
export type CountryOf = (ip: string) => string | null;

/**
 * Opens a database for the whole run; a newer file is read at the next start.
 * @throws CannotRun when the file cannot be read or holds no countries
 */
export function openRegionDatabase(file: string): CountryOf {
  const reader = openReader(file);
  return (ip) => {
    try {
      return countryIn(reader.get(ip));
    } catch {
      // No address, or damage in a part of the tree that nobody met before: unknown, and so regulated.
      return null;
    }
  };
}

function openReader(file: string): Reader<never> {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (cause) {
    throw new CannotRun(`region.database: the file ${file} cannot be read`, { cause });
  }
  try {
    const reader = new Reader<never>(bytes);
    // A first look finds a file that begins well and holds something else.
    reader.get('192.0.2.1');
    return reader;
  } catch (cause) {
    throw new CannotRun(`region.database: ${file} is not a database in MaxMind's format (.mmdb)`, { cause });
  }
}

/**
 * Where the record is, not where the network is registered: `country.iso_code` (MaxMind, DB-IP), or a text under `country`
 * or `country_code` (IPinfo, the ip-location-db builds).
 */
function countryIn(record: unknown): string | null {
  const country = member(record, 'country');
  const code = typeof country === 'string' ? country : (member(country, 'iso_code') ?? member(record, 'country_code'));
  return typeof code === 'string' ? parseCountry(code) : null;
}

function member(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null ? Object.getOwnPropertyDescriptor(value, key)?.value : undefined;
}
