// Which texts are e-mail addresses that a vendor can match.

import { isSha256Hex } from '../core/identity.ts';

const MAX_LENGTH = 254;
const ATOM = String.raw`[\p{L}\p{N}!#$%&'*+/=?^_\x60{|}~-]+`;
const LABEL = String.raw`(?!-)[\p{L}\p{N}-]{1,63}(?<!-)`;
const EMAIL = new RegExp(`^${ATOM}(?:\\.${ATOM})*@${LABEL}(?:\\.${LABEL})*\\.(?!\\d+$)${LABEL}$`, 'u');

/** The trimmed address, its letters as they came; null for what is none, a digest included. */
export function parseEmail(text: string | undefined): string | null {
  const email = text?.trim() ?? '';
  if (email.length > MAX_LENGTH || isSha256Hex(email)) return null;
  return EMAIL.test(email) ? email : null;
}
