// What a node does every second: renew its leases, count the backlog, wake for what a notice may have missed; and every hour
// what keeps the tables small.

import type { Backlog } from './backlog.ts';
import type { Claims } from './claims.ts';
import type { Committer } from './committer.ts';
import type { PostgresOptions } from './context.ts';
import type { DeadLetters } from './dead-letters.ts';
import { nameFailure } from './failure.ts';
import type { Leases } from './leases.ts';
import type { Link } from './link.ts';
import type { Notices } from './notices.ts';
import { makeMonths } from './start.ts';

export interface Housekeeping {
  tick(): Promise<void>;
  unready(): string | null;
  onWake(listener: () => void): void;
  stop(): void;
}

export interface HousekeepingOptions {
  readonly options: PostgresOptions;
  readonly committer: Committer;
  readonly leases: Leases;
  readonly claims: Claims;
  readonly backlog: Backlog;
  readonly letters: DeadLetters;
  readonly notices: Notices;
  readonly watch: Link;
}

const HOUR_MS = 3_600_000;
const SWEEP_EVERY_TICKS = 10;
const DAY_MS = 86_400_000;
/** Days beyond the window of duplicates after which an id is forgotten. */
const FORGET_AFTER_DAYS = 9;
const FORGET_SEEN = {
  name: 'forget seen',
  text: 'DELETE FROM seen WHERE key IN (SELECT key FROM seen WHERE day < $1 LIMIT 10000)',
};

/** Starts ticking. */
export function createHousekeeping(parts: HousekeepingOptions): Housekeeping {
  const { options, committer, leases, claims, backlog } = parts;
  const listeners: (() => void)[] = [];
  let failure: string | null = null;
  let ticks = 0;
  let isTicking = false;
  let isStopped = false;
  const wake = () => {
    if (!isStopped) for (const listener of listeners) listener();
  };

  async function tick(): Promise<void> {
    if (isTicking || isStopped) return;
    isTicking = true;
    try {
      const taken = await leases.tick(committer.head());
      const swept = ticks % SWEEP_EVERY_TICKS === 0 ? [...leases.held().keys()] : taken;
      if (swept.length > 0) await claims.sweep(swept);
      await backlog.refresh();
      await parts.notices.listen(wake);
      failure = null;
      ticks += 1;
      if (taken.length > 0 || leases.hasOthers()) wake();
    } catch (error) {
      failure = nameFailure(error);
    }
    isTicking = false;
  }

  const timer = setInterval(() => void tick(), options.tickMs);
  timer.unref();
  const hourly = setInterval(() => void tidy(parts).catch(() => undefined), HOUR_MS);
  hourly.unref();
  return {
    tick,
    unready: () => (failure === null ? null : `the database cannot be asked (${failure})`),
    onWake: (listener) => void listeners.push(listener),
    stop() {
      isStopped = true;
      clearInterval(timer);
      clearInterval(hourly);
    },
  };
}

async function tidy({ options, committer, letters, watch }: HousekeepingOptions): Promise<void> {
  const nowMs = options.clock();
  await makeMonths(watch, nowMs);
  await watch.query(FORGET_SEEN, [Math.floor(nowMs / DAY_MS) - FORGET_AFTER_DAYS]);
  const ids = await letters.expired(nowMs - options.keepDeadLettersMs);
  if (ids.length === 0) return;
  await new Promise<number>((done, failed) => committer.enqueue(letters.forget(ids, { done, failed }), 'patient'));
}
