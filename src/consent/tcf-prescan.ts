// The bounded look at a TC string before @iabtcf/core may see it: one string of 52 characters stops that library for 2.8 s,
// and it takes strings for consent that are none. Layout: IAB Tech Lab, "Consent string and vendor list formats v2".

import { type Bits, bitsOf, isPadding, letterOf, sextetOf, skip, take } from './bits.ts';
import { type Fault, MAX_SIGNAL_LENGTH, malformed } from './unreadable.ts';

// A TCF v1 string with nothing in it; a v2 string is longer, which its sections show.
const MIN_LENGTH = 29;
const MAX_SEGMENTS = 4;
const CORE_VERSION = 2;
// Where the vendor list ends today (about 1,500) several times over.
const MAX_VENDOR_ID = 10_000;
const MAX_VENDORS = 40_000;
const MAX_RESTRICTIONS = 200;
const MAX_RESTRICTED = 20_000;
const MAX_RESTRICTED_EACH = 2_000;
const PURPOSES = 24;
// The fields of fixed place end here, the vendor lists begin.
const VENDORS_AT = 213;
// Two empty lists of 17 bits and a count of 12: with the rest of the character before, 51 bits.
const NOBODY = 'A'.repeat(8);

const SEGMENT = { disclosed: 1, allowed: 2, publisher: 3 } as const;

/** A string that the library reads in bounded time, and what the library does not tell. */
export interface TcScan {
  /** What the rules read of it, as a TC string: without vendor lists and publisher restrictions. */
  readonly text: string;
  readonly disclosedVendors: boolean;
  readonly publisherTc: boolean;
}

/** Looks through a TC string in time linear in its length, which is capped. Never throws. */
export function scanTcString(text: string): TcScan | Fault {
  if (text.length < MIN_LENGTH || text.length > MAX_SIGNAL_LENGTH) return malformed('length');
  if (!/^[\w.-]+$/.test(text)) return malformed('alphabet');
  const version = sextetOf(text, 0);
  if (version !== CORE_VERSION) return foreignVersion(version);
  const [core = '', ...others] = text.split('.', MAX_SEGMENTS + 1);
  if (others.length >= MAX_SEGMENTS) return malformed('segments');
  const bits = bitsOf(core);
  const budget = { vendors: MAX_VENDORS };
  const fault = scanCore(bits, budget);
  if (fault !== null) return malformed(fault);
  const found = new Map<number, string>();
  const broken = scanRestrictions(bits) ?? scanPadding(bits) ?? scanSegments(others, found, budget);
  if (broken !== null) return malformed(broken);
  return {
    text: withoutVendors(core, found.get(SEGMENT.publisher)),
    disclosedVendors: found.has(SEGMENT.disclosed),
    publisherTc: found.has(SEGMENT.publisher),
  };
}

// The other segments begin with three bits of type, 1 to 3, which read as versions 8 to 31: such a string has no core.
function foreignVersion(version: number): Fault {
  return version >= 1 && version < 8
    ? { code: 'consent.unsupported_version', fault: 'version' }
    : malformed('core_missing');
}

interface Budget {
  vendors: number;
}

/** The core up to its publisher restrictions. @returns the fault, or null */
function scanCore(bits: Bits, budget: Budget): string | null {
  skip(bits, 6 + 36 + 36);
  // Ids 0 and 1 were never given to a CMP; the library throws for them.
  if (take(bits, 12) < 2) return 'cmp';
  skip(bits, 12 + 6);
  if (!takeLetters(bits)) return 'language';
  skip(bits, 12 + 6 + 1 + 1 + 12 + 24 + 24 + 1);
  if (!takeLetters(bits)) return 'publisher_country';
  return scanVendors(bits, budget) ?? scanVendors(bits, budget);
}

function takeLetters(bits: Bits): boolean {
  const [first, second] = [take(bits, 6), take(bits, 6)];
  return first < 26 && second < 26;
}

function scanVendors(bits: Bits, budget: Budget): string | null {
  const highest = take(bits, 16);
  if (highest > MAX_VENDOR_ID) return 'vendor_id';
  if (take(bits, 1) === 1) {
    const count = scanRanges(bits, highest);
    if (count === null) return 'vendor_range';
    budget.vendors -= count;
  } else {
    skip(bits, highest);
    budget.vendors -= highest;
  }
  if (budget.vendors < 0) return 'vendor_count';
  return bits.short ? 'truncated' : null;
}

/** @returns how many ids the ranges expand to, each as often as it is named; null where one is illegal */
function scanRanges(bits: Bits, highest: number): number | null {
  const entries = take(bits, 12);
  let count = 0;
  for (let i = 0; i < entries; i++) {
    const isRange = take(bits, 1) === 1;
    const start = take(bits, 16);
    const end = isRange ? take(bits, 16) : start;
    if (bits.short || start < 1 || end < start || end > highest) return null;
    count += end - start + 1;
  }
  return count;
}

function scanRestrictions(bits: Bits): string | null {
  const restrictions = take(bits, 12);
  if (restrictions > MAX_RESTRICTIONS) return 'restriction_count';
  const counts = new Map<number, number>();
  let all = 0;
  for (let i = 0; i < restrictions; i++) {
    const purpose = take(bits, 6);
    const type = take(bits, 2);
    if (purpose < 1 || purpose > PURPOSES || type > 2) return 'restriction';
    const count = scanRanges(bits, MAX_VENDOR_ID);
    if (count === null) return 'restriction_range';
    const key = purpose * 4 + type;
    const sum = (counts.get(key) ?? 0) + count;
    counts.set(key, sum);
    all += count;
    if (sum > MAX_RESTRICTED_EACH || all > MAX_RESTRICTED) return 'restriction_vendors';
  }
  return bits.short ? 'truncated' : null;
}

function scanPadding(bits: Bits): string | null {
  return isPadding(bits) ? null : 'padding';
}

function scanSegments(segments: readonly string[], found: Map<number, string>, budget: Budget): string | null {
  for (const segment of segments) {
    const bits = bitsOf(segment);
    const type = take(bits, 3);
    if (bits.short || type < SEGMENT.disclosed || type > SEGMENT.publisher) return 'segment_type';
    if (found.has(type)) return 'segment_twice';
    found.set(type, segment);
    const fault = type === SEGMENT.publisher ? scanPublisher(bits) : scanVendors(bits, budget);
    if (fault !== null) return fault;
    const padding = scanPadding(bits);
    if (padding !== null) return padding;
  }
  return null;
}

function scanPublisher(bits: Bits): string | null {
  skip(bits, 24 + 24);
  skip(bits, 2 * take(bits, 6));
  return bits.short ? 'truncated' : null;
}

/**
 * The core with nobody in its vendor lists and restrictions, and the publisher's segment. Those lists speak of vendors of
 * the IAB's list, which no destination of ours is, and they are where the library's time goes: each id is an entry of a
 * Set, restrictions even make an unbalanced tree, so that a legal string (1,500 vendors for each purpose) costs 28 ms.
 */
function withoutVendors(core: string, publisher: string | undefined): string {
  const whole = Math.floor(VENDORS_AT / 6);
  const kept = VENDORS_AT - whole * 6;
  const boundary = sextetOf(core, whole) & ~((1 << (6 - kept)) - 1);
  const empty = `${core.slice(0, whole)}${letterOf(boundary)}${NOBODY}`;
  return publisher === undefined ? empty : `${empty}.${publisher}`;
}
