// What is kept of a signal that cannot be read: enough to recognise it again, nothing that could be read back.

/** The longest raw value that any signal looks into, in characters. */
export const MAX_SIGNAL_LENGTH = 8192;

/** `unreadable` is our own word for what is wrong, `length` counts characters, `hash` is keyed. */
export type Unreadable = {
  readonly unreadable: string;
  readonly code: 'consent.malformed' | 'consent.unsupported_version';
  readonly length: number;
  readonly hash: string;
};

/** Why a value cannot be used at all. `fault` is a word for the log, never a part of the value. */
export interface Fault {
  readonly code: Unreadable['code'];
  readonly fault: string;
}

/** The value is not of its own format. */
export const malformed = (fault: string): Fault => ({ code: 'consent.malformed', fault });

/** The projection of a value that cannot be read; of a long one only the beginning is hashed. */
export function unreadable(text: string, { code, fault }: Fault, keyedHash: (text: string) => string): Unreadable {
  return { unreadable: fault, code, length: text.length, hash: keyedHash(text.slice(0, MAX_SIGNAL_LENGTH)) };
}
