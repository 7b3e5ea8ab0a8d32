// The boundary between the HTTP thread and the store thread: plain messages, answered by number. Accepts gather while two
// batches are on their way, which is all the batching that group commit needs.

import { Problem, type ProblemCode } from './core/errors.ts';
import type { Accepted, Candidate, ConsentChange, Intake } from './core/ports.ts';

/** What a port of node:worker_threads does for us. */
export interface MessageEnd {
  postMessage(message: unknown): void;
  on(event: 'message', listener: (message: unknown) => void): unknown;
}

type Call =
  | { readonly method: 'accept'; readonly argument: readonly Candidate[] }
  | { readonly method: 'changeConsent'; readonly argument: ConsentChange }
  | { readonly method: 'health' | 'metrics' | 'deadLetters'; readonly argument: null }
  | { readonly method: 'retryDeadLetters'; readonly argument: readonly number[] | 'all' };

interface Request {
  readonly id: number;
  readonly call: Call;
}

type Answer =
  | { readonly id: number; readonly value: unknown }
  | {
      readonly id: number;
      readonly problem: {
        readonly code: ProblemCode;
        readonly detail: string;
        readonly retryAfterSeconds: number | null;
      };
    }
  | { readonly id: number; readonly error: string };

/** Serves an intake to the other end. Messages of another shape are left to other listeners. */
export function serveIntake(port: MessageEnd, intake: Intake): void {
  port.on('message', (message) => {
    if (!isRequest(message)) return;
    run(intake, message.call).then(
      (value) => port.postMessage({ id: message.id, value } satisfies Answer),
      (error: unknown) => port.postMessage(toAnswer(message.id, error)),
    );
  });
}

function run(intake: Intake, call: Call): Promise<unknown> {
  switch (call.method) {
    case 'accept':
      return intake.accept(call.argument);
    case 'changeConsent':
      return intake.changeConsent(call.argument);
    case 'retryDeadLetters':
      return intake.retryDeadLetters(call.argument);
    case 'health':
    case 'metrics':
    case 'deadLetters':
      return intake[call.method]();
  }
}

function toAnswer(id: number, error: unknown): Answer {
  if (error instanceof Problem) {
    return { id, problem: { code: error.code, detail: error.message, retryAfterSeconds: error.retryAfterSeconds } };
  }
  return { id, error: error instanceof Error ? (error.stack ?? error.message) : 'unknown error' };
}

/** Events in one message at most: one transaction. */
const BATCH_EVENTS = 500;
const BATCHES_UNDER_WAY = 2;

interface Waiting {
  readonly candidates: readonly Candidate[];
  resolve(accepted: readonly Accepted[]): void;
  reject(error: unknown): void;
}

/** The intake as the HTTP thread sees it. Where more events wait than `maxWaiting`, an accept is refused at once. */
export function createIntakeClient(port: MessageEnd, maxWaiting: number): Intake {
  const pending = new Map<number, { resolve(value: never): void; reject(error: unknown): void }>();
  let waiting: Waiting[] = [];
  let waitingEvents = 0;
  let underWay = 0;
  let lastId = 0;

  port.on('message', (message) => {
    if (!isAnswer(message)) return;
    const call = pending.get(message.id);
    pending.delete(message.id);
    if (call === undefined) return;
    if ('value' in message) call.resolve(message.value as never);
    else call.reject(toError(message));
  });

  const ask = <T>(call: Call): Promise<T> =>
    new Promise((resolve, reject) => {
      lastId += 1;
      pending.set(lastId, { resolve, reject });
      port.postMessage({ id: lastId, call } satisfies Request);
    });

  const sendBatch = (): void => {
    while (underWay < BATCHES_UNDER_WAY && waiting.length > 0) {
      const batch = takeBatch();
      underWay += 1;
      ask<readonly Accepted[]>({ method: 'accept', argument: batch.flatMap(({ candidates }) => candidates) }).then(
        (accepted) => {
          underWay -= 1;
          sendBatch();
          let from = 0;
          for (const { candidates, resolve } of batch) {
            resolve(accepted.slice(from, from + candidates.length));
            from += candidates.length;
          }
        },
        (error: unknown) => {
          underWay -= 1;
          sendBatch();
          for (const { reject } of batch) reject(error);
        },
      );
    }
  };

  const takeBatch = (): readonly Waiting[] => {
    let events = 0;
    let count = 0;
    for (const { candidates } of waiting) {
      events += candidates.length;
      if (count > 0 && events > BATCH_EVENTS) break;
      count += 1;
    }
    const batch = waiting.slice(0, count);
    waiting = waiting.slice(count);
    waitingEvents -= batch.reduce((sum, { candidates }) => sum + candidates.length, 0);
    return batch;
  };

  return {
    accept: (candidates) =>
      new Promise((resolve, reject) => {
        if (waitingEvents + candidates.length > maxWaiting && waiting.length > 0) {
          reject(new Problem('unavailable', 'too many events wait; nothing was accepted', { retryAfterSeconds: 2 }));
          return;
        }
        waitingEvents += candidates.length;
        waiting.push({ candidates, resolve, reject });
        if (underWay < BATCHES_UNDER_WAY) queueMicrotask(sendBatch);
      }),
    changeConsent: (argument) => ask({ method: 'changeConsent', argument }),
    health: () => ask({ method: 'health', argument: null }),
    metrics: () => ask({ method: 'metrics', argument: null }),
    deadLetters: () => ask({ method: 'deadLetters', argument: null }),
    retryDeadLetters: (argument) => ask({ method: 'retryDeadLetters', argument }),
  };
}

function toError(answer: Exclude<Answer, { value: unknown }>): Error {
  if ('error' in answer) return new Error(`the store thread failed: ${answer.error}`);
  const { code, detail, retryAfterSeconds } = answer.problem;
  return new Problem(code, detail, retryAfterSeconds === null ? {} : { retryAfterSeconds });
}

function isRequest(message: unknown): message is Request {
  return typeof message === 'object' && message !== null && 'id' in message && 'call' in message;
}

function isAnswer(message: unknown): message is Answer {
  return typeof message === 'object' && message !== null && 'id' in message && !('call' in message);
}
