// The plan of the house as data: which file lies in which room, what a room may import, and where a package is at home.

export interface Room {
  readonly name: string;
  /** Folders (ending in a slash) and files. */
  readonly holds: readonly string[];
  /** Rooms whose exports it may use; `*` = every room that may be imported at all. */
  readonly mayImport: readonly string[] | '*';
  /** Packages and Node modules: absent = any that is at home here. */
  readonly packages?: RegExp;
}

/** Every file of src/ lies in the first room that holds it. */
export const ROOMS: readonly Room[] = [
  { name: 'cli', holds: ['src/cli.ts'], mayImport: '*' },
  { name: 'commands', holds: ['src/commands/'], mayImport: '*' },
  // The two composition roots, and what is neither's alone: the threads' talk, the store half's metrics, clock and version.
  {
    name: 'roots',
    holds: [
      'src/serve.ts',
      'src/deliver.ts',
      'src/threads.ts',
      'src/delivery-metrics.ts',
      'src/system.ts',
      'src/version.ts',
    ],
    mayImport: '*',
  },
  { name: 'config', holds: ['src/config.ts', 'src/config/'], mayImport: ['core'] },
  { name: 'log', holds: ['src/log.ts', 'src/log/'], mayImport: ['core'] },
  { name: 'keys', holds: ['src/keys.ts'], mayImport: ['core'] },
  { name: 'region-database', holds: ['src/region-database.ts'], mayImport: ['core'] },
  { name: 'core', holds: ['src/core/'], mayImport: [], packages: /^(zod|node:crypto)$/ },
  { name: 'sources', holds: ['src/sources/'], mayImport: ['core'] },
  { name: 'consent', holds: ['src/consent/'], mayImport: ['core'] },
  { name: 'destinations', holds: ['src/destinations/'], mayImport: ['core'] },
  { name: 'store', holds: ['src/store/'], mayImport: ['core'] },
  { name: 'pipeline', holds: ['src/pipeline/'], mayImport: ['core'] },
  { name: 'http', holds: ['src/http/'], mayImport: ['core', 'pipeline'] },
  { name: 'console', holds: ['src/console/'], mayImport: ['core', 'pipeline', 'src/http/problems.ts'] },
  { name: 'storefront', holds: ['src/storefront/'], mayImport: ['core'], packages: /^$/ },
  { name: 'demo', holds: ['src/demo/'], mayImport: ['core'], packages: /^(zod|node:.*)$/ },
];

/** What nobody imports: the ends of the graph. The storefront is served as a built file, the roots belong to the commands. */
export const CLOSED_ROOMS: Readonly<Record<string, readonly string[]>> = {
  cli: [],
  commands: ['cli'],
  roots: ['cli', 'commands'],
  storefront: [],
  demo: ['cli', 'commands'],
};

/** Where a package may be imported; one that is not listed may be imported in any room that takes packages. */
export const HOMES: Readonly<Record<string, readonly string[]>> = {
  express: ['src/http/', 'src/console/'],
  'cookie-parser': ['src/http/', 'src/console/'],
  cookie: ['src/http/', 'src/console/'],
  winston: ['src/log.ts'],
  '@iabtcf/core': ['src/consent/tcf'],
  'better-sqlite3': ['src/store/'],
  kysely: ['src/store/'],
  pg: ['src/store/'],
  undici: ['src/destinations/'],
  maxmind: ['src/region-database.ts'],
  commander: ['src/cli.ts', 'src/commands/'],
  'prom-client': ['src/http/', 'src/deliver.ts', 'src/delivery-metrics.ts'],
};

/** Where the environment is read. */
export const ENVIRONMENT_HOME: readonly string[] = ['src/config.ts', 'src/config/'];
/** The registries, which alone are called index.ts and pass on what other files export. */
export const REGISTRIES: readonly string[] = [
  'src/sources/index.ts',
  'src/consent/index.ts',
  'src/destinations/index.ts',
];

/** True where a path lies in one of the places. */
export function liesIn(path: string, places: readonly string[]): boolean {
  return places.some((place) => (place.endsWith('.ts') ? path === place : path.startsWith(place)));
}

/** The room of a file of src/; undefined for a file that the plan does not know. */
export function roomOf(path: string): Room | undefined {
  return ROOMS.find(({ holds }) => liesIn(path, holds));
}
