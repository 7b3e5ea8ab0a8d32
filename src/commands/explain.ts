// `sluice explain`: decides about an event, a whole request or a logged decision, and shows every rule on the way. Nothing is
// stored and nothing is sent.

import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import type { Command } from 'commander';
import { z } from 'zod';
import { loadConfig } from '../config.ts';
import { CannotRun, Problem } from '../core/errors.ts';
import { parseCountry } from '../core/region.ts';
import type { Config, Site } from '../core/settings.ts';
import { destinations } from '../destinations/index.ts';
import { openRegionDatabase } from '../region-database.ts';
import { systemClock } from '../system.ts';
import { databaseFileOf, readMoment } from './database.ts';
import { explainEvent } from './explain-event.ts';
import { explainLogged } from './explain-logged.ts';
import { type ExplainedRequest, explainRequest } from './explain-request.ts';
import { describeExplanation, explanationValue } from './explanation.ts';
import { reportFailure } from './failure.ts';
import type { CommandIo } from './io.ts';

const EXAMPLE = `
FILE holds one event as POST /collect takes it, or with --request a whole HTTP/1.1 message: request line, headers, an empty
line, body; - reads standard input. No store is read: whether the event is a duplicate, or its visitor withdrew consent, is
not looked at. --seq reads the log and nothing else, performs the decision again, and ends with 1 where it comes out
otherwise than the log says.

Examples:
  sluice explain event.json --country DE
  echo '{"name":"purchase","consent":{"gpc":true}}' | sluice explain - --country US --json
  sluice explain --request captured.http --site shop --country FR
  sluice explain --seq 4711`;

/** Adds the command to the program. */
export function registerExplain(program: Command, io: CommandIo): void {
  program
    .command('explain')
    .description('decide about an event and show every rule: what it requires, what was found, whether it holds')
    .argument('[file]', 'a file with one event as JSON (or a request), or - for standard input')
    .option('--request', 'the file is an HTTP/1.1 message, as the collect listener takes it')
    .option('--seq <number>', 'perform a logged decision again, by its number in the log')
    .option('--site <id>', 'the site whose policy decides (needed where there are several)')
    .option('--ip <address>', "the visitor's IP address, as the peer would show it")
    .option('--country <code>', "the visitor's country, as a trusted proxy would name it (ISO 3166-1 alpha-2)")
    .option('--at <time>', 'the moment of receipt (ISO 8601; default: now)')
    .option('--json', 'print the result as one JSON object')
    .option('--config <file>', 'the configuration file (default: SLUICE_CONFIG, else the packaged one)')
    .addHelpText('after', EXAMPLE)
    .action(async (file: unknown, _own, command: Command) => {
      try {
        const given = options.parse(command.optsWithGlobals());
        const { text, value, exitCode } = await explain(z.string().optional().parse(file), given, io);
        io.stdout(given.json ? `${JSON.stringify(value, null, 2)}\n` : text);
        io.exit(exitCode);
      } catch (error) {
        reportFailure(io, error instanceof Problem ? new CannotRun(`${error.code}: ${error.message}`) : error);
      }
    });
}

const options = z.object({
  request: z.boolean().default(false),
  seq: z.string().optional(),
  site: z.string().optional(),
  ip: z.string().optional(),
  country: z.string().optional(),
  at: z.string().optional(),
  json: z.boolean().default(false),
  config: z.string().optional(),
});
type Options = z.infer<typeof options>;

interface Result {
  readonly text: string;
  readonly value: unknown;
  readonly exitCode: number;
}

async function explain(file: string | undefined, given: Options, io: CommandIo): Promise<Result> {
  if (given.seq !== undefined) return explainSeq(file, given, io);
  if (file === undefined)
    throw new CannotRun('name a FILE with an event, - for standard input, or a decision by --seq');
  const config = loadConfig(given.config, { env: io.env, destinations });
  const shown = {
    atMs: given.at === undefined ? systemClock() : readMoment('--at', given.at),
    ip: readAddress(given.ip),
    country: readCountry(given.country),
    countryOf: config.region.database === null ? null : openRegionDatabase(config.region.database),
  };
  if (given.request) {
    const site = given.site === undefined ? null : chooseSite(config, given.site);
    return describeRequest(await explainRequest(readBytes(file), { ...shown, config, site }));
  }
  const explanation = explainEvent(readJson(file), { ...shown, site: chooseSite(config, given.site) });
  return { text: describeExplanation(explanation), value: explanationValue(explanation), exitCode: 0 };
}

async function explainSeq(file: string | undefined, given: Options, io: CommandIo): Promise<Result> {
  const { seq = '', request, site, ip, country, at } = given;
  if (!/^[1-9]\d{0,15}$/.test(seq)) throw new CannotRun('--seq must be the number of an entry in the log');
  if (file !== undefined || request || (site ?? ip ?? country ?? at) !== undefined) {
    throw new CannotRun(
      '--seq takes everything from the log: leave out FILE, --request, --site, --ip, --country and --at',
    );
  }
  const explanation = await explainLogged(databaseFileOf(given.config, io), Number(seq));
  const exitCode = explanation.logged?.same === false ? 1 : 0;
  return { text: describeExplanation(explanation), value: explanationValue(explanation), exitCode };
}

function describeRequest({ line, answer, explanations, notes }: ExplainedRequest): Result {
  const { status, body, cookies } = answer;
  const text = [
    `request  ${line}`,
    `answer   ${status} ${body}`,
    ...cookies.map((cookie) => `cookie   ${cookie}`),
    '',
    ...explanations.map(describeExplanation),
    ...notes.map((note) => `note: ${note}`),
    '',
  ].join('\n');
  const value = { request: line, answer, explanations: explanations.map(explanationValue), notes };
  return { text, value, exitCode: 0 };
}

function readBytes(file: string): Buffer {
  try {
    return readFileSync(file === '-' ? 0 : file);
  } catch (cause) {
    throw new CannotRun(`${file === '-' ? 'standard input' : file} cannot be read`, { cause });
  }
}

function readJson(file: string): unknown {
  const bytes = readBytes(file);
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new CannotRun(`${file === '-' ? 'standard input' : file} does not hold JSON in UTF-8`, { cause });
  }
}

function chooseSite({ sites }: Config, id: string | undefined): Site {
  const names = sites.map((site) => site.id).join(', ');
  const [first, ...others] = sites;
  if (id === undefined && others.length > 0)
    throw new CannotRun(`there are several sites: name one by --site (${names})`);
  const site = id === undefined ? first : sites.find((one) => one.id === id);
  if (site === undefined) throw new CannotRun(`there is no site ${id} in the configuration: it has ${names}`);
  return site;
}

function readAddress(text: string | undefined): string | null {
  if (text !== undefined && isIP(text) === 0) throw new CannotRun('--ip must be an IPv4 or IPv6 address');
  return text ?? null;
}

function readCountry(text: string | undefined): string | null {
  if (text === undefined) return null;
  if (!/^[A-Za-z]{2}$/.test(text))
    throw new CannotRun('--country must be an ISO 3166-1 code of two letters, such as DE');
  return parseCountry(text);
}
