// A Global Privacy Platform string taken apart (IAB Tech Lab, "GPP Consent String Specification"): the header's list of
// sections, and the opt-outs of a US section. Read field by field, because the IAB's library writes out what a header
// announces: 23 characters that announce a million sections hold it for 30 ms, a billion for ever.

import { type Bits, bitsOf, isPadding, take } from './bits.ts';
import { type Fault, MAX_SIGNAL_LENGTH, malformed } from './unreadable.ts';

const HEADER_TYPE = 3;
const HEADER_VERSION = 1;
// Twenty-seven sections exist; an id beyond the cap has a longer code than any of them.
const MAX_SECTIONS = 64;
const MAX_CODE_BITS = 12;

/** Section id → its text. */
export type GppSections = ReadonlyMap<number, string>;

/** Splits a string into the sections that its header announces. Never throws. */
export function readGppString(raw: string): GppSections | Fault {
  if (raw.length > MAX_SIGNAL_LENGTH) return malformed('length');
  // A cookie's value may have its tildes encoded; nothing else in it can be.
  const text = raw.includes('~') ? raw : raw.replace(/%7e/gi, '~');
  const [header = '', ...sections] = text.split('~');
  if (!/^[\w-]{3,}$/.test(header)) return malformed('header');
  const ids = readHeader(bitsOf(header));
  if ('fault' in ids) return ids;
  if (sections.length !== ids.length || sections.includes('')) return malformed('sections');
  return new Map(ids.map((id, i) => [id, sections[i] ?? '']));
}

function readHeader(bits: Bits): readonly number[] | Fault {
  if (take(bits, 6) !== HEADER_TYPE) return malformed('header');
  if (take(bits, 6) !== HEADER_VERSION) return { code: 'consent.unsupported_version', fault: 'version' };
  const ids: number[] = [];
  const entries = take(bits, 12);
  for (let i = 0; i < entries; i++) {
    const isRange = take(bits, 1) === 1;
    const first = (ids.at(-1) ?? 0) + takeFibonacci(bits);
    const last = isRange ? first + takeFibonacci(bits) : first;
    if (bits.short || last - first >= MAX_SECTIONS - ids.length) return malformed('header');
    for (let id = first; id <= last; id++) ids.push(id);
  }
  return bits.short || !isPadding(bits) ? malformed('header') : ids;
}

/** A whole number in Fibonacci coding: 1, 2, 3, 5 … from the first bit on, ended by two ones. */
function takeFibonacci(bits: Bits): number {
  let [value, weight, next, last] = [0, 1, 2, 0];
  for (let i = 0; i < MAX_CODE_BITS; i++) {
    const bit = take(bits, 1);
    if (bit === 1 && last === 1) return value;
    if (bit === 1) value += weight;
    [weight, next, last] = [next, weight + next, bit];
  }
  bits.short = true;
  return 0;
}

export type OptOut = 'sale' | 'sharing' | 'targeted_advertising';

/** What a US section says: its opt-outs, and the browser's GPC at the time. */
export interface UsSection {
  readonly optOuts: readonly OptOut[];
  readonly gpc: boolean;
  /** A version that is not known here: its opt-outs are honoured, its silence proves nothing. */
  readonly known: boolean;
}

interface Layout {
  /** The place of each opt-out among the two-bit fields behind the version. */
  readonly at: Readonly<Partial<Record<OptOut, number>>>;
  readonly versions: readonly number[];
  readonly gpc: boolean;
}

const STATE: Layout = { at: { sale: 3, targeted_advertising: 4 }, versions: [1], gpc: true };
// Utah and Iowa have one notice more.
const LATER: Layout = { ...STATE, at: { sale: 4, targeted_advertising: 5 } };
// Maryland, Indiana, Kentucky, Rhode Island: the field in front is the version of an agreement, of no meaning here.
const MSPA: Layout = { at: { sale: 5, targeted_advertising: 6 }, versions: [], gpc: false };

/** By section id ("Section Information" of the IAB Tech Lab, 7 to 27). */
const LAYOUTS: ReadonlyMap<number, Layout> = new Map([
  [7, { at: { sale: 6, sharing: 7, targeted_advertising: 8 }, versions: [1, 2], gpc: true }],
  [8, { ...STATE, at: { sale: 3, sharing: 4 } }],
  ...[9, 10, 12, 13, 14, 15, 16, 17, 19, 20, 21, 22, 23].map((id): [number, Layout] => [id, STATE]),
  ...[11, 18].map((id): [number, Layout] => [id, LATER]),
  [24, { ...MSPA, gpc: true }],
  ...[25, 26, 27].map((id): [number, Layout] => [id, MSPA]),
]);

const OPTED_OUT = 1;
const ILLEGAL = 3;
const GPC_SEGMENT = 1;

/** Reads the opt-outs of a US section; null for a section of another kind. */
export function readUsSection(id: number, text: string): UsSection | Fault | null {
  const layout = LAYOUTS.get(id);
  if (layout === undefined) return null;
  if (!/^[\w.-]+$/.test(text)) return malformed('alphabet');
  const segments = text.split('.', MAX_SECTIONS).map(bitsOf);
  if (layout.versions.length === 0 && segments.length > 1 && hasOwnHeader(segments[0], id)) segments.shift();
  const [core, ...others] = segments;
  if (core === undefined) return malformed('core_missing');
  const version = take(core, 6);
  const fields = Array.from({ length: 9 }, () => take(core, 2));
  const places = Object.entries(layout.at).map(([name, place]) => ({ name, value: fields[place] ?? 0, place }));
  if (core.sextets.length * 6 < 6 + 2 * (Math.max(...places.map(({ place }) => place)) + 1))
    return malformed('truncated');
  if (places.some(({ value }) => value === ILLEGAL)) return malformed('field');
  const optOuts = OPT_OUTS.filter((name) => places.some((one) => one.name === name && one.value === OPTED_OUT));
  const gpc = layout.gpc && others.some((bits) => take(bits, 2) === GPC_SEGMENT && take(bits, 1) === 1);
  return { optOuts, gpc, known: layout.versions.length === 0 || layout.versions.includes(version) };
}

const OPT_OUTS: readonly OptOut[] = ['sale', 'sharing', 'targeted_advertising'];

// The published sections 24 to 27 begin with a header of their own, which the IAB's own library does not write: it holds
// the section's id, where the other form has the agreement's version.
function hasOwnHeader(bits: Bits | undefined, id: number): boolean {
  return bits?.sextets[0] === id;
}
