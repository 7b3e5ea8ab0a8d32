// What a JSON document may hold before any schema looks at it, and the canonical form of what we keep.

import { Problem } from './errors.ts';

const FORBIDDEN_KEYS = new Set(['__proto__', 'constructor', 'prototype']);

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/**
 * Refuses what JSON.parse lets through and the rest of the program must never meet: keys that reach a prototype,
 * numbers that a double cannot hold, and nesting deeper than `maxDepth`.
 * @throws Problem `event_invalid`
 */
export function refuseHostileJson(value: unknown, maxDepth: number): void {
  if (typeof value === 'number') refuseInexactNumber(value);
  if (typeof value !== 'object' || value === null) return;
  if (maxDepth === 0) throw new Problem('event_invalid', 'nested too deeply');
  if (Array.isArray(value)) {
    for (const member of value) refuseHostileJson(member, maxDepth - 1);
    return;
  }
  for (const [key, member] of Object.entries(value)) {
    if (FORBIDDEN_KEYS.has(key)) throw new Problem('event_invalid', `the key ${key} is not allowed anywhere`);
    refuseHostileJson(member, maxDepth - 1);
  }
}

function refuseInexactNumber(value: number): void {
  if (!Number.isFinite(value)) throw new Problem('event_invalid', 'a number is beyond what a double can hold');
  if (Number.isInteger(value) && !Number.isSafeInteger(value)) {
    throw new Problem('event_invalid', 'a whole number is beyond 2^53 - 1: send it as text');
  }
}

/** JSON with the keys of every object in ascending order: equal values give equal texts. */
export function canonicalJson(value: Json): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (isList(value)) return `[${value.map(canonicalJson).join(',')}]`;
  const members = Object.keys(value)
    .sort()
    .flatMap((key) => {
      const member = value[key];
      return member === undefined ? [] : [`${JSON.stringify(key)}:${canonicalJson(member)}`];
    });
  return `{${members.join(',')}}`;
}

function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value);
}
