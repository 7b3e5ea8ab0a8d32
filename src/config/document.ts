// A YAML file with its line numbers: the value, where each key of it stands, and what is wrong with the YAML itself.

import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseDocument,
  type YAMLParseError,
} from 'yaml';
import type { Mistake } from './mistake.ts';
import type { Path } from './shape.ts';

export interface YamlFile {
  readonly file: string;
  /** An empty file is an empty map. */
  readonly value: unknown;
  readonly mistakes: readonly Mistake[];
  /** From this line on, the start of the section that is broken, nothing is certain; null = all of it is. */
  readonly brokenFrom: number | null;
  /** The line of a key, or of the nearest key above it that is there. */
  lineOf(path: Path): number;
}

/** Reads YAML 1.2. Its mistakes are returned, never thrown, and never quote the text: it may hold a secret. */
export function readYaml(file: string, text: string): YamlFile {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, logLevel: 'error' });
  const lineAt = (offset: number) => lines.linePos(offset).line;
  const mistakes = document.errors.map((error): Mistake => {
    const duplicate = error.code === 'DUPLICATE_KEY';
    return {
      file,
      line: lineAt(error.pos[0]),
      key: duplicate ? wordAt(text, error.pos[0]) : '',
      message: duplicate ? 'stands here twice' : `is not valid YAML: ${whatIsBroken(error)}`,
      nearest: null,
    };
  });
  const broken = document.errors.filter(({ code }) => code !== 'DUPLICATE_KEY').map(({ pos }) => lineAt(pos[0]));
  const { value, problem } = plainValue(document);
  if (problem !== null) mistakes.push({ file, line: null, key: '', message: problem, nearest: null });
  return {
    file,
    value: value ?? {},
    mistakes,
    brokenFrom: problem !== null ? 0 : broken.length === 0 ? null : sectionAt(document, Math.min(...broken), lineAt),
    lineOf: (path) => lineAt(offsetOf(document, path)),
  };
}

function whatIsBroken({ code, message }: YAMLParseError): string {
  if (code === 'MULTIPLE_DOCS') return 'a file is one document, and here begins another';
  // What follows a colon in the library's sentences is the source text.
  return message.split(':', 1)[0] ?? '';
}

function sectionAt(document: Document.Parsed, line: number, lineAt: (offset: number) => number): number {
  const pairs = isMap(document.contents) ? document.contents.items : [];
  const starts = pairs.map(({ key }) => lineAt(startOf(key) ?? 0));
  return Math.max(1, ...starts.filter((start) => start < line));
}

function wordAt(text: string, offset: number): string {
  return /^["']?([\w-]{1,64})/.exec(text.slice(offset, offset + 80))?.[1] ?? '';
}

/** The value of a document. Aliases are resolved here: what expands beyond measure is a problem and an empty map. */
export function plainValue(document: Document.Parsed): { value: unknown; problem: string | null } {
  try {
    const value: unknown = document.toJS({ maxAliasCount: 100 });
    return { value, problem: null };
  } catch {
    return { value: {}, problem: 'is not valid YAML: its aliases cannot be resolved' };
  }
}

function offsetOf(document: Document.Parsed, path: Path): number {
  let node: unknown = document.contents;
  let offset = startOf(node) ?? 0;
  for (const key of path) {
    if (isAlias(node)) node = node.resolve(document);
    const found = memberOf(node, key);
    if (found === null) return offset;
    offset = found.offset ?? offset;
    node = found.value;
  }
  return offset;
}

interface Member {
  readonly offset: number | null;
  readonly value: unknown;
}

function memberOf(node: unknown, key: string | number): Member | null {
  if (isSeq(node) && typeof key === 'number') {
    const item: unknown = node.items[key];
    return item === undefined ? null : { offset: startOf(item), value: item };
  }
  if (!isMap(node)) return null;
  const pair = node.items.find((item: Pair) => isScalar(item.key) && String(item.key.value) === String(key));
  return pair === undefined ? null : { offset: startOf(pair.key), value: pair.value };
}

function startOf(node: unknown): number | null {
  return hasRange(node) ? node.range[0] : null;
}

function hasRange(node: unknown): node is Node & { range: [number, number, number] } {
  return typeof node === 'object' && node !== null && 'range' in node && Array.isArray(node.range);
}
