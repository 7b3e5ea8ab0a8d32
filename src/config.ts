// The one configuration file: its schema, and the reading of it. Every mistake is reported, all together.

import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { crossMistakes } from './config/cross-check.ts';
import { readYaml, type YamlFile } from './config/document.ts';
import { duration } from './config/duration.ts';
import { ConfigError, type Mistake } from './config/mistake.ts';
import { bindHost, domain, headerName, origin, originOf, port, proxyNetwork, urlPath } from './config/network.ts';
import { applyOverrides, type Overridden } from './config/override.ts';
import { readPolicies } from './config/policy.ts';
import { type Environment, type PathMistake, resolveSecrets } from './config/secret.ts';
import { mistakesOf } from './config/sentence.ts';
import { valueAt, writePath } from './config/shape.ts';
import { CannotRun } from './core/errors.ts';
import type { Policy } from './core/policy-file.ts';
import type { Destination } from './core/ports.ts';
import { secretField } from './core/secret-field.ts';
import type { Config, DeliverySettings, Site } from './core/settings.ts';

const MIB = 1_048_576;
const DAY_MS = 86_400_000;

const whole = (min: number, max: number) => z.int().min(min).max(max);
const milliseconds = (min: number, max = DAY_MS) => whole(min, max);
const listener = (host: string, at: number) => ({ host: bindHost.default(host), port: port.default(at) });

const paths = z.strictObject({
  collect: urlPath.default('/collect'),
  consent: urlPath.default('/consent'),
  script: urlPath.default('/sluice.js'),
  data: z.array(urlPath).default(['/data']),
});

const listen = z.strictObject({
  collect: z.strictObject({ ...listener('0.0.0.0', 8080), paths: paths.prefault({}) }).prefault({}),
  console: z.strictObject(listener('127.0.0.1', 8081)).prefault({}),
  ops: z.strictObject(listener('127.0.0.1', 9090)).prefault({}),
  trustedProxies: z
    .array(proxyNetwork, {
      error: ({ input }) =>
        input === true
          ? 'must not be everybody: list the networks of your proxies, such as [10.0.0.0/8]'
          : 'must be a list of networks in CIDR notation',
    })
    .default([]),
});

const region = z.strictObject({
  header: headerName.nullable().default(null),
  database: z.string().min(1).nullable().default(null),
});

const store = z.strictObject({
  url: z
    .string()
    .refine((url) => !/^postgres(ql)?:/.test(url), 'PostgreSQL is not supported by this version yet: use sqlite:PATH')
    .refine(
      (url) => /^postgres(ql)?:/.test(url) || /^sqlite:(?!:|\/\/)./.test(url),
      'must be sqlite:PATH, such as sqlite:./data/sluice.db',
    )
    .default('sqlite:./data/sluice.db'),
});

const limits = z.strictObject({
  bodyBytes: whole(256, 64 * MIB).default(65_536),
  webhookBytes: whole(256, 64 * MIB).default(2 * MIB),
  headerBytes: whole(2048, MIB).default(32_768),
  batchEvents: whole(1, 500).default(50),
  ratePerClientPerMinute: whole(1, 1_000_000_000).default(600),
  connections: whole(1, 1_000_000).default(10_000),
});

const retention = z.strictObject({
  log: duration.prefault('13mo'),
  dropLinks: duration.prefault('30d'),
  sessions: duration.prefault('13mo'),
  consentState: duration.prefault('13mo'),
});

function deliverySchema(destinations: readonly Destination[]) {
  const giveUpAfter = Object.fromEntries(destinations.map(({ id }) => [id, duration.prefault('7d')]));
  return z.strictObject({
    connections: whole(1, 1024).default(64),
    inFlight: whole(1, 100_000).default(128),
    connectTimeoutMs: milliseconds(1, 20_000).default(3000),
    headersTimeoutMs: milliseconds(1, 20_000).default(10_000),
    totalTimeoutMs: milliseconds(1, 20_000).default(15_000),
    retryScheduleMs: z
      .array(milliseconds(1))
      .min(1)
      .refine(([first = 0]) => first <= 60_000, 'must begin with at most 60000: the first retry comes within a minute')
      .default([1000, 4000, 15_000, 60_000, 300_000, 900_000, 3_600_000]),
    maxRetryAfterMs: milliseconds(0).default(3_600_000),
    giveUpAfter: z.strictObject(giveUpAfter).prefault({}),
    probeMs: milliseconds(1, 3_600_000).default(60_000),
    maxWaitingEvents: whole(1, 10_000_000).default(20_000),
    maxDueJobs: whole(1, 1_000_000_000).default(100_000),
    minFreeBytes: whole(0, Number.MAX_SAFE_INTEGER).default(2 * MIB),
    keepDeadLetters: duration.prefault('7d'),
    drainMs: milliseconds(0, 600_000).default(10_000),
  });
}

