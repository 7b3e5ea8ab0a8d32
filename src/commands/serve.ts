// `sluice serve`: runs the server until it is told to stop.

import type { Command } from 'commander';
import { startServer } from '../serve.ts';
import { reportFailure } from './failure.ts';
import type { CommandIo } from './io.ts';

/** Registers the command. */
export function registerServe(program: Command, io: CommandIo): void {
  program
    .command('serve')
    .description('run the collector until SIGTERM or SIGINT')
    .option('--config <file>', 'the configuration file')
    .addHelpText('after', '\nExample:\n  $ sluice serve --config /etc/sluice/sluice.yaml\n')
    .action(async (options: { config?: string }) => {
      try {
        const server = await startServer({ configFile: options.config, onBroken: (reason) => die(io, reason) });
        const stop = () => {
          server.stop().then(
            () => io.exit(0),
            (error: unknown) => reportFailure(io, error),
          );
        };
        for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, stop);
      } catch (error) {
        reportFailure(io, error);
      }
    });
}

function die(io: CommandIo, reason: string): void {
  io.stderr(`sluice: ${reason}; the process ends so that a fresh one starts from what is on disk\n`);
  process.exit(1);
}
