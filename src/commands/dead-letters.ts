// `sluice dead-letters`: what ended without success, and a second chance for it. The running server does the work, because
// one process alone writes the database.

import { request } from 'node:http';
import type { Command } from 'commander';
import { z } from 'zod';
import { CannotRun } from '../core/errors.ts';
import { controlSocketPath } from '../http/control.ts';
import { databaseFileOf } from './database.ts';
import { reportFailure } from './failure.ts';
import type { CommandIo } from './io.ts';

const CONFIG = ['--config <file>', 'the configuration file (default: SLUICE_CONFIG, else the packaged one)'] as const;

/** Adds the command and its subcommands to the program. */
export function registerDeadLetters(program: Command, io: CommandIo): void {
  const group = program
    .command('dead-letters')
    .description('events that a destination refused for good, or that were given up')
    .addHelpText('after', '\nExamples:\n  sluice dead-letters list\n  sluice dead-letters retry --all --yes');
  group
    .command('list')
    .description('print them, oldest first')
    .option('--json', 'print them as one JSON list')
    .option(...CONFIG)
    .addHelpText('after', '\nExample:\n  sluice dead-letters list --json | jq length')
    .action((_own, command: Command) => run(io, () => list(listOptions.parse(command.optsWithGlobals()), io)));
  group
    .command('retry')
    .description('send them after all; consent is looked at again first')
    .argument('[ids...]', 'the numbers that list prints')
    .option('--all', 'all of them (needs --yes)')
    .option('--yes', 'I mean it')
    .option('--json', 'print the result as JSON')
    .option(...CONFIG)
    .addHelpText('after', '\nExamples:\n  sluice dead-letters retry 4096 4097\n  sluice dead-letters retry --all --yes')
    .action((ids: unknown, _own, command: Command) =>
      run(io, () => retry(z.array(z.string()).parse(ids), retryOptions.parse(command.optsWithGlobals()), io)),
    );
}

async function run(io: CommandIo, action: () => Promise<void>): Promise<void> {
  try {
    await action();
    io.exit(0);
  } catch (error) {
    reportFailure(io, error);
  }
}

const listOptions = z.object({ json: z.boolean().default(false), config: z.string().optional() });
const retryOptions = listOptions.extend({ all: z.boolean().default(false), yes: z.boolean().default(false) });

const listed = z.object({
  deadLetters: z.array(
    z.object({
      id: z.number(),
      site: z.string(),
      destination: z.string(),
      eventId: z.string(),
      eventName: z.string(),
      acceptedMs: z.number(),
      attempts: z.number(),
      code: z.string(),
    }),
  ),
});
const retried = z.object({ queued: z.number() });

async function list({ json, config }: z.infer<typeof listOptions>, io: CommandIo): Promise<void> {
  const answer = await ask(databaseFileOf(config, io), { method: 'GET', path: '/dead-letters' });
  const rows = listed.parse(answer).deadLetters.map((letter) => ({
    id: letter.id,
    time: new Date(letter.acceptedMs).toISOString(),
    site: letter.site,
    destination: letter.destination,
    event_name: letter.eventName,
    event_id: letter.eventId,
    attempts: letter.attempts,
    code: letter.code,
  }));
  if (json) io.stdout(`${JSON.stringify(rows, null, 2)}\n`);
  else if (rows.length === 0) io.stdout('there are no dead letters\n');
  else io.stdout(table([Object.keys(rows[0] ?? {}), ...rows.map((row) => Object.values(row).map(String))]));
}

function table(lines: readonly (readonly string[])[]): string {
  const widths = (lines[0] ?? []).map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  const write = (line: readonly string[]) => line.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ');
  return lines.map((line) => `${write(line).trimEnd()}\n`).join('');
}

async function retry(
  texts: readonly string[],
  { all, yes, json, config }: z.infer<typeof retryOptions>,
  io: CommandIo,
): Promise<void> {
  const ids = wantedIds(texts, { all, yes });
  const answer = await ask(databaseFileOf(config, io), { method: 'POST', path: '/dead-letters/retry', body: { ids } });
  const { queued } = retried.parse(answer);
  if (json) io.stdout(`${JSON.stringify({ queued })}\n`);
  else io.stdout(`${queued} queued again\n`);
  const unknown = ids === 'all' ? 0 : ids.length - queued;
  if (unknown > 0) io.stderr(`${unknown} of these are no dead letters: sluice dead-letters list shows them\n`);
}

function wantedIds(texts: readonly string[], { all, yes }: { all: boolean; yes: boolean }): readonly number[] | 'all' {
  if (all && texts.length > 0) throw new CannotRun('name ids or --all, not both');
  if (all && !yes) throw new CannotRun('retry --all sends every dead letter again: add --yes if you mean it');
  if (all) return 'all';
  if (texts.length === 0)
    throw new CannotRun('name the ids to retry, as sluice dead-letters list prints them, or --all --yes');
  const wrong = texts.find((text) => !/^\d{1,15}$/.test(text));
  if (wrong !== undefined)
    throw new CannotRun(`${wrong} is no id: ids are numbers, as sluice dead-letters list prints them`);
  return [...new Set(texts.map(Number))];
}

interface ControlRequest {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly body?: unknown;
}

const TIMEOUT_MS = 30_000;

/** Asks the running server; @throws CannotRun when there is none, or it refuses. */
async function ask(databaseFile: string, { method, path, body }: ControlRequest): Promise<unknown> {
  const socketPath = controlSocketPath(databaseFile);
  const { status, text } = await new Promise<{ status: number; text: string }>((resolve, reject) => {
    const sent = request({ socketPath, method, path, timeout: TIMEOUT_MS }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8') }));
      answer.on('error', reject);
    });
    sent.setHeader('content-type', 'application/json');
    sent.on('timeout', () => sent.destroy(new Error(`no answer within ${TIMEOUT_MS / 1000} s`)));
    sent.on('error', reject);
    sent.end(body === undefined ? undefined : JSON.stringify(body));
  }).catch((error: NodeJS.ErrnoException) => {
    throw unreachable(socketPath, error);
  });
  if (status !== 200) throw new CannotRun(`the server refused (${status}): ${detailOf(text)}`);
  return JSON.parse(text);
}

function unreachable(socketPath: string, error: NodeJS.ErrnoException): CannotRun {
  if (error.code === 'ENOENT' || error.code === 'ECONNREFUSED') {
    return new CannotRun(
      `no server is running on this database (${socketPath} does not answer): start it with sluice serve, then try again`,
      { cause: error },
    );
  }
  if (error.code === 'EACCES' || error.code === 'EPERM') {
    return new CannotRun(`you may not open ${socketPath}: run this as the user that the server runs as`, {
      cause: error,
    });
  }
  return new CannotRun(`the server does not answer on ${socketPath}: ${error.message}`, { cause: error });
}

const problem = z.object({ detail: z.string().optional(), title: z.string().optional() });

function detailOf(text: string): string {
  try {
    const { detail, title } = problem.parse(JSON.parse(text));
    return detail ?? title ?? 'no reason was given';
  } catch {
    return 'no reason was given';
  }
}
