// `sluice explain FILE|-`: decides about one event as the server would, and shows every rule on the way. Nothing is stored
// and nothing is sent.

import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import type { Command } from 'commander';
import { z } from 'zod';
import { loadConfig } from '../config.ts';
import { collectEvidence, countryHints, signals } from '../consent/index.ts';
import type { RuleNote } from '../core/consent.ts';
import { CannotRun, Problem } from '../core/errors.ts';
import { sha256Hex } from '../core/identity.ts';
import { createDecide, type Objection } from '../core/policy.ts';
import type { Destination, SourceEvent } from '../core/ports.ts';
import { parseCountry, type RegionEvidence, resolveRegion } from '../core/region.ts';
import type { Site } from '../core/settings.ts';
import { destinations } from '../destinations/index.ts';
import { browser } from '../sources/browser.ts';
import { createIds, systemClock } from '../system.ts';
import { readMoment } from './database.ts';
import { describeExplanation, type Explained, type Explanation, explanationJson } from './explanation.ts';
import { reportFailure } from './failure.ts';
import type { CommandIo } from './io.ts';

const EXAMPLE = `
FILE holds one event as POST /collect takes it; - reads standard input. No store is read: whether the event is a duplicate,
or its visitor withdrew consent, is not looked at.

Examples:
  sluice explain event.json --country DE
  echo '{"name":"purchase","consent":{"gpc":true}}' | sluice explain - --country US --json`;

/** Adds the command to the program. */
export function registerExplain(program: Command, io: CommandIo): void {
  program
    .command('explain')
    .description('decide about an event and show every rule: what it requires, what was found, whether it holds')
    .argument('<file>', 'a file with one event as JSON, or - for standard input')
    .option('--site <id>', 'the site whose policy decides (needed where there are several)')
    .option('--ip <address>', "the visitor's IP address, as the peer would show it")
    .option('--country <code>', "the visitor's country, as a trusted proxy would name it (ISO 3166-1 alpha-2)")
    .option('--at <time>', 'the moment of receipt (ISO 8601; default: now)')
    .option('--json', 'print the result as one JSON object')
    .option('--config <file>', 'the configuration file (default: SLUICE_CONFIG, else the packaged one)')
    .addHelpText('after', EXAMPLE)
    .action((file: unknown, _own, command: Command) => {
      try {
        const given = options.parse(command.optsWithGlobals());
        const explanation = explain(readEvent(z.string().parse(file)), given, io);
        io.stdout(given.json ? explanationJson(explanation) : describeExplanation(explanation));
        io.exit(0);
      } catch (error) {
        reportFailure(io, error instanceof Problem ? new CannotRun(`${error.code}: ${error.message}`) : error);
      }
    });
}

const options = z.object({
  site: z.string().optional(),
  ip: z.string().optional(),
  country: z.string().optional(),
  at: z.string().optional(),
  json: z.boolean().default(false),
  config: z.string().optional(),
});
type Options = z.infer<typeof options>;

function readEvent(file: string): unknown {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file === '-' ? 0 : file);
  } catch (cause) {
    throw new CannotRun(`${file === '-' ? 'standard input' : file} cannot be read`, { cause });
  }
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new CannotRun(`${file === '-' ? 'standard input' : file} does not hold JSON in UTF-8`, { cause });
  }
}

function explain(body: unknown, given: Options, io: CommandIo): Explanation {
  const { sites } = loadConfig(given.config, { env: io.env, destinations });
  const site = chooseSite(sites, given.site);
  const atMs = given.at === undefined ? systemClock() : readMoment('--at', given.at);
  const country = readCountry(given.country);
  if (given.ip !== undefined && isIP(given.ip) === 0) throw new CannotRun('--ip must be an IPv4 or IPv6 address');
  const found = parseEvent(body, { atMs, ip: given.ip ?? null });
  const bundle = collectEvidence(found.consent === null ? [] : [found.consent], (text) => sha256Hex(text).slice(0, 32));
  const region = regionOf(found, { country, hints: countryHints(bundle), site });
  const decide = createDecide(signals);
  const explained = destinations.map((destination): Explained => {
    const rules: RuleNote[] = [];
    const event = { name: found.event.name, objections: objectionsTo(found, { site, destination, atMs }) };
    const facts = factsOf(found, { site, destination, atMs });
    return { decision: decide(event, bundle, region, site.policy, facts, (note) => rules.push(note)), rules };
  });
  return { event: found.event, site, region, atMs, signals: namesOf(bundle), explained, notes: notesOn(found, given) };
}

