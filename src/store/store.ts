// What a store is to the composition root, whatever the database behind it.

import type { KeyObject } from 'node:crypto';
import type {
  Accepted,
  Candidate,
  ConsentChange,
  ConsentChanged,
  DeadLetter,
  Outbox,
  StoreHealth,
} from '../core/ports.ts';

/** Jobs of one destination by state, and when the oldest unfinished one was accepted (epoch milliseconds). */
export interface QueueState {
  readonly due: number;
  readonly waiting: number;
  readonly in_flight: number;
  readonly retrying: number;
  readonly paused: number;
  readonly dead: number;
  readonly oldestMs: number | null;
}

export interface Store {
  /** @throws Problem `unavailable`: nothing was accepted */
  accept(candidates: readonly Candidate[]): Promise<readonly Accepted[]>;
  /** @throws Problem `unavailable`: nothing was recorded */
  changeConsent(change: ConsentChange): Promise<ConsentChanged>;
  health(): Promise<StoreHealth>;
  deadLetters(): Promise<readonly DeadLetter[]>;
  retryDeadLetters(ids: readonly number[] | 'all'): Promise<number>;
  queue(destination: string): Promise<QueueState>;
  readonly outbox: Outbox;
  /** The key of today's subject references, 32 bytes. */
  readonly epochKey: KeyObject;
  onCommit(listener: (events: number, durationMs: number) => void): void;
  /** A failing destination's backlog does not throttle intake. */
  setFailing(destination: string, isFailing: boolean): void;
  /** From now on nothing is accepted. */
  refuseAll(): void;
  /** Commits what is left and lets go of the database. */
  close(): Promise<void>;
}
