#!/usr/bin/env node
// The command line: one file a command, exit codes 0 good, 1 a violation or a refused action, 2 could not run.

import { Command, CommanderError } from 'commander';
import { registerCheckConfig } from './commands/check-config.ts';
import { registerDeadLetters } from './commands/dead-letters.ts';
import { registerDemo } from './commands/demo.ts';
import { registerExplain } from './commands/explain.ts';
import { registerExport } from './commands/export.ts';
import { reportFailure } from './commands/failure.ts';
import type { CommandIo } from './commands/io.ts';
import { registerServe } from './commands/serve.ts';
import { registerVerifyLog } from './commands/verify-log.ts';
import { processEnvironment } from './config.ts';
import { VERSION } from './version.ts';

const COULD_NOT_RUN = 2;

function createIo(): CommandIo {
  const env = processEnvironment();
  return {
    stdout: (text) => void process.stdout.write(text),
    stderr: (text) => void process.stderr.write(text),
    env,
    cwd: process.cwd(),
    color: process.stdout.isTTY === true && !env['NO_COLOR'],
    exit(code) {
      process.exitCode = code;
    },
  };
}

/** In the order of the help. */
const COMMANDS = [
  registerServe,
  registerDemo,
  registerCheckConfig,
  registerExplain,
  registerExport,
  registerVerifyLog,
  registerDeadLetters,
];

function overrideExit(command: Command): void {
  command.exitOverride();
  for (const below of command.commands) overrideExit(below);
}

/** The program with all its commands. */
export function createProgram(io: CommandIo): Command {
  const program = new Command('sluice')
    .description(
      'A consent-aware event collector for shops: Meta first, Klaviyo after Meta is settled, every decision provable.',
    )
    .version(VERSION)
    .showHelpAfterError('(sluice --help shows what there is)')
    .exitOverride();
  for (const register of COMMANDS) register(program, io);
  for (const command of program.commands) overrideExit(command);
  return program;
}

const io = createIo();
// A reader that closes early (`| head`) is no mistake of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});
try {
  await createProgram(io).parseAsync(process.argv);
} catch (error) {
  if (error instanceof CommanderError) io.exit(error.exitCode === 0 ? 0 : COULD_NOT_RUN);
  else reportFailure(io, error);
}
