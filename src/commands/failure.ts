// How a command says that it could not run: one sentence for what an operator can mend, the whole error for the rest.

import { CannotRun } from '../core/errors.ts';
import type { CommandIo } from './io.ts';

/** Prints why and sets exit code 2. */
export function reportFailure(io: CommandIo, error: unknown): void {
  if (error instanceof CannotRun) io.stderr(`sluice: ${error.message}\n`);
  else
    io.stderr(`sluice: unexpected error\n${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  io.exit(2);
}
