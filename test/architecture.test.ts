import { globSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { functionsOf } from './architecture/functions.ts';
import { importsOf } from './architecture/imports.ts';
import { readSource } from './architecture/source.ts';
import { findViolations, type Rule, type SourceFile } from './architecture.ts';

const house: readonly SourceFile[] = globSync('src/**/*.{ts,tsx}')
  .map((path) => path.replaceAll('\\', '/'))
  .sort()
  .map((path) => ({ path, text: readFileSync(path, 'utf8') }));

describe('the house', () => {
  it('runs on its dependencies alone', () => {
    const { dependencies }: { dependencies: object } = JSON.parse(readFileSync('package.json', 'utf8'));
    const imported = house.flatMap(({ path, text }) => importsOf(path, readSource(text)));
    const packages = imported.filter(({ file, target }) => file === null && !target.startsWith('node:'));
    expect(Object.keys(dependencies)).toEqual(
      expect.arrayContaining([...new Set(packages.map(({ target }) => target))]),
    );
  });

  it('breaks none of its laws', () => {
    expect(findViolations(house).map(({ rule, path, detail }) => `${rule}: ${path}: ${detail}`)).toEqual([]);
  });

  it('is read whole: each line that begins with import is found as one', () => {
    expect(house.length).toBeGreaterThan(50);
    for (const { path, text } of house) {
      const found = importsOf(path, readSource(text)).filter(({ kind }) => kind === 'value' || kind === 'type');
      expect({ path, imports: found.length }).toEqual({ path, imports: text.match(/^import\b/gm)?.length ?? 0 });
    }
  });

  it('is measured whole: each named function is found with a length', () => {
    for (const { path, text } of house) {
      const named = [...text.matchAll(/^(?:export )?(?:async )?function\*? (\w+)/gm)].map((match) => match[1]);
      expect(
        functionsOf(readSource(text)).map(({ name }) => name),
        path,
      ).toEqual(expect.arrayContaining(named));
    }
  });
});

const ok = 'export const answer = 42;\n';
const file = (path: string, text = ok): SourceFile => ({ path, text });
const lines = (count: number, line = '  work();\n') => line.repeat(count);

/** A fault, and the one rule that must catch it. */
const FAULTS: readonly (readonly [what: string, rule: Rule, ...files: SourceFile[]])[] = [
  [
    'two files that import each other',
    'cycle',
    file('src/core/a.ts', "import { b } from './b.ts';\nexport const a = b;\n"),
    file('src/core/b.ts', "import { a } from './a.ts';\nexport const b = a;\n"),
  ],
  [
    'a ring of three that is closed by a type',
    'cycle',
    file('src/store/a.ts', "import { b } from './b.ts';\nexport const a = b;\n"),
    file('src/store/b.ts', "import { c } from './c.ts';\nexport const b = c;\n"),
    file('src/store/c.ts', "import type { A } from './a.ts';\nexport const c: A = 1;\n"),
  ],
  ['a file that imports itself', 'cycle', file('src/core/a.ts', "import './a.ts';\n")],
  ['a column that imports another column', 'arrow', file('src/sources/browser.ts', "import '../store/sqlite.ts';")],
  ['a type of another column', 'arrow', file('src/consent/tcf.ts', "import type { Row } from '../store/sqlite.ts';\n")],
  [
    'a type import in the middle of a line',
    'arrow',
    file('src/core/x.ts', "export type X = import('../http/body.ts').Body;\n"),
  ],
  [
    'several names over several lines',
    'arrow',
    file('src/core/x.ts', "import {\n  parse, // why\n  type Body,\n} from '../http/body.ts';\n"),
  ],
  ['core that imports the configuration', 'arrow', file('src/core/x.ts', "import { read } from '../config.ts';\n")],
  ['the pipeline that imports the store', 'arrow', file('src/pipeline/x.ts', "import '../store/sqlite.ts';\n")],
  ['http that imports a destination', 'arrow', file('src/http/x.ts', "import '../destinations/meta.ts';\n")],
  ['the console beyond http/problems', 'arrow', file('src/console/page.tsx', "import '../http/body.ts';\n")],
  ['a root that imports a command', 'arrow', file('src/serve.ts', "import './commands/demo.ts';\n")],
  ['a root that imports the demo', 'arrow', file('src/serve.ts', "import './demo/fake-meta.ts';\n")],
  ['the log that imports the store', 'arrow', file('src/log.ts', "import './store/sqlite.ts';\n")],
  [
    'a command that imports the browser script',
    'arrow',
    file('src/commands/x.ts', "import '../storefront/sluice.ts';\n"),
  ],
  ['the demo that imports its server', 'arrow', file('src/demo/x.ts', "import '../serve.ts';\n")],
  ['src that imports a test', 'arrow', file('src/serve.ts', "import '../test/fixture.ts';\n")],
  ['an old extension on the way to another room', 'arrow', file('src/core/x.ts', "import '../store/sqlite.js';\n")],
  ['a dynamic import over a border', 'arrow', file('src/core/x.ts', "await import('../store/sqlite.ts');\n")],
  ['express outside http', 'package', file('src/pipeline/x.ts', "import express from 'express';\n")],
  ['a type of express in a source', 'package', file('src/sources/x.ts', "import type { Request } from 'express';\n")],
  ['cookie-parser in the pipeline', 'package', file('src/pipeline/x.ts', "import cookies from 'cookie-parser';\n")],
  ['winston outside the log', 'package', file('src/serve.ts', "import winston from 'winston';\n")],
  ['the TCF library outside its signal', 'package', file('src/consent/gpc.ts', "import '@iabtcf/core';\n")],
  ['a sub-path of SQLite in a command', 'package', file('src/commands/x.ts', "import 'better-sqlite3/lib/x.js';\n")],
  ['Kysely in the console', 'package', file('src/console/x.ts', "import { Kysely } from 'kysely';\n")],
  ['pg in a root', 'package', file('src/deliver.ts', "import pg from 'pg';\n")],
  ['undici in the pipeline', 'package', file('src/pipeline/x.ts', "import { Pool } from 'undici';\n")],
  ['commander in a root', 'package', file('src/serve.ts', "import { Command } from 'commander';\n")],
  ['Prometheus in a destination', 'package', file('src/destinations/x.ts', "import 'prom-client';\n")],
  ['a file system in core', 'package', file('src/core/x.ts', "import { readFileSync } from 'node:fs';\n")],
  ['a file system in core by its old name', 'package', file('src/core/x.ts', "import { readFileSync } from 'fs';\n")],
  ['http in core, by require', 'package', file('src/core/x.ts', "const http = require('node:http');\n")],
  ['any other package in core', 'package', file('src/core/x.ts', "import { parse } from 'yaml';\n")],
  ['a package in the browser script', 'package', file('src/storefront/x.ts', "import { z } from 'zod';\n")],
  ['a package in the demo', 'package', file('src/demo/x.ts', "import express from 'express';\n")],
  ['the environment in a command', 'environment', file('src/commands/x.ts', "const a = process.env['A'];\n")],
  ['the environment by a bracket', 'environment', file('src/serve.ts', "const a = process['env'];\n")],
  ['the environment taken apart', 'environment', file('src/serve.ts', 'const { env } = process;\n')],
  ['the environment as an import', 'environment', file('src/serve.ts', "import { env } from 'node:process';\n")],
  ['the environment within a template', 'environment', file('src/serve.ts', `const a = \`a \${process.env.A} b\`;\n`)],
  [
    'a value of core in the browser script',
    'storefront',
    file('src/storefront/x.ts', "import { browserEvent } from '../core/event.ts';\n"),
  ],
  [
    'a type of core whose import stays at run time',
    'storefront',
    file('src/storefront/x.ts', "import { type WireEvent } from '../core/event.ts';\n"),
  ],
  ['a computed import', 'computed import', file('src/serve.ts', 'await import(name);\n')],
  ['an import by a template', 'computed import', file('src/serve.ts', `await import(\`./sources/\${name}.ts\`);\n`)],
  ['a file of 301 lines', 'file size', file('src/core/x.ts', lines(301, '// why\n'))],
  ['a function of 51 lines', 'function size', file('src/core/x.ts', `export function f() {\n${lines(49)}}\n`)],
  [
    'a long function with types of objects',
    'function size',
    file('src/core/x.ts', `async function f<T>(a: { b: T }): Promise<{ c: T } | null> {\n${lines(49)}}\n`),
  ],
  ['a long arrow function', 'function size', file('src/core/x.ts', `const f = async (a: A) => {\n${lines(49)}};\n`)],
  ['a long method', 'function size', file('src/core/x.ts', `const o = {\n  run(a: A): void {\n${lines(49)}  },\n};\n`)],
  [
    'a long function around a short one',
    'function size',
    file('src/core/x.ts', `function f() {\n${lines(49)}  const g = () => {\n    work();\n  };\n}\n`),
  ],
  ['a file name in camelCase', 'name', file('src/core/eventParser.ts')],
  ['a file name in snake_case', 'name', file('src/core/event_parser.ts')],
  ['a file called util', 'name', file('src/core/util.ts')],
  ['a file called consent-helpers', 'name', file('src/consent/consent-helpers.ts')],
  ['a folder called common', 'name', file('src/http/common/body.ts')],
  ['a file called misc', 'name', file('src/http/misc.ts')],
  ['a default export', 'default export', file('src/core/x.ts', 'export default 42;\n')],
  ['a default export by renaming', 'default export', file('src/core/x.ts', 'const a = 1;\nexport { a as default };\n')],
  ['an index that is no registry', 'barrel', file('src/http/index.ts')],
  ['a file that passes everything on', 'barrel', file('src/store/all.ts', "export * from './sqlite.ts';\n")],
  ['a file that passes a type on', 'barrel', file('src/core/x.ts', "export type { A } from './event.ts';\n")],
  ['a file outside every room', 'room', file('src/extras/x.ts')],
];

describe('a planted fault', () => {
  it.each(FAULTS.map(([what, rule, ...files]) => ({ what, rule, files })))('is caught: $what', ({ rule, files }) => {
    expect(findViolations(files).map((violation) => violation.rule)).toEqual([rule]);
  });
});

/** What looks like a fault and is none. */
const ALLOWED: readonly (readonly [what: string, ...files: SourceFile[]])[] = [
  ['an import in a comment', file('src/core/x.ts', "// import '../store/sqlite.ts'\n/* import 'express'; */\n")],
  ['an import in a string', file('src/core/x.ts', `const text = "import 'express'";\n`)],
  ['an import in a template', file('src/core/x.ts', "const text = `\nimport 'express';\n`;\n")],
  ['an import behind a regular expression with quotes', file('src/core/x.ts', `const a = /["'\`/*]/;\n// 'express'\n`)],
  ['a comment that names process.env', file('src/serve.ts', '// process.env is read by config.ts alone\n')],
  ['the environment in the configuration', file('src/config/override.ts', 'const all = process.env;\n')],
  ['express in http', file('src/http/x.ts', "import express from 'express';\n")],
  ['zod and node:crypto in core', file('src/core/x.ts', "import { z } from 'zod';\nimport 'node:crypto';\n")],
  ['the TCF library in a part of its signal', file('src/consent/tcf-string.ts', "import '@iabtcf/core';\n")],
  ['http in the demo', file('src/demo/x.ts', "import { createServer } from 'node:http';\n")],
  ['problems in the console', file('src/console/x.ts', "import { problems } from '../http/problems.ts';\n")],
  ['types of core in the browser script', file('src/storefront/x.ts', "import type { A } from '../core/event.ts';\n")],
  ['the demo in its command', file('src/commands/demo.ts', "import '../demo/shop.ts';\nimport '../serve.ts';\n")],
  ['a registry that passes on', file('src/destinations/index.ts', "export { meta } from './meta.ts';\n")],
  ['a file of 300 lines', file('src/core/x.ts', lines(300, '// why\n'))],
  ['a function of 50 lines', file('src/core/x.ts', `function f() {\n${lines(48)}}\n`)],
  [
    'a factory whose inner functions are short',
    file('src/core/x.ts', `function f() {\n${'  const g = () => {\n    work();\n  };\n'.repeat(30)}}\n`),
  ],
  [
    'two files that import a third',
    file('src/core/a.ts', "import './c.ts';"),
    file('src/core/b.ts', "import './c.ts';"),
  ],
];

describe('what is no fault', () => {
  it.each(ALLOWED.map(([what, ...files]) => ({ what, files })))('is let through: $what', ({ files }) => {
    expect(findViolations(files)).toEqual([]);
  });
});
