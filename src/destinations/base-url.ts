// The address of a vendor's API: https, or http to this very machine.

import { z } from 'zod';

const LOOPBACK = /^(127(?:\.\d{1,3}){3}|\[::1\]|localhost)$/;

/** A setting `baseUrl` with its default. A trailing slash is taken off. */
export function baseUrl(standard: string) {
  return z
    .string()
    .refine(isAcceptable, {
      error: 'must be an https address without user, query and fragment; http only on loopback',
    })
    .transform((text) => text.replace(/\/+$/, ''))
    .default(standard);
}

function isAcceptable(text: string): boolean {
  const url = URL.parse(text);
  if (url === null || url.username || url.password || /[?#]/.test(text)) return false;
  return url.protocol === 'https:' || (url.protocol === 'http:' && LOOPBACK.test(url.hostname));
}
