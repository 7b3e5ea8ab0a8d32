// Every migration of a PostgreSQL store in its order. A name, once released, never changes.

import type { Migration } from 'kysely/migration';
import * as logAndOutbox from './postgres-0001-log-and-outbox.ts';
import * as roles from './postgres-0002-roles.ts';

export const postgresMigrations: Readonly<Record<string, Migration>> = {
  '0001-log-and-outbox': { up: logAndOutbox.up },
  '0002-roles': { up: roles.up },
};
