// A piece of work of one transaction, as the committer takes it: what it wants to know, and what it drafts.

import type { Draft } from './draft.ts';
import type { Wants } from './gather.ts';

export interface MutableWants extends Wants {
  readonly keys: Map<string, number>;
  readonly refs: Set<string>;
  readonly lockedRefs: Set<string>;
  readonly lanes: Set<string>;
  readonly visitors: Set<string>;
  readonly events: Set<number>;
}

/** A piece of work of one transaction; everything but `done` and `failed` may be called again after a failure. */
export interface Operation<T = unknown> {
  /** Counts against the most events of a transaction. */
  readonly weight: number;
  /** Kept and tried again after an outage, because it happened whether we can write it or not. */
  readonly mustKeep: boolean;
  want(wants: MutableWants): void;
  run(draft: Draft): T;
  done(result: T): void;
  failed(error: unknown): void;
}

/** An error of one operation's own. */
export class OperationError extends Error {
  override readonly name = 'OperationError';
}

/** Runs it over a draft. @throws OperationError */
export function runOperation<T>(operation: Operation<T>, draft: Draft): T {
  try {
    return operation.run(draft);
  } catch (cause) {
    throw new OperationError('an operation failed', { cause });
  }
}

/** What several want together. @throws OperationError */
export function wantsOf(operations: readonly Pick<Operation, 'want'>[]): MutableWants {
  const wants: MutableWants = {
    keys: new Map(),
    refs: new Set(),
    lockedRefs: new Set(),
    lanes: new Set(),
    visitors: new Set(),
    events: new Set(),
  };
  try {
    for (const operation of operations) operation.want(wants);
  } catch (cause) {
    throw new OperationError('an operation failed', { cause });
  }
  return wants;
}
