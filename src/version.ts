// The program's version, as package.json has it.

import { readFileSync } from 'node:fs';

/** Semantic version. */
export const VERSION: string = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')).version;
