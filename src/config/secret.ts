// Resolves `${env:NAME}` and `${file:/path}` where a schema wants a secret, before the schema looks at the value.

import { readFileSync } from 'node:fs';
import { isAbsolute } from 'node:path';
import { z } from 'zod';
import { secretField } from '../core/secret-field.ts';
import { Secret } from '../core/settings.ts';
import { bare, childOf, isMap, type Path, type Schema } from './shape.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

interface Found {
  readonly secret: string;
  readonly problem: string | null;
}

/** What is wrong at a path. */
export interface PathMistake {
  readonly path: Path;
  readonly message: string;
  readonly nearest?: string | null;
}

/** A copy of the value with a `Secret` wherever a reference stood; what could not be resolved is reported. */
export function resolveSecrets(
  value: unknown,
  schema: Schema,
  env: Environment,
): { readonly value: unknown; readonly mistakes: readonly PathMistake[] } {
  const mistakes: PathMistake[] = [];
  const walk = (node: unknown, nodeSchema: Schema | null, path: Path): unknown => {
    if (nodeSchema === null) return node;
    if (bare(nodeSchema) === secretField) {
      const found = typeof node === 'string' ? lookUp(node, env) : null;
      if (found === null) return node;
      if (found.problem !== null) mistakes.push({ path, message: found.problem });
      return new Secret(found.secret);
    }
    if (Array.isArray(node)) return node.map((item, at) => walk(item, childOf(nodeSchema, at), [...path, at]));
    if (!isMap(node)) return node;
    const members = Object.entries(node).map(([key, item]) => [
      key,
      walk(item, childOf(nodeSchema, key), [...path, key]),
    ]);
    return Object.fromEntries(members);
  };
  return { value: walk(value, schema, []), mistakes };
}

/** Null for what is no reference: the schema refuses it, without printing it. */
function lookUp(text: string, env: Environment): Found | null {
  const [, kind, name] = /^\$\{(env|file):([^}]+)\}$/.exec(text) ?? [];
  if (kind === undefined || name === undefined) return null;
  return kind === 'env' ? fromEnvironment(name, env) : fromFile(name);
}

function fromEnvironment(name: string, env: Environment): Found {
  const secret = env[name];
  if (secret === undefined) return { secret: '', problem: `the environment variable ${name} is not set` };
  return judged(secret, `the environment variable ${name}`);
}

function fromFile(path: string): Found {
  if (!isAbsolute(path)) return { secret: '', problem: `the file ${path} must be named by its absolute path` };
  try {
    return judged(readFileSync(path, 'utf8').replace(/\r?\n$/, ''), `the file ${path}`);
  } catch (error) {
    const why = error instanceof Error && 'code' in error ? ` (${String(error.code)})` : '';
    return { secret: '', problem: `the file ${path} cannot be read${why}` };
  }
}

// A secret ends up in a request header, where a control character would end the header or forge the next one.
function judged(secret: string, where: string): Found {
  if (secret === '') return { secret, problem: `${where} is empty` };
  const hasControl = /\p{Cc}/u.test(secret);
  return { secret, problem: hasControl ? `${where} holds a line break or another control character` : null };
}

/** Whether a field holds text or a secret, so that an override's value is taken as it stands. */
export function wantsText(schema: Schema): boolean {
  const inner = bare(schema);
  return inner === secretField || inner instanceof z.ZodString;
}
