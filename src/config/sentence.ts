// What zod found, in the words of somebody who has to mend a file. Values are never repeated: they may be secrets.

import type { z } from 'zod';
import { nearestOf, plainKey } from './mistake.ts';
import type { PathMistake } from './secret.ts';
import { keyPaths, keysOf, type Path, type Schema, schemaAt, valueAt, writePath } from './shape.ts';

type Issue = z.core.$ZodIssue;

const KINDS: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a map of keys',
  record: 'a map of keys',
};

export interface Judged {
  readonly value: unknown;
  readonly schema: Schema;
}

/** The mistakes behind one issue: one for each unknown key, else one. */
export function mistakesOf(issue: Issue, judged: Judged): readonly PathMistake[] {
  const path = plainPath(issue.path);
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      path: [...path, key],
      message: 'is not a known key',
      nearest: nearestKey(key, path, judged.schema),
    }));
  }
  const value = valueAt(judged.value, path);
  if (value === undefined) return [{ path, message: 'is required' }];
  return [{ path, message: sentenceOf(issue, value), nearest: nearestValue(issue, value) }];
}

/** A path without what YAML cannot hold. */
function plainPath(path: readonly PropertyKey[]): Path {
  return path.map((key) => (typeof key === 'number' ? key : String(key)));
}

// The nearest key here, unless the very key is at home elsewhere and nothing here resembles it.
function nearestKey(key: string, path: Path, schema: Schema): string | null {
  const here = schemaAt(schema, path);
  const nearest = here === null ? null : nearestOf(key, keysOf(here));
  const alike = nearest !== null && sharesStart(nearest, key);
  if (alike) return nearest;
  const home = keyPaths(schema).find((known) => plainKey(String(known.at(-1))) === plainKey(key));
  return home === undefined ? nearest : writePath(home);
}

function sharesStart(a: string, b: string): boolean {
  return plainKey(a).slice(0, 2) === plainKey(b).slice(0, 2) || plainKey(a).slice(-3) === plainKey(b).slice(-3);
}

function nearestValue(issue: Issue, value: unknown): string | null {
  if (issue.code !== 'invalid_value' || typeof value !== 'string') return null;
  return nearestOf(value, issue.values.map(String));
}

function sentenceOf(issue: Issue, value: unknown): string {
  // Zod's own sentences begin so; every other one was written for this field.
  if (!/^(Invalid|Too|Unrecognized)/.test(issue.message)) return issue.message;
  switch (issue.code) {
    case 'invalid_type':
      return typeSentence(issue.expected, value);
    case 'invalid_value':
      return `must be ${issue.values.length === 1 ? '' : 'one of '}${issue.values.map(String).join(', ')}`;
    case 'too_small':
      return `must ${bound(issue.origin)} at least ${issue.minimum}`;
    case 'too_big':
      return `must ${bound(issue.origin)} at most ${issue.maximum}`;
    case 'invalid_union':
      return unionSentence(issue.errors, value);
    default:
      return 'has not the form that is expected here';
  }
}

function typeSentence(expected: string, value: unknown): string {
  const wanted = KINDS[expected] ?? expected;
  if (expected === 'string' && (typeof value === 'number' || typeof value === 'boolean')) {
    return `must be ${wanted}, not ${kindOf(value)}: put it in quotes`;
  }
  return expected === 'int' && typeof value === 'number'
    ? `must be ${wanted}`
    : `must be ${wanted}, not ${kindOf(value)}`;
}

function kindOf(value: unknown): string {
  if (value === null) return 'empty';
  if (Array.isArray(value)) return 'a list';
  return KINDS[typeof value] ?? 'what stands there';
}

function bound(origin: string): string {
  if (origin === 'string') return 'have a length of';
  return origin === 'array' || origin === 'set' ? 'hold' : 'be';
}

function unionSentence(branches: readonly (readonly Issue[])[], value: unknown): string {
  // A branch that went deeper than the value itself was the one that was meant.
  const deeper = branches.flat().find(({ path }) => path.length > 0);
  if (deeper !== undefined) {
    const path = plainPath(deeper.path);
    return `${writePath(path)} ${sentenceOf(deeper, valueAt(value, path))}`;
  }
  const sentences = branches.flatMap(([first]) => (first === undefined ? [] : [sentenceOf(first, value)]));
  return [...new Set(sentences)].join(', or ');
}
