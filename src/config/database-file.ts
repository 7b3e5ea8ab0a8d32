// Where an SQLite store is.

import { CannotRun } from '../core/errors.ts';
import type { Config } from '../core/settings.ts';

const SQLITE = 'sqlite:';

/**
 * The file of `store.url`.
 * @throws CannotRun when the configuration names another kind of database
 */
export function databaseFile({ store }: Pick<Config, 'store'>): string {
  if (!store.url.startsWith(SQLITE))
    throw new CannotRun('this needs an SQLite store: store.url names another database');
  return store.url.slice(SQLITE.length);
}
