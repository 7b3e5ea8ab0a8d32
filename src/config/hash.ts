// The identity of a configuration: what the log records at each start, and what tells two starts apart.

import { createHash } from 'node:crypto';
import { canonicalJson, type Json } from '../core/json.ts';
import { type Config, Secret } from '../core/settings.ts';

/** SHA-256 (hex) of everything that the configuration says but its secrets, and where the file lies. */
export function configHash(config: Config): string {
  const { file: _place, ...content } = config;
  return createHash('sha256')
    .update(canonicalJson(plain(content)))
    .digest('hex');
}

function plain(value: unknown): Json {
  // A secret counts as present, with a constant: a hash of its value could be guessed at.
  if (value instanceof Secret) return '[secret]';
  if (value instanceof Map) return plain(Object.fromEntries(value));
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value === 'object' && value !== null) {
    const members = Object.entries(value).filter(([, member]) => member !== undefined);
    return Object.fromEntries(members.map(([key, member]) => [key, plain(member)]));
  }
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? value : null;
}
