// The dispatcher: claims what is due per destination, and keeps so many requests under way. Order is the store's (heads of
// lanes, releases); this loop only never sends what is not released.

import type { Outcome } from '../core/delivery.ts';
import type { Claim } from '../core/ports.ts';
import { type AttemptOptions, createAttempt, type Outlet } from './attempt.ts';
import { type Company, formCompanies } from './company.ts';
import { createPauses } from './pause.ts';

export interface DispatchEvents {
  delivered: AttemptOptions['events']['delivered'];
  orderViolation(claim: Claim): void;
  failed(claim: Claim, error: unknown): void;
  /** One line for the operator: a destination paused or resumed. */
  paused(destination: string, site: string, code: string): void;
  resumed(destination: string, site: string): void;
  failing(destination: string, isFailing: boolean): void;
  /** The state can no longer be trusted. */
  broken(error: unknown): void;
}

export interface DispatchOptions extends Omit<AttemptOptions, 'signal' | 'heard' | 'events'> {
  /** Destinations in the order of dispatch. */
  readonly destinations: readonly string[];
  outlet(destination: string, site: string): Outlet | null;
  /** The largest request of a destination, and how long what is due may wait for company. */
  batching(destination: string): { readonly max: number; readonly lingerMs: number };
  /** Requests under way at once, per destination. */
  readonly inFlight: number;
  readonly events: DispatchEvents;
}

export interface Dispatcher {
  /** Something may be due: called after each commit. */
  wake(): void;
  /** Claims nothing more; resolves when what is under way has ended, or was aborted after `graceMs`. */
  stop(graceMs: number): Promise<void>;
}

const LONGEST_SLEEP_MS = 60_000;
const FAILING_AFTER = 10;
/** Beyond the grace for requests under way: time to record what they came to. */
const RECORD_MS = 3000;

interface Line {
  readonly id: string;
  readonly max: number;
  readonly lingerMs: number;
  busy: number;
  isClaiming: boolean;
  again: boolean;
  failures: number;
  /** Sleeps until the next job comes due. */
  timer: NodeJS.Timeout | null;
  /** Looks soon: many ends and commits in one turn make one claim. */
  soon: NodeJS.Immediate | NodeJS.Timeout | null;
}

/** Starts dispatching. */
export function createDispatcher(options: DispatchOptions): Dispatcher {
  const { outbox, clock, events } = options;
  const abort = new AbortController();
  const underWay = new Set<Promise<void>>();
  const pauses = createPauses(options);
  const lines = options.destinations.map(
    (id): Line => ({
      id,
      ...options.batching(id),
      busy: 0,
      isClaiming: false,
      again: false,
      failures: 0,
      timer: null,
      soon: null,
    }),
  );
  const attempt = createAttempt({ ...options, signal: abort.signal, heard });
  let isStopping = false;

  function pumpSoon(line: Line): void {
    if (isStopping || line.soon !== null || line.busy >= options.inFlight) return;
    const look = () => {
      line.soon = null;
      pump(line);
    };
    line.soon = line.lingerMs > 0 ? setTimeout(look, line.lingerMs) : setImmediate(look);
  }

  /** One claim at a time: who calls meanwhile is answered by another one after it. */
  function pump(line: Line): void {
    if (isStopping) return;
    if (line.isClaiming) {
      line.again = true;
      return;
    }
    line.isClaiming = true;
    const work = claimAndBegin(line).catch(events.broken);
    underWay.add(work);
    void work.finally(() => {
      underWay.delete(work);
      line.isClaiming = false;
      if (line.again) pumpSoon(line);
      line.again = false;
    });
  }

  async function claimAndBegin(line: Line): Promise<void> {
    const free = options.inFlight - line.busy;
    const limit = { jobs: line.max > 1 && free > 0 ? line.max : free, runLength: line.max };
    const claimed = await outbox.claim(line.id, limit);
    const runs = claimed.map((run) => run.filter(mayGo)).filter((run) => run.length > 0);
    const batchMax = (site: string) => options.outlet(line.id, site)?.open.batchMax ?? 1;
    for (const company of formCompanies(runs, batchMax, (claim) => outbox.unclaim(claim))) begin(line, company);
    sleepUntil(line, await outbox.nextDueMs(line.id));
  }

  /** False when the job waits instead: for a throttled account, or with a paused destination. */
  function mayGo(claim: Claim): boolean {
    const hold = pauses.hold(claim);
    if (hold === 'parked') outbox.park(claim);
    else if (hold !== null) outbox.postpone(claim, hold);
    return hold === null;
  }

  function begin(line: Line, { site, claims }: Company): void {
    line.busy += 1;
    const work = attempt(claims, options.outlet(line.id, site)).catch(events.broken);
    underWay.add(work);
    void work.finally(() => {
      underWay.delete(work);
      line.busy -= 1;
      pumpSoon(line);
    });
  }

  function sleepUntil(line: Line, dueMs: number | null): void {
    if (line.timer !== null) clearTimeout(line.timer);
    if (isStopping) return;
    const waitMs = dueMs === null ? LONGEST_SLEEP_MS : Math.min(LONGEST_SLEEP_MS, Math.max(1, dueMs - clock()));
    line.timer = setTimeout(() => pump(line), waitMs);
    line.timer.unref();
  }

  function heard(claim: Claim, outcome: Outcome): void {
    if (abort.signal.aborted && outcome.kind === 'transient') return;
    pauses.note(claim, outcome);
    const line = lines.find(({ id }) => id === claim.destination);
    if (line === undefined) return;
    const wasFailing = line.failures >= FAILING_AFTER;
    if (outcome.kind === 'transient' || outcome.kind === 'misconfigured') line.failures += 1;
    else if (outcome.kind === 'accepted' || outcome.kind === 'refused') line.failures = 0;
    const isFailing = line.failures >= FAILING_AFTER;
    if (isFailing !== wasFailing) events.failing(line.id, isFailing);
  }

  return {
    wake() {
      for (const line of lines) pumpSoon(line);
    },
    async stop(graceMs) {
      isStopping = true;
      pauses.stop();
      for (const line of lines) if (line.timer !== null) clearTimeout(line.timer);
      const deadline = setTimeout(() => abort.abort(), graceMs);
      const { promise: giveUp, resolve } = Promise.withResolvers<void>();
      // An outcome that cannot be recorded (a full disk) stays unknown, and the event is sent again with the same id.
      const last = setTimeout(resolve, graceMs + RECORD_MS);
      await Promise.race([Promise.allSettled([...underWay]), giveUp]);
      clearTimeout(deadline);
      clearTimeout(last);
    },
  };
}
