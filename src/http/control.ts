// The door for commands: a Unix socket that only the owner of the process can open. Commands that write go through it to
// the running server, because one process alone writes the database.

import { createHash } from 'node:crypto';
import { chmodSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import type { Express, RequestHandler } from 'express';
import { Problem } from '../core/errors.ts';
import type { Intake } from '../core/ports.ts';
import { createApp } from './app.ts';
import { readJson } from './body.ts';
import { type ErrorLog, methodNotAllowed, notFound, problemHandler, sendJson } from './problems.ts';
import { boundedServer, closeGracefully, opened } from './server.ts';

// sun_path has 108 bytes on Linux and 104 on macOS (unix(7)).
const MAX_PATH_BYTES = 100;
const BODY_BYTES = 1_048_576;
const LIMITS = { headerBytes: 16_384, connections: 16 };

/** Where the socket of a database is: beside it, or, where that path is too long for a socket, in the temporary folder. */
export function controlSocketPath(databaseFile: string): string {
  const file = resolve(databaseFile);
  const beside = join(dirname(file), 'control.sock');
  if (Buffer.byteLength(beside) <= MAX_PATH_BYTES) return beside;
  return join(tmpdir(), `sluice-${createHash('sha256').update(file).digest('hex').slice(0, 16)}.sock`);
}

export interface ControlParts {
  readonly intake: Pick<Intake, 'deadLetters' | 'retryDeadLetters'>;
  readonly log: ErrorLog;
}

/** The application behind the socket: `GET /dead-letters`, `POST /dead-letters/retry` with `{ ids: [...] | "all" }`. */
export function createControlApp({ intake, log }: ControlParts): Express {
  const app = createApp();
  const list: RequestHandler = async (_req, res) => sendJson(res, 200, { deadLetters: await intake.deadLetters() });
  const retry: RequestHandler = async (req, res) => {
    const ids = idsOf(await readJson(req, BODY_BYTES));
    sendJson(res, 200, { queued: await intake.retryDeadLetters(ids) });
  };
  app.route('/dead-letters').get(list).all(methodNotAllowed('GET, HEAD'));
  app.route('/dead-letters/retry').post(retry).all(methodNotAllowed('POST'));
  app.use(notFound);
  app.use(problemHandler(log));
  return app;
}

function idsOf(body: unknown): readonly number[] | 'all' {
  const ids = typeof body === 'object' && body !== null && 'ids' in body ? body.ids : undefined;
  if (ids === 'all') return ids;
  if (Array.isArray(ids) && ids.every((id): id is number => Number.isSafeInteger(id))) return ids;
  throw new Problem('event_invalid', 'ids must be "all" or a list of numbers');
}

/**
 * Opens the socket with mode 0600; one that a killed process left behind is replaced. The caller holds the database's lock.
 * @throws CannotRun
 */
export async function listenOnSocket(app: Express, path: string): Promise<{ close(): Promise<void> }> {
  rmSync(path, { force: true });
  const server = boundedServer(app, LIMITS);
  // The mode must hold from the first moment: between bind and chmod others could connect.
  const before = process.umask(0o177);
  const ready = opened(server, { path }, path);
  process.umask(before);
  await ready;
  chmodSync(path, 0o600);
  return { close: () => closeGracefully(server, 1000) };
}
