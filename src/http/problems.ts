// The one error handler: RFC 9457 for what a client did wrong, silence and one log line for what we did not expect.

import type { ErrorRequestHandler, Request, RequestHandler, Response } from 'express';
import { Problem } from '../core/errors.ts';

/** Where unexpected errors are told, once each. */
export interface ErrorLog {
  error(message: string, fields: Readonly<Record<string, unknown>>): void;
}

const RETRY_AFTER_SECONDS = 5;
// A refused body of this size is still read to its end, so that the connection lives on; a larger one is not worth it.
const DRAINED_BYTES = 1_048_576;

/** The problem as RFC 9457 writes it. */
export function problemText(problem: Problem): string {
  const { status, code, title, message } = problem;
  return JSON.stringify({ type: 'about:blank', title, status, code, detail: message });
}

/** Answers a problem. */
export function sendProblem(res: Response, problem: Problem): void {
  const body = problemText(problem);
  if (problem.allow !== null) res.setHeader('Allow', problem.allow);
  const wait = problem.retryAfterSeconds ?? (problem.code === 'unavailable' ? RETRY_AFTER_SECONDS : null);
  // RFC 9110, section 11.6.1: a 401 names the scheme that would help.
  if (problem.code === 'token_invalid') res.setHeader('WWW-Authenticate', 'Bearer');
  if (wait !== null) res.setHeader('Retry-After', String(wait));
  res.writeHead(problem.status, {
    'Content-Type': 'application/problem+json',
    'Content-Length': Buffer.byteLength(body),
  });
  res.end(body);
}

/** Answers a value as JSON. Written by hand, because res.json costs a tenth of the whole request (facts of speed). */
export function sendJson(res: Response, status: number, value: unknown): void {
  const body = JSON.stringify(value);
  res.writeHead(status, {
    'Content-Type': 'application/json; charset=utf-8',
    'Content-Length': Buffer.byteLength(body),
  });
  res.end(body);
}

/** A request that no route took. */
export const notFound: RequestHandler = () => {
  throw new Problem('not_found');
};

/** Every method that the routes before did not take. */
export function methodNotAllowed(allow: string): RequestHandler {
  return () => {
    throw new Problem('method_not_allowed', undefined, { allow });
  };
}

/** Hears of each problem before it is answered. */
export type OnProblem = (problem: Problem, req: Request, res: Response) => void;

/** The error handler. Express knows it by its four parameters. */
export function problemHandler(log: ErrorLog, onProblem?: OnProblem): ErrorRequestHandler {
  return (error: unknown, req: Request, res: Response, _next) => {
    const problem = asProblem(error);
    if (problem.code === 'internal') log.error('request failed', { method: req.method, error });
    onProblem?.(problem, req, res);
    if (res.headersSent) return void res.destroy();
    if (Number(req.headers['content-length'] ?? 0) > DRAINED_BYTES) res.setHeader('Connection', 'close');
    sendProblem(res, problem);
  };
}

function asProblem(error: unknown): Problem {
  return error instanceof Problem ? error : new Problem('internal', undefined, { cause: error });
}
