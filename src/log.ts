// The program's own log: JSON lines on stdout, redacted. Decisions about people are not here but in the consent log.

import { createLogger, format, transports } from 'winston';
import type { Clock } from './core/ports.ts';
import type { Config } from './core/settings.ts';
import { maskText, redact } from './log/redact.ts';

export type LogLevel = Config['log']['level'];
export type Fields = Readonly<Record<string, unknown>>;

/** `message` is a constant sentence; what varies goes into `fields`. */
export interface Log {
  error(message: string, fields?: Fields): void;
  warn(message: string, fields?: Fields): void;
  info(message: string, fields?: Fields): void;
  debug(message: string, fields?: Fields): void;
}

export interface LogOptions {
  readonly level: LogLevel;
  /** stdout where nothing else is named. */
  readonly stream?: NodeJS.WritableStream;
  readonly clock?: Clock;
}

/** Opens the log. Whatever is given to it, no personal data and no secret comes out (`log/redact.ts`). */
export function createLog({ level, stream = process.stdout, clock = Date.now }: LogOptions): Log {
  const line = format.printf(({ level: name, message, fields }) => {
    const head = { time: new Date(clock()).toISOString(), level: name, message: maskText(String(message)) };
    // Twice: its keys stand first, and no field of the same name replaces them.
    return JSON.stringify({ ...head, ...asFields(redact(fields)), ...head });
  });
  const logger = createLogger({ level, format: line, transports: [new transports.Stream({ stream })] });
  // The fields travel as one member: spread beside winston's own they could replace level or message.
  const at =
    (name: LogLevel) =>
    (message: string, fields: Fields = {}) => {
      logger.log({ level: name, message, fields });
    };
  return { error: at('error'), warn: at('warn'), info: at('info'), debug: at('debug') };
}

function asFields(value: unknown): Fields {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}