const shopify = z.strictObject({
  domain: z.string().regex(/^[a-z0-9][a-z0-9-]*\.myshopify\.com$/, { error: 'must be NAME.myshopify.com' }),
  secrets: z.array(secretField).min(1),
  purchaseTopic: z.enum(['orders/create', 'orders/paid']).default('orders/create'),
  pixel: z.boolean().default(false),
  waitForSessionMs: milliseconds(0, 3_600_000).default(120_000),
});

const recharge = z.strictObject({ secrets: z.array(secretField).min(1), rebillsToMeta: z.boolean().default(false) });

const siteKeys = {
  id: z.string().regex(/^[a-z0-9][a-z0-9_-]{0,63}$/, {
    error: 'must be lower-case letters, digits, - and _, at most 64',
  }),
  origins: z.array(origin).default([]),
  cookieDomain: domain.nullable().default(null),
  policy: z.string().min(1).default('default'),
  purchases: z.enum(['auto', 'browser', 'webhook', 'both']).default('auto'),
  serverTokens: z.array(secretField).default([]),
  shopify: shopify.optional(),
  recharge: recharge.optional(),
};

type SiteContent = z.infer<z.ZodObject<typeof siteKeys>>;

/** The schema of the configuration file; each destination brings the part below a site that bears its name. */
export function configSchema(destinations: readonly Destination[]) {
  const plugIns = Object.fromEntries(destinations.map(({ id, settings }) => [id, settings.optional()]));
  return z.strictObject({
    listen: listen.prefault({}),
    region: region.prefault({}),
    store: store.prefault({}),
    role: z.enum(['all', 'collect', 'deliver']).default('all'),
    keys: z.strictObject({ file: z.string().min(1).default('./data/keys.json') }).prefault({}),
    limits: limits.prefault({}),
    retention: retention.prefault({}),
    log: z.strictObject({ level: z.enum(['error', 'warn', 'info', 'debug']).default('info') }).prefault({}),
    delivery: deliverySchema(destinations).prefault({}),
    sites: z.array(z.strictObject({ ...plugIns, ...siteKeys })).min(1),
  });
}

type Content = z.infer<ReturnType<typeof configSchema>>;

export interface ConfigSource {
  /** Where the text came from: named in mistakes, and policies are looked for beside it. */
  readonly file: string;
  readonly text: string;
  readonly env: Environment;
  readonly destinations: readonly Destination[];
}

/**
 * Reads a configuration.
 * Where the YAML itself is broken, later lines are not judged: what stands there is a guess.
 * @throws ConfigError with every mistake
 */
export function readConfig(source: ConfigSource): Config {
  const { env, destinations } = source;
  const schema = configSchema(destinations);
  const yaml = readYaml(source.file, source.text);
  const overridden = applyOverrides(yaml.value, schema, env);
  const secrets = resolveSecrets(overridden.value, schema, env);
  const parsed = schema.safeParse(secrets.value);
  const issues = parsed.success ? [] : parsed.error.issues;
  const policies = readPolicies(secrets.value, {
    configFile: source.file,
    packaged: packagedFile('policies/'),
    destinations: destinations.map(({ id }) => id),
  });
  const found = [
    ...secrets.mistakes,
    ...issues.flatMap((issue) => mistakesOf(issue, { value: secrets.value, schema })),
    ...crossMistakes(secrets.value),
    ...policies.mistakes,
  ].map((mistake) => locate(withOrigin(mistake, secrets.value), yaml, overridden));
  const certain = found.filter((mistake) => isCertain(mistake, yaml));
  const mistakes = [...yaml.mistakes, ...certain, ...overridden.mistakes, ...policies.inFiles];
  if (!parsed.success || mistakes.length > 0) throw new ConfigError(inOrder(mistakes, source.file));
  return assemble(source, parsed.data, policies.bySite);
}

