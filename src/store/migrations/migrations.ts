// Every migration in its order. A name, once released, never changes.

import type { Migration } from 'kysely/migration';
import { up as logAndOutbox } from './0001-log-and-outbox.ts';

export const migrations: Readonly<Record<string, Migration>> = {
  '0001-log-and-outbox': { up: logAndOutbox },
};