function chooseSite(sites: readonly Site[], id: string | undefined): Site {
  const names = sites.map((site) => site.id).join(', ');
  const [first, ...others] = sites;
  if (id === undefined && others.length > 0)
    throw new CannotRun(`there are several sites: name one by --site (${names})`);
  const site = id === undefined ? first : sites.find((one) => one.id === id);
  if (site === undefined) throw new CannotRun(`there is no site ${id} in the configuration: it has ${names}`);
  return site;
}

function readCountry(text: string | undefined): string | null {
  if (text === undefined) return null;
  if (!/^[A-Za-z]{2}$/.test(text))
    throw new CannotRun('--country must be an ISO 3166-1 code of two letters, such as DE');
  return parseCountry(text);
}

const SERVER_KEYS = ['client_ip', 'user_agent', 'country'];

/** Only a server with a token may send these keys: an event that has them is read as a server's. */
function parseEvent(body: unknown, peer: { readonly atMs: number; readonly ip: string | null }): SourceEvent {
  const isServers = typeof body === 'object' && body !== null && SERVER_KEYS.some((key) => Object.hasOwn(body, key));
  const { events } = browser.parse(
    {
      trust: isServers ? 'server' : 'browser',
      body,
      receivedMs: peer.atMs,
      batchEvents: 1,
      client: { ip: peer.ip, userAgent: null },
    },
    createIds(),
  );
  const [event] = events;
  if (event === undefined) throw new CannotRun('there is no event to explain');
  return event;
}

function regionOf(
  { event, indications }: SourceEvent,
  shown: { readonly country: string | null; readonly hints: readonly string[]; readonly site: Site },
): RegionEvidence {
  const proxy = event.trust === 'browser' ? shown.country : null;
  const hints = shown.hints.map((country) => ({ country, basis: 'hint' as const }));
  const all = [{ country: proxy, basis: 'proxy_header' as const }, ...indications, ...hints];
  return resolveRegion(all, shown.site.policy.regions);
}

interface At {
  readonly site: Site;
  readonly destination: Destination;
  readonly atMs: number;
}

// The two objections that are no source's: they are raised where an event is taken in, and where it is accepted.
function objectionsTo({ event, objections }: SourceEvent, { site, destination, atMs }: At): readonly Objection[] {
  const isSuperseded = site.purchases === 'webhook' && event.source === 'browser' && event.name === 'purchase';
  const isTooOld = destination.maxAgeMs !== null && atMs - event.timeMs > destination.maxAgeMs;
  return [
    ...objections,
    ...(isSuperseded ? [{ code: 'event.superseded' as const, destination: '*' }] : []),
    ...(isTooOld ? [{ code: 'event.too_old' as const, destination: destination.id }] : []),
  ];
}

function factsOf({ event }: SourceEvent, { site, destination, atMs }: At) {
  const settings = site.destinations.get(destination.id);
  return {
    destination: destination.id,
    atMs,
    configured: settings !== undefined,
    mapped: settings !== undefined && destination.maps(event.name, settings),
    duplicate: false,
    erased: false,
    withdrawnMs: null,
    paused: false,
  };
}

function namesOf(bundle: ReturnType<typeof collectEvidence>): readonly string[] {
  return signals.map(({ name }) => name).filter((name) => bundle.some((evidence) => evidence[name] !== undefined));
}

function notesOn({ event }: SourceEvent, { ip, country }: Options): readonly string[] {
  const isServers = event.trust === 'server';
  return [
    'duplicates, withdrawals and erasures were not looked at: they are in the store',
    ...(isServers && country !== undefined ? ["--country was not used: a server's event names its own country"] : []),
    ...(ip === undefined ? [] : ['--ip decides nothing: no region database is configured']),
  ];
}
