// Walks a zod schema beside a value: which keys are known where, and what stands at the end of a path.

import { z } from 'zod';

export type Schema = z.core.$ZodType;
export type Path = readonly (string | number)[];

/** The schema below optional, nullable, default and the like. */
export function bare(schema: Schema): Schema {
  let inner = schema;
  for (;;) {
    if (
      inner instanceof z.ZodOptional ||
      inner instanceof z.ZodNullable ||
      inner instanceof z.ZodDefault ||
      inner instanceof z.ZodPrefault ||
      inner instanceof z.ZodReadonly
    ) {
      inner = inner.unwrap();
    } else if (inner instanceof z.ZodPipe) {
      inner = inner.in instanceof z.ZodTransform ? inner.out : inner.in;
    } else {
      return inner;
    }
  }
}

/** The schema of a member, or null where a value has no such member. */
export function childOf(schema: Schema, key: string | number): Schema | null {
  const inner = bare(schema);
  if (inner instanceof z.ZodArray) return typeof key === 'number' ? inner.element : null;
  if (inner instanceof z.ZodRecord) return inner.valueType;
  if (!(inner instanceof z.ZodObject) || typeof key !== 'string') return null;
  return Object.hasOwn(inner.shape, key) ? (inner.shape[key] ?? null) : null;
}

/** The known keys of a map; none for anything else. */
export function keysOf(schema: Schema): readonly string[] {
  const inner = bare(schema);
  return inner instanceof z.ZodObject ? Object.keys(inner.shape) : [];
}

/** The schema at the end of a path, or null. */
export function schemaAt(schema: Schema, path: Path): Schema | null {
  return path.reduce<Schema | null>((found, key) => (found === null ? null : childOf(found, key)), schema);
}

/** Every key that a schema knows, lists entered at their first member. */
export function keyPaths(schema: Schema): readonly Path[] {
  const inner = bare(schema);
  if (inner instanceof z.ZodArray) return keyPaths(inner.element).map((path) => [0, ...path]);
  return keysOf(inner).flatMap((key) => {
    const child = childOf(inner, key);
    return child === null ? [] : [[key], ...keyPaths(child).map((path) => [key, ...path])];
  });
}

/** Whether a parsed YAML value is a map. */
export function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

/** The value at the end of a path; undefined where there is none. */
export function valueAt(value: unknown, path: Path): unknown {
  return path.reduce<unknown>((found, key) => {
    if (Array.isArray(found)) return typeof key === 'number' ? found[key] : undefined;
    return isMap(found) && Object.hasOwn(found, key) ? found[String(key)] : undefined;
  }, value);
}

/** A path as a person writes it: `sites[0].meta.accessToken`. */
export function writePath(path: Path): string {
  return path.map((key, at) => (typeof key === 'number' ? `[${key}]` : at === 0 ? key : `.${key}`)).join('');
}
