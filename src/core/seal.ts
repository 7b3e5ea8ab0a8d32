// Sealed values: AES-256-GCM, bound to where they belong. Bytes are latin1 strings, the cheap form between threads.

import { createCipheriv, createDecipheriv, type KeyObject } from 'node:crypto';

const IV_BYTES = 12;
const TAG_BYTES = 16;

/**
 * Seals a text. `bound` is authenticated, not stored: opening it elsewhere fails. The layout is IV ‖ tag ‖ ciphertext.
 * @param iv 12 random bytes, latin1, never used twice with one key
 */
export function seal(key: KeyObject, text: string, bound: string, iv: string): string {
  const cipher = createCipheriv('aes-256-gcm', key, Buffer.from(iv, 'latin1'));
  cipher.setAAD(Buffer.from(bound, 'utf8'));
  const body = cipher.update(text, 'utf8', 'latin1') + cipher.final('latin1');
  return iv + cipher.getAuthTag().toString('latin1') + body;
}

/** @throws Error when the value was altered, cut, or sealed for another place or by another key */
export function unseal(key: KeyObject, sealed: string, bound: string): string {
  const decipher = createDecipheriv('aes-256-gcm', key, Buffer.from(sealed.slice(0, IV_BYTES), 'latin1'), {
    // A cut value must not be taken for one with a shorter tag.
    authTagLength: TAG_BYTES,
  });
  decipher.setAAD(Buffer.from(bound, 'utf8'));
  decipher.setAuthTag(Buffer.from(sealed.slice(IV_BYTES, IV_BYTES + TAG_BYTES), 'latin1'));
  return decipher.update(sealed.slice(IV_BYTES + TAG_BYTES), 'latin1', 'utf8') + decipher.final('utf8');
}

/** What an outbox payload is bound to. */
export function payloadBinding(site: string, sealId: string): string {
  return `payload ${site} ${sealId}`;
}
