// Overrides from the environment: `SLUICE_SECTION__KEY=value`, lists by index (`SLUICE_SITES__0__ORIGINS`).

import { parseDocument } from 'yaml';
import { z } from 'zod';

import { plainValue } from './document.ts';
import { type Mistake, nearestOf, plainKey } from './mistake.ts';
import { type Environment, wantsText } from './secret.ts';
import { bare, childOf, isMap, keysOf, type Path, type Schema, valueAt } from './shape.ts';

export interface Overridden {
  readonly value: unknown;
  /** Which variable set which path. */
  readonly sources: readonly { readonly path: Path; readonly name: string }[];
  readonly mistakes: readonly Mistake[];
}

/** A copy of the file's value in which the environment has had its say. Names without `__` are not overrides. */
export function applyOverrides(value: unknown, schema: Schema, env: Environment): Overridden {
  let merged = value;
  const sources: { path: Path; name: string }[] = [];
  const mistakes: Mistake[] = [];
  const names = Object.keys(env).filter((name) => /^SLUICE_.+__./.test(name));
  for (const name of names.sort()) {
    const target = findTarget(name, merged, schema);
    if ('nearest' in target) {
      mistakes.push({ file: 'environment', line: null, key: name, ...target });
      continue;
    }
    merged = withValue(merged, target.path, readValue(env[name] ?? '', target.schema));
    sources.push({ path: target.path, name });
  }
  return { value: merged, sources, mistakes };
}

type Target =
  | { readonly path: Path; readonly schema: Schema }
  | { readonly message: string; readonly nearest: string | null };

function findTarget(name: string, value: unknown, root: Schema): Target {
  let schema = root;
  const path: (string | number)[] = [];
  for (const segment of name.slice('SLUICE_'.length).split('__')) {
    const key = matchKey(segment, schema, valueAt(value, path));
    const child = key === null ? null : childOf(schema, key);
    if (key === null || child === null) return unknown(name, segment, schema);
    path.push(key);
    schema = child;
  }
  return { path, schema };
}

function matchKey(segment: string, schema: Schema, value: unknown): string | number | null {
  const inner = bare(schema);
  if (inner instanceof z.ZodArray) {
    const length = Array.isArray(value) ? value.length : 0;
    return /^\d{1,4}$/.test(segment) && Number(segment) <= length ? Number(segment) : null;
  }
  const same = (key: string) => plainKey(key) === plainKey(segment);
  if (inner instanceof z.ZodRecord) {
    return (isMap(value) ? Object.keys(value).find(same) : undefined) ?? segment.toLowerCase();
  }
  return keysOf(inner).find(same) ?? null;
}

function unknown(name: string, segment: string, schema: Schema): Target {
  const inner = bare(schema);
  if (inner instanceof z.ZodArray) {
    return { message: `${segment} is not an index of this list, nor the next one after its end`, nearest: null };
  }
  const nearest = nearestOf(segment, keysOf(inner));
  const words = nearest?.replaceAll(/([A-Z])/g, '_$1').toUpperCase();
  const guess = words === undefined ? null : name.split('__').map((part) => replaceSegment(part, segment, words));
  return { message: 'names no known key', nearest: guess === null ? null : guess.join('__') };
}

function replaceSegment(part: string, segment: string, by: string): string {
  if (part === segment) return by;
  return part === `SLUICE_${segment}` ? `SLUICE_${by}` : part;
}

// A text field takes the letters as they stand: a data set's id is digits and yet no number.
function readValue(text: string, schema: Schema): unknown {
  const document = parseDocument(text, { prettyErrors: false, logLevel: 'error' });
  if (document.errors.length > 0) return text;
  const value = plainValue(document).value;
  return wantsText(schema) && value !== null && typeof value !== 'string' ? text : value;
}

function withValue(value: unknown, path: Path, leaf: unknown): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return leaf;
  if (typeof key === 'number') {
    const items: unknown[] = Array.isArray(value) ? [...value] : [];
    items[key] = withValue(items[key], rest, leaf);
    return items;
  }
  const map = isMap(value) ? value : {};
  return { ...map, [key]: withValue(map[key], rest, leaf) };
}
