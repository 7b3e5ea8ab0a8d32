// Where a command finds the database that its configuration names.

import { z } from 'zod';
import { databaseFile } from '../config/database-file.ts';
import { loadConfig } from '../config.ts';
import { CannotRun } from '../core/errors.ts';
import { destinations } from '../destinations/index.ts';
import type { CommandIo } from './io.ts';

/**
 * The SQLite file of the configuration.
 * @throws CannotRun for a configuration that cannot be used
 */
export function databaseFileOf(configFile: string | undefined, { env }: CommandIo): string {
  return databaseFile(loadConfig(configFile, { env, destinations }));
}

const isoDate = z.union([z.iso.date(), z.iso.datetime({ offset: true })]);

/**
 * A moment from an option: a date (its first moment in UTC) or a date and time with its zone. Epoch milliseconds.
 * @throws CannotRun when it is neither
 */
export function readMoment(option: string, text: string): number {
  if (isoDate.safeParse(text).success) return Date.parse(text);
  throw new CannotRun(`${option} must be a date or a time with its zone, such as 2026-11-24 or 2026-11-24T08:00:00Z`);
}
