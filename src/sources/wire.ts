// Reads what a client wrote as JSON by a strict schema, and says what is wrong in words that never repeat a value.

import { closest } from 'fastest-levenshtein';
import { z } from 'zod';
import { Problem } from '../core/errors.ts';
import { refuseHostileJson } from '../core/json.ts';

// Sixteen levels inside `properties`, and the event around them.
const MAX_DEPTH = 17;
const MAX_FAULTS = 3;
// A key is the client's text too: only what looks like a misspelt name is repeated.
const PRINTABLE_KEY = /^[A-Za-z_][A-Za-z0-9_]{0,39}$/;

/**
 * What the schema makes of a value.
 * @throws Problem `event_invalid`, with the nearest known key for each unknown one
 */
export function readWire<S extends z.ZodType>(schema: S, value: unknown): z.output<S> {
  refuseHostileJson(value, MAX_DEPTH);
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const faults = result.error.issues.slice(0, MAX_FAULTS).map((issue) => describe(schema, issue));
  throw new Problem('event_invalid', faults.join('; '));
}

function describe(schema: z.ZodType, issue: z.core.$ZodIssue): string {
  if (issue.code !== 'unrecognized_keys') return `${pathText(issue.path) || 'the body'}: ${issue.message}`;
  const known = knownKeys(schema, issue.path);
  return issue.keys
    .slice(0, MAX_FAULTS)
    .map((key) => unknownKey(issue.path, key, known))
    .join('; ');
}

function unknownKey(path: readonly PropertyKey[], key: string, known: readonly string[]): string {
  if (!PRINTABLE_KEY.test(key)) return `${pathText(path) || 'the body'} holds an unknown key`;
  const nearest = known.length === 0 ? '' : `; the nearest known key is ${pathText([...path, closest(key, known)])}`;
  return `${pathText([...path, key])} is not known${nearest}`;
}

function pathText(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, part) => {
    if (typeof part === 'number') return `${text}[${part}]`;
    return text === '' ? String(part) : `${text}.${String(part)}`;
  }, '');
}

/** The keys that the schema knows at a place. */
function knownKeys(schema: unknown, path: readonly PropertyKey[]): readonly string[] {
  const inner = schema instanceof z.ZodOptional ? schema.unwrap() : schema;
  const [first, ...rest] = path;
  if (inner instanceof z.ZodArray) return knownKeys(inner.element, rest);
  if (!(inner instanceof z.ZodObject)) return [];
  return first === undefined ? Object.keys(inner.shape) : knownKeys(inner.shape[String(first)], rest);
}
