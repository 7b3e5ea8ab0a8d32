// Bit fields packed into base64url, six bits a character, highest bit first: how the IAB's strings are written.

export interface Bits {
  readonly sextets: Uint8Array;
  at: number;
  /** Somebody read beyond the end. */
  short: boolean;
}

const SEXTETS = readAlphabet('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_');

function readAlphabet(alphabet: string): Uint8Array {
  const table = new Uint8Array(128).fill(0xff);
  for (let value = 0; value < alphabet.length; value++) table[alphabet.charCodeAt(value)] = value;
  return table;
}

/** Makes a text of the alphabet readable as bits. */
export function bitsOf(text: string): Bits {
  const sextets = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) sextets[i] = SEXTETS[text.charCodeAt(i)] ?? 0;
  return { sextets, at: 0, short: false };
}

/** The six bits of one character of the alphabet. */
export function sextetOf(text: string, index: number): number {
  return SEXTETS[text.charCodeAt(index)] ?? 0;
}

/** The character of six bits. */
export function letterOf(sextet: number): string {
  return String.fromCharCode(SEXTETS.indexOf(sextet));
}

/** The next `count` bits, at most 24, as a number; 0 beyond the end, which `short` remembers. */
export function take(bits: Bits, count: number): number {
  const { sextets } = bits;
  let { at } = bits;
  const end = at + count;
  bits.at = end;
  if (end > sextets.length * 6) {
    bits.short = true;
    return 0;
  }
  let value = 0;
  while (at < end) {
    const index = Math.floor(at / 6);
    const offset = at - index * 6;
    const width = Math.min(6 - offset, end - at);
    value = (value << width) | (((sextets[index] ?? 0) >> (6 - offset - width)) & ((1 << width) - 1));
    at += width;
  }
  return value;
}

/** Passes over bits of any number. */
export function skip(bits: Bits, count: number): void {
  bits.at += count;
  if (bits.at > bits.sextets.length * 6) bits.short = true;
}

// Encoders pad to a byte and to four characters of base64: more than that, or anything but zeros, is no padding.
const MAX_PADDING_BITS = 23;

/** Whether what is left is what an encoder fills up with. */
export function isPadding(bits: Bits): boolean {
  const left = bits.sextets.length * 6 - bits.at;
  return left <= MAX_PADDING_BITS && take(bits, left) === 0;
}