function isCertain({ line, message }: Mistake, { brokenFrom }: YamlFile): boolean {
  return brokenFrom === null || line === null || (line < brokenFrom && message !== 'is required');
}

function withOrigin(mistake: PathMistake, value: unknown): PathMistake {
  const text = mistake.path.at(-2) === 'origins' ? valueAt(value, mistake.path) : undefined;
  const exact = typeof text === 'string' ? originOf(text) : null;
  return exact === null || exact === text ? mistake : { ...mistake, nearest: exact };
}

function locate({ path, message, nearest = null }: PathMistake, yaml: YamlFile, { sources }: Overridden): Mistake {
  const setBy = sources.find((source) => source.path.every((key, at) => key === path[at]));
  const key = writePath(path);
  return setBy === undefined
    ? { file: yaml.file, line: yaml.lineOf(path), key, message, nearest }
    : { file: 'environment', line: null, key: setBy.name, message: `${key} ${message}`, nearest };
}

function inOrder(mistakes: readonly Mistake[], file: string): readonly Mistake[] {
  const rank = (mistake: Mistake) => (mistake.file === file ? 0 : mistake.line === null ? 2 : 1);
  return [...mistakes].sort(
    (a, b) => rank(a) - rank(b) || (a.line ?? 0) - (b.line ?? 0) || (a.line === null ? compare(a.key, b.key) : 0),
  );
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}

function assemble(
  { file, destinations }: ConfigSource,
  content: Content,
  policies: ReadonlyMap<number, Policy>,
): Config {
  const { retention: kept, delivery, sites, ...same } = content;
  return {
    ...same,
    file,
    retention: {
      logMs: kept.log,
      dropLinksMs: kept.dropLinks,
      sessionsMs: kept.sessions,
      consentStateMs: kept.consentState,
    },
    delivery: deliverySettings(delivery),
    sites: sites.map((site, at) => assembleSite(site, policies.get(at), destinations)),
  };
}

function deliverySettings({ giveUpAfter, keepDeadLetters, ...same }: Content['delivery']): DeliverySettings {
  return { ...same, giveUpAfterMs: giveUpAfter, keepDeadLettersMs: keepDeadLetters };
}

function assembleSite(
  site: SiteContent & Readonly<Record<string, unknown>>,
  policy: Policy | undefined,
  destinations: readonly Destination[],
): Site {
  if (policy === undefined) throw new Error(`site ${site.id} was read without a policy`);
  const configured = destinations.flatMap(({ id }): [string, unknown][] => {
    const settings: unknown = site[id];
    return settings === undefined ? [] : [[id, settings]];
  });
  const { id, origins, cookieDomain, serverTokens } = site;
  const auto = site.shopify === undefined ? 'browser' : 'webhook';
  const purchases = site.purchases === 'auto' ? auto : site.purchases;
  return { id, origins, cookieDomain, policy, purchases, serverTokens, destinations: new Map(configured) };
}

function packagedFile(name: string): string {
  // From src/ and from dist/ alike: both lie beside config/.
  return fileURLToPath(new URL(`../config/${name}`, import.meta.url));
}

/** The file to read: the option, else SLUICE_CONFIG, else the packaged default. */
export function locateConfig(option: string | undefined, env: Environment): string {
  return option ?? (env['SLUICE_CONFIG'] || packagedFile('default.yaml'));
}

/**
 * Finds and reads the configuration.
 * @throws ConfigError with every mistake; CannotRun where the file cannot be read
 */
export function loadConfig(
  option: string | undefined,
  { env, destinations }: Pick<ConfigSource, 'env' | 'destinations'>,
): Config {
  const file = locateConfig(option, env);
  if (!existsSync(file)) throw new CannotRun(`there is no configuration file ${file}: name one by --config FILE`);
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    throw new CannotRun(`the configuration file ${file} cannot be read`, { cause });
  }
  return readConfig({ file, text, env, destinations });
}

/** The environment of this process; read here and nowhere else. */
export function processEnvironment(): NodeJS.ProcessEnv {
  return process.env;
}
