// Finds the policy that a site names and reads it, with mistakes that name the policy's own file and line.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { identifyPolicy, type Policy, policyFile } from '../core/policy-file.ts';
import { readYaml } from './document.ts';
import { type Mistake, nearestOf } from './mistake.ts';
import type { PathMistake } from './secret.ts';
import { mistakesOf } from './sentence.ts';
import { isMap, type Path, valueAt, writePath } from './shape.ts';

/** What is wrong with a name is the configuration's mistake, what is wrong inside is the policy file's. */
type FoundPolicy =
  | { readonly found: 'policy'; readonly policy: Policy }
  | { readonly found: 'mistakes'; readonly mistakes: readonly Mistake[] }
  | { readonly found: 'nothing'; readonly message: string; readonly nearest: string | null };

export interface PolicyPlaces {
  /** The configuration file: paths are relative to it, and names are looked up in `policies/` beside it. */
  readonly configFile: string;
  /** The folder of the packaged policies. */
  readonly packaged: string;
  /** The ids of the destinations that a policy may name. */
  readonly destinations: readonly string[];
}

/** The policies that the sites of a configuration name. */
export interface Policies {
  /** By the site's place in the list. */
  readonly bySite: ReadonlyMap<number, Policy>;
  readonly mistakes: readonly PathMistake[];
  /** Those of the policy files themselves. */
  readonly inFiles: readonly Mistake[];
}

/** Reads the policies of all sites of a raw configuration value. */
export function readPolicies(value: unknown, places: PolicyPlaces): Policies {
  const find = policyFinder(places);
  const sites = valueAt(value, ['sites']);
  const bySite = new Map<number, Policy>();
  const mistakes: PathMistake[] = [];
  const inFiles = new Set<Mistake>();
  for (const [at, site] of (Array.isArray(sites) ? sites : []).entries()) {
    const name: unknown = isMap(site) ? (site['policy'] ?? 'default') : null;
    if (typeof name !== 'string' || name === '') continue;
    const path: Path = ['sites', at, 'policy'];
    const policy = find(name);
    if (policy.found === 'policy') bySite.set(at, policy.policy);
    else if (policy.found === 'nothing') mistakes.push({ path, message: policy.message, nearest: policy.nearest });
    else for (const mistake of policy.mistakes) inFiles.add(mistake);
  }
  return { bySite, mistakes, inFiles: [...inFiles] };
}

/** Finds policies by name or path; each file is read once. */
function policyFinder(places: PolicyPlaces): (name: string) => FoundPolicy {
  const known = new Map<string, FoundPolicy>();
  return (name) => {
    const file = locatePolicy(name, places);
    if (file === null) return notFound(name, places);
    const found = known.get(file) ?? readPolicy(file, places);
    known.set(file, found);
    return found;
  };
}

function folders({ configFile, packaged }: PolicyPlaces): readonly string[] {
  return [join(dirname(configFile), 'policies'), packaged];
}

function isPath(name: string): boolean {
  return /[/\\]|\.ya?ml$/.test(name);
}

function locatePolicy(name: string, places: PolicyPlaces): string | null {
  const candidates = isPath(name)
    ? [resolve(dirname(places.configFile), name)]
    : folders(places).map((folder) => join(folder, `${name}.yaml`));
  return candidates.find((file) => existsSync(file)) ?? null;
}

function notFound(name: string, places: PolicyPlaces): FoundPolicy {
  if (isPath(name)) {
    const file = resolve(dirname(places.configFile), name);
    return { found: 'nothing', message: `there is no policy file ${file}`, nearest: null };
  }
  const names = folders(places)
    .filter((folder) => existsSync(folder))
    .flatMap((folder) => readdirSync(folder));
  const known = names.filter((file) => file.endsWith('.yaml')).map((file) => file.slice(0, -'.yaml'.length));
  const looked = folders(places).join(' and ');
  return { found: 'nothing', message: `no policy of this name in ${looked}`, nearest: nearestOf(name, known) };
}

function readPolicy(file: string, { destinations }: PolicyPlaces): FoundPolicy {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    return { found: 'nothing', message: `the policy file ${file} cannot be read`, nearest: null };
  }
  const yaml = readYaml(file, text);
  if (yaml.brokenFrom !== null) return { found: 'mistakes', mistakes: yaml.mistakes };
  const parsed = policyFile.safeParse(yaml.value);
  const issues = parsed.success
    ? []
    : parsed.error.issues.flatMap((issue) => mistakesOf(issue, { value: yaml.value, schema: policyFile }));
  const unknown = Object.keys(valueAt(yaml.value, ['destinations']) ?? {})
    .filter((id) => !destinations.includes(id))
    .map((id) => ({
      path: ['destinations', id],
      message: 'is not a known destination',
      nearest: nearestOf(id, destinations),
    }));
  const mistakes = [...issues, ...unknown].map(({ path, message, nearest = null }) => ({
    file,
    line: yaml.lineOf(path),
    key: writePath(path),
    message,
    nearest,
  }));
  return parsed.success && mistakes.length + yaml.mistakes.length === 0
    ? { found: 'policy', policy: identifyPolicy(parsed.data) }
    : { found: 'mistakes', mistakes: [...yaml.mistakes, ...mistakes] };
}
