// Holds back a site's destination: throttled accounts for as long as they say, refused configurations until a probe works.

import type { Outcome } from '../core/delivery.ts';
import type { Claim, Clock, Outbox } from '../core/ports.ts';

export interface PauseOptions {
  readonly outbox: Outbox;
  readonly destinations: readonly string[];
  readonly clock: Clock;
  readonly probeMs: number;
  readonly events: {
    paused(destination: string, site: string, code: string): void;
    resumed(destination: string, site: string): void;
    broken(error: unknown): void;
  };
}

export interface Pauses {
  /** What to do with a job instead of sending it: park it, or try at a time; null = send it. */
  hold(claim: Claim): 'parked' | number | null;
  note(claim: Claim, outcome: Outcome): void;
  stop(): void;
}

interface Pause {
  /** The one job that may try. */
  probe: number | 'next' | null;
  readonly timer: NodeJS.Timeout;
}

/** Parked jobs that come due again in one go once a destination works. */
const UNPARK_SLICE = 1000;
const NEXT_SLICE_MS = 50;

/** Starts with every destination that has parked jobs paused, and a probe of each at once. */
export function createPauses(options: PauseOptions): Pauses {
  const { outbox, clock, events } = options;
  const pauses = new Map<string, Pause>();
  const throttledUntil = new Map<string, number>();
  let isStopped = false;
  const keyOf = (destination: string, site: string) => `${destination} ${site}`;

  const pause = (destination: string, site: string, probe: Pause['probe']): void => {
    const letOneTry = () => {
      const found = pauses.get(keyOf(destination, site));
      if (found === undefined) return;
      found.probe = 'next';
      outbox.unpark(destination, site, 1);
    };
    const timer = setInterval(letOneTry, options.probeMs);
    timer.unref();
    pauses.set(keyOf(destination, site), { probe, timer });
    if (probe === 'next') outbox.unpark(destination, site, 1);
  };

  const resume = (destination: string, site: string, found: Pause): void => {
    clearInterval(found.timer);
    pauses.delete(keyOf(destination, site));
    events.resumed(destination, site);
    unparkAll(destination, site).catch(events.broken);
  };

  const unparkAll = async (destination: string, site: string): Promise<void> => {
    if (isStopped || pauses.has(keyOf(destination, site))) return;
    outbox.unpark(destination, site, UNPARK_SLICE);
    if (!(await outbox.parkedSites(destination)).includes(site)) return;
    // The rest follows when this slice is committed; a thousand jobs are sent before that matters.
    setTimeout(() => void unparkAll(destination, site).catch(events.broken), NEXT_SLICE_MS).unref();
  };

  const pauseAgain = async (destination: string): Promise<void> => {
    for (const site of await outbox.parkedSites(destination)) pause(destination, site, 'next');
  };
  for (const destination of options.destinations) pauseAgain(destination).catch(events.broken);

  return {
    hold(claim) {
      const found = pauses.get(keyOf(claim.destination, claim.site));
      if (found !== undefined) {
        if (found.probe !== 'next' && found.probe !== claim.jobId) return 'parked';
        found.probe = claim.jobId;
        return null;
      }
      const until = throttledUntil.get(keyOf(claim.destination, claim.site)) ?? 0;
      return until > clock() ? until : null;
    },
    note(claim, outcome) {
      const key = keyOf(claim.destination, claim.site);
      const found = pauses.get(key);
      if (outcome.kind === 'misconfigured') {
        if (found === undefined) {
          pause(claim.destination, claim.site, null);
          events.paused(claim.destination, claim.site, outcome.code);
        } else found.probe = null;
        return;
      }
      if (outcome.kind === 'throttled') throttledUntil.set(key, clock() + outcome.retryAfterMs);
      if (found === undefined) return;
      // A probe that was neither taken nor refused says nothing: the next job may try.
      if (outcome.kind === 'accepted' || outcome.kind === 'refused') resume(claim.destination, claim.site, found);
      else if (found.probe === claim.jobId) found.probe = 'next';
    },
    stop() {
      isStopped = true;
      for (const { timer } of pauses.values()) clearInterval(timer);
    },
  };
}
