// Finds every import of a source file: of values and types, static and dynamic, and what it passes on.

import { posix } from 'node:path';
import type { Source } from './source.ts';

export interface Import {
  /** `./x.ts` as written, `node:fs`, a package's name without its sub-path; `*` where it is computed at run time. */
  readonly target: string;
  /** The imported file from the root of the repository; null for packages. */
  readonly file: string | null;
  readonly kind: 'value' | 'type' | 'dynamic' | 're-export' | 're-export of types';
}

const STATIC = /\b(import|export)\b((?:(?!\b(?:import|export)\b)[^;"()=])*?)\bfrom\s*"(\d+)"/g;
const SIDE_EFFECT = /\bimport\s*"(\d+)"/g;
const DYNAMIC = /\b(?:import|require)\s*\(\s*(?:"(\d+)"\s*[),])?/g;

/** The imports of a file at `path`. */
export function importsOf(path: string, { code, strings }: Source): readonly Import[] {
  const imported = (index: string | undefined, kind: Import['kind']): Import => {
    const name = index === undefined ? '*' : (strings[Number(index)] ?? '*');
    if (!name.startsWith('.')) return { target: packageName(name), file: null, kind };
    const file = posix.join(posix.dirname(path), name).replace(/\.js(x?)$/, '.ts$1');
    return { target: name, file, kind };
  };
  return [
    ...[...code.matchAll(STATIC)].map(([, word, clause = '', index]) => imported(index, kindOf(word, clause))),
    ...[...code.matchAll(SIDE_EFFECT)].map(([, index]) => imported(index, 'value')),
    ...[...code.matchAll(DYNAMIC)].map(([, index]) => imported(index, 'dynamic')),
  ];
}

// `import { type A } from` keeps its import at run time (verbatimModuleSyntax): only `import type` is gone.
function kindOf(word: string | undefined, clause: string): Import['kind'] {
  const ofTypes = /^\s*type\s+[\w${*]/.test(clause) && !/^\s*type\s*$/.test(clause);
  if (word === 'export') return ofTypes ? 're-export of types' : 're-export';
  return ofTypes ? 'type' : 'value';
}

function packageName(specifier: string): string {
  const depth = specifier.startsWith('@') ? 2 : 1;
  return specifier.startsWith('node:') ? specifier : specifier.split('/').slice(0, depth).join('/');
}
