// The laws of the house that a machine can hold it to: arrows between rooms, homes of packages, sizes, names, exports.

import { posix } from 'node:path';
import { functionsOf } from './architecture/functions.ts';
import { type Import, importsOf } from './architecture/imports.ts';
import { CLOSED_ROOMS, ENVIRONMENT_HOME, HOMES, liesIn, REGISTRIES, roomOf } from './architecture/rooms.ts';
import { readSource, type Source } from './architecture/source.ts';

export interface SourceFile {
  /** From the root of the repository, with forward slashes. */
  readonly path: string;
  readonly text: string;
}

export type Rule =
  | 'cycle'
  | 'arrow'
  | 'package'
  | 'environment'
  | 'storefront'
  | 'computed import'
  | 'file size'
  | 'function size'
  | 'name'
  | 'default export'
  | 'barrel'
  | 'room';

export interface Violation {
  readonly rule: Rule;
  readonly path: string;
  readonly detail: string;
}

interface ReadFile extends SourceFile {
  readonly source: Source;
  readonly imports: readonly Import[];
}

const MAX_FILE_LINES = 300;
const MAX_FUNCTION_LINES = 50;

/** Everything in these files of src/ that breaks a law of the house, in the order of the files. Pure. */
export function findViolations(files: readonly SourceFile[]): readonly Violation[] {
  const read = files.map((file): ReadFile => {
    const source = readSource(file.text);
    return { ...file, source, imports: importsOf(file.path, source) };
  });
  const checks = [checkRoom, checkArrows, checkPackages, checkEnvironment, checkSizes, checkName, checkExports];
  const found = read.flatMap((file) =>
    checks.flatMap((check) => check(file).map(([rule, detail]) => ({ rule, path: file.path, detail }))),
  );
  return [...found, ...findCycles(read)];
}

type Finding = readonly [rule: Rule, detail: string];

function checkRoom({ path }: ReadFile): Finding[] {
  return roomOf(path) === undefined ? [['room', 'the plan of the house has no room for this file']] : [];
}

function checkArrows({ path, imports }: ReadFile): Finding[] {
  const from = roomOf(path);
  return imports.flatMap(({ target, file, kind }): Finding[] => {
    if (target === '*') return [['computed import', 'imports what only the run time knows']];
    if (file === null || from === undefined) return [];
    const to = roomOf(file);
    if (to === undefined) return [['arrow', `${target} is in no room of src/`]];
    if (to === from) return [];
    const closed = CLOSED_ROOMS[to.name];
    const isOpen = closed === undefined || closed.includes(from.name);
    const isAllowed = from.mayImport === '*' || liesIn(file, from.mayImport) || from.mayImport.includes(to.name);
    if (!isOpen || !isAllowed) return [['arrow', `${from.name} imports ${to.name} (${target})`]];
    if (from.name === 'storefront' && kind !== 'type')
      return [['storefront', `${target} would be bundled: types only`]];
    return [];
  });
}

function checkPackages({ path, imports }: ReadFile): Finding[] {
  const room = roomOf(path);
  return imports.flatMap(({ target, file }): Finding[] => {
    if (file !== null || target === '*') return [];
    const home = Object.hasOwn(HOMES, target) ? HOMES[target] : undefined;
    const isHome = home === undefined || liesIn(path, home);
    const isAllowed = room?.packages?.test(target) ?? true;
    return isHome && isAllowed ? [] : [['package', `${target} is not at home here`]];
  });
}

// `process.env`, `process['env']`, `{ env } = process` and node:process all lead to the same place.
const ENVIRONMENT = /\bprocess\s*(?:\?\.|\.)\s*env\b|\benv\b[^;=]*\}\s*=\s*process\b/;
const INDEXED = /\bprocess\s*(?:\?\.)?\s*\[\s*"(\d+)"/g;

function checkEnvironment({ path, source, imports }: ReadFile): Finding[] {
  if (liesIn(path, ENVIRONMENT_HOME)) return [];
  const indexed = [...source.code.matchAll(INDEXED)].some(([, index]) => source.strings[Number(index)] === 'env');
  const imported = imports.some(({ target }) => target === 'node:process' || target === 'process');
  return ENVIRONMENT.test(source.code) || indexed || imported
    ? [['environment', 'only the configuration reads process.env']]
    : [];
}

function checkSizes({ text, source }: ReadFile): Finding[] {
  const lines = text.replace(/\n$/, '').split('\n').length;
  const long = functionsOf(source).filter(({ ownLines }) => ownLines > MAX_FUNCTION_LINES);
  return [
    ...(lines > MAX_FILE_LINES ? [['file size', `${lines} lines, ${MAX_FILE_LINES} at most`] as const] : []),
    ...long.map(
      ({ name, line, ownLines }): Finding => [
        'function size',
        `${name} in line ${line} has ${ownLines} lines, ${MAX_FUNCTION_LINES} at most`,
      ],
    ),
  ];
}

const KEBAB = /^[a-z0-9]+(-[a-z0-9]+)*$/;
const EMPTY_WORDS = /^(utils?|utilities|helpers?|commons?|misc|shared|lib)$/;

function checkName({ path }: ReadFile): Finding[] {
  const parts = path.replace(/\.tsx?$/, '').split('/');
  return parts.slice(1).flatMap((part): Finding[] => {
    if (!KEBAB.test(part)) return [['name', `${part} is not in kebab-case`]];
    return part.split('-').some((word) => EMPTY_WORDS.test(word)) ? [['name', `${part} names no thing`]] : [];
  });
}

function checkExports({ path, source, imports }: ReadFile): Finding[] {
  const isRegistry = REGISTRIES.includes(path);
  const passesOn = imports.filter(({ kind }) => kind === 're-export' || kind === 're-export of types');
  const byDefault = /\bexport\s+default\b|\bexport\s*\{[^}]*\bas\s+default\b/.test(source.code);
  return [
    ...(byDefault ? [['default export', 'exports have names'] as const] : []),
    ...(isRegistry || posix.basename(path) !== 'index.ts'
      ? []
      : [['barrel', 'only registries are called index.ts'] as const]),
    ...(isRegistry ? [] : passesOn.map(({ target }): Finding => ['barrel', `passes on what ${target} exports`])),
  ];
}

/** One violation per knot of files that import each other, named by its first file. */
function findCycles(files: readonly ReadFile[]): Violation[] {
  const known = new Map(files.map((file) => [file.path, file.imports.flatMap(({ file: to }) => (to ? [to] : []))]));
  const reached = new Map(files.map(({ path }) => [path, reachable(path, known)]));
  const told = new Set<string>();
  return files.flatMap(({ path }): Violation[] => {
    if (told.has(path) || !reached.get(path)?.has(path)) return [];
    const knot = [...known.keys()].filter((other) => reached.get(path)?.has(other) && reached.get(other)?.has(path));
    for (const member of knot) told.add(member);
    return [{ rule: 'cycle', path, detail: knot.join(' ↔ ') }];
  });
}

function reachable(from: string, graph: ReadonlyMap<string, readonly string[]>): ReadonlySet<string> {
  const seen = new Set<string>();
  const due = [...(graph.get(from) ?? [])];
  for (let next = due.pop(); next !== undefined; next = due.pop()) {
    if (seen.has(next)) continue;
    seen.add(next);
    due.push(...(graph.get(next) ?? []));
  }
  return seen;
}
