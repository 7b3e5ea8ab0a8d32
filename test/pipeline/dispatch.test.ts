// The dispatcher over a real store: look again, send, settle; what holds a destination back; and order as a law.

import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { signals } from '../../src/consent/index.ts';
import type { Outcome } from '../../src/core/delivery.ts';
import { createDecide } from '../../src/core/policy.ts';
import { identifyPolicy, type Policy } from '../../src/core/policy-file.ts';
import type { Claim, Delivery, OpenDestination, Settlement } from '../../src/core/ports.ts';
import { payloadBinding, unseal } from '../../src/core/seal.ts';
import { createDispatcher, type Dispatcher } from '../../src/pipeline/dispatch.ts';
import { openSqliteStore } from '../../src/store/sqlite.ts';
import type { Store } from '../../src/store/store.ts';
import { countedIds } from '../ids.ts';
import { defaultPolicy } from '../policies.ts';
import { refused, type StoreWorld, storeWorld } from '../store/world.ts';

const ACCEPTED: Outcome = { kind: 'accepted', httpStatus: 200, traceId: null };
const REFUSED: Outcome = { kind: 'refused', httpStatus: 400, code: 'meta.100.2804003', traceId: null };
const TRANSIENT: Outcome = {
  kind: 'transient',
  httpStatus: 500,
  code: 'http.500',
  traceId: null,
  retryAfterMs: null,
  unknown: true,
};
const THROTTLED: Outcome = {
  kind: 'throttled',
  httpStatus: 429,
  code: 'klaviyo.429',
  traceId: null,
  retryAfterMs: 3000,
};
const MISCONFIGURED: Outcome = { kind: 'misconfigured', httpStatus: 401, code: 'meta.190', traceId: null };

interface Send {
  readonly destination: string;
  readonly eventId: string;
  readonly delivery: Delivery;
}

type Answer = (send: Send, signal: AbortSignal) => Outcome | Promise<Outcome>;

/** A dispatcher whose destinations answer as the test says, and whose every recorded outcome can be waited for. */
function dispatchWorld(world: StoreWorld, store: Store, change: { policy?: Policy; batchMax?: number } = {}) {
  const sends: Send[] = [];
  const requests: string[][] = [];
  const outcomes: string[] = [];
  const reports: string[] = [];
  const failures: unknown[] = [];
  const waiters: (() => void)[] = [];
  let answer: Answer = () => ACCEPTED;
  const opened = (destination: string): OpenDestination => ({
    batchMax: destination === 'meta' ? (change.batchMax ?? 1) : 1,
    close: async () => undefined,
    send: async (deliveries, signal) => {
      requests.push(deliveries.map(({ event }) => event.eventId));
      const own = deliveries.map((delivery) => ({ destination, eventId: delivery.event.eventId, delivery }));
      sends.push(...own);
      const outcomes = await Promise.all(own.map((send) => answer(send, signal)));
      // As Meta does: one bad event and the whole request is refused.
      const worst = outcomes.find(({ kind }) => kind !== 'accepted');
      return outcomes.map((outcome) => ({ outcome: worst ?? outcome, backfill: false }));
    },
  });
  const outlets = new Map(['meta', 'klaviyo'].map((id) => [id, opened(id)]));
  const dispatcher: Dispatcher = createDispatcher({
    outbox: store.outbox,
    destinations: ['meta', 'klaviyo'],
    batching: (destination) => ({ max: destination === 'meta' ? (change.batchMax ?? 1) : 1, lingerMs: 0 }),
    outlet: (destination) => {
      const open = outlets.get(destination);
      const retry = { scheduleMs: [1000], maxRetryAfterMs: 60_000, giveUpAfterMs: 3_600_000 };
      return open === undefined
        ? null
        : {
            policy: change.policy ?? defaultPolicy,
            maxAgeMs: destination === 'meta' ? 7 * 86_400_000 : null,
            retry,
            isPaused: false,
            isTransactional: (name: string) => destination === 'klaviyo' && name === 'transactional',
            open,
          };
    },
    unseal: (claim: Claim) =>
      JSON.parse(unseal(world.keys.seal, claim.sealed, payloadBinding(claim.site, claim.sealId))),
    decide: createDecide(signals),
    clock: world.now,
    ids: countedIds(),
    inFlight: 16,
    probeMs: 60_000,
    events: {
      delivered({ claim, outcome }) {
        outcomes.push(`${claim.destination} ${outcome}`);
        for (const wake of waiters.splice(0)) wake();
      },
      paused: (destination, _site, code) => reports.push(`paused ${destination} ${code}`),
      resumed: (destination) => reports.push(`resumed ${destination}`),
      failing: (destination, isFailing) => reports.push(`failing ${destination} ${isFailing}`),
      orderViolation: () => reports.push('order violation'),
      failed: (_claim, error) => failures.push(error),
      broken: (error) => failures.push(error),
    },
  });
  store.onCommit(() => dispatcher.wake());
  return {
    sends,
    requests,
    outcomes,
    reports,
    failures,
    dispatcher,
    answer(next: Answer) {
      answer = next;
    },
    /** Moves the clock and looks for what is due now. */
    pass(ms: number) {
      world.pass(ms);
      dispatcher.wake();
    },
    /** Resolves when so many outcomes are recorded. */
    async recorded(count: number): Promise<readonly string[]> {
      while (outcomes.length < count) await new Promise<void>((resolve) => waiters.push(resolve));
      return outcomes;
    },
  };
}

let world: StoreWorld;
let store: Store;

beforeEach(async () => {
  world = storeWorld(openSqliteStore);
  store = await world.open();
});

afterEach(() => world.end());

const stop = (dispatcher: Dispatcher) => dispatcher.stop(0);

describe('the trip of one event', () => {
  test('Meta first, Klaviyo after Meta is settled and told how', async () => {
    const run = dispatchWorld(world, store);
    await store.accept([world.candidate({ event: 'e1' })]);
    expect(await run.recorded(2)).toEqual(['meta accepted', 'klaviyo accepted']);
    expect(run.sends.map(({ destination, eventId }) => `${destination} ${eventId}`)).toEqual(['meta e1', 'klaviyo e1']);
    expect(run.sends[1]?.delivery.capiStatus).toBe('sent');
    await stop(run.dispatcher);
  });

  test('a hanging Meta stops Klaviyo for its wait and no longer', async () => {
    const run = dispatchWorld(world, store);
    const meta = Promise.withResolvers<Outcome>();
    run.answer(({ destination }) => (destination === 'meta' ? meta.promise : ACCEPTED));
    await store.accept([world.candidate({ event: 'e1' })]);
    run.pass(30_000);
    expect(await run.recorded(1)).toEqual(['klaviyo accepted']);
    expect(run.sends.at(-1)?.delivery.capiStatus).toBe('deferred');
    meta.resolve(ACCEPTED);
    expect(await run.recorded(2)).toEqual(['klaviyo accepted', 'meta accepted']);
    await stop(run.dispatcher);
  });

  test('a dead Klaviyo does not delay Meta, not even in the same lane', async () => {
    const run = dispatchWorld(world, store);
    run.answer(({ destination }, signal) => (destination === 'klaviyo' ? hang(signal) : ACCEPTED));
    await store.accept(['e1', 'e2', 'e3'].map((event) => world.candidate({ event })));
    expect(await run.recorded(3)).toEqual(['meta accepted', 'meta accepted', 'meta accepted']);
    await stop(run.dispatcher);
  });

  test('retries repeat the event and are not sent before they are due', async () => {
    const run = dispatchWorld(world, store);
    let attempts = 0;
    run.answer(({ destination }) => {
      if (destination === 'meta') attempts += 1;
      return destination === 'meta' && attempts < 3 ? TRANSIENT : ACCEPTED;
    });
    await store.accept([world.candidate({ event: 'e1' })]);
    await run.recorded(1);
    expect(run.sends).toHaveLength(1);
    run.pass(1000);
    await run.recorded(2);
    run.pass(1000);
    expect(await run.recorded(4)).toEqual(['meta retrying', 'meta retrying', 'meta accepted', 'klaviyo accepted']);
    const [first, ...others] = run.sends
      .filter(({ destination }) => destination === 'meta')
      .map(({ delivery }) => delivery.event);
    for (const other of others) expect(other).toEqual(first);
    await stop(run.dispatcher);
  });

  test('it is given up when its time is over, and Klaviyo is told failed', async () => {
    const run = dispatchWorld(world, store);
    run.answer(({ destination }, signal) => (destination === 'meta' ? TRANSIENT : hang(signal)));
    await store.accept([world.candidate({ event: 'e1' })]);
    await run.recorded(1);
    run.answer(({ destination }) => (destination === 'meta' ? TRANSIENT : ACCEPTED));
    world.pass(3_600_000);
    run.dispatcher.wake();
    expect(await run.recorded(2)).toContain('meta gave_up');
    await stop(run.dispatcher);
  });
});

describe('the look before each send', () => {
  test('an attempt that fails after a withdrawal is not repeated', async () => {
    const run = dispatchWorld(world, store);
    const begun = Promise.withResolvers<void>();
    const answered = Promise.withResolvers<Outcome>();
    run.answer(() => {
      begun.resolve();
      return answered.promise;
    });
    await store.accept([world.candidate({ event: 'e1' })]);
    await begun.promise;
    await store.changeConsent(world.consentChange(['anna'], refused(world.now())));
    answered.resolve(TRANSIENT);
    await run.recorded(1);
    run.pass(1000);
    expect(await run.recorded(2)).toEqual(['meta retrying', 'meta cancelled']);
    expect(run.sends).toHaveLength(1);
    await stop(run.dispatcher);
  });

  test('consent that expired while the event waited cancels it with its code', async () => {
    const run = dispatchWorld(world, store);
    const settlements: Settlement[] = [];
    const settle = store.outbox.settle;
    store.outbox.settle = (settlement) => {
      settlements.push(settlement);
      return settle(settlement);
    };
    run.answer(() => TRANSIENT);
    await store.accept([world.candidate({ event: 'e1' })]);
    await run.recorded(1);
    run.pass(400 * 86_400_000);
    await run.recorded(2);
    expect(settlements[1]).toMatchObject({ outcome: 'cancelled', code: 'consent.expired', startedSeq: null });
    await stop(run.dispatcher);
  });

  test('a stricter policy in force at the send cancels, and the permit of before does not help', async () => {
    const strict = identifyPolicy({
      ...defaultPolicy,
      id: 'strict',
      destinations: {
        ...defaultPolicy.destinations,
        meta: { optOut: 'drop', events: [], onetrust: { groups: ['C0009'] } },
      },
    });
    const run = dispatchWorld(world, store, { policy: strict });
    await store.accept([world.candidate({ event: 'e1' })]);
    expect(await run.recorded(1)).toEqual(['meta cancelled']);
    expect(run.sends).toEqual([]);
    await stop(run.dispatcher);
  });
});

describe('what holds a destination back', () => {
  test('a throttled account sends nothing before its time is over, other destinations go on', async () => {
    const run = dispatchWorld(world, store);
    let throttled = 0;
    run.answer(({ destination }) => {
      if (destination === 'meta') return ACCEPTED;
      throttled += 1;
      return throttled === 1 ? THROTTLED : ACCEPTED;
    });
    await store.accept([world.candidate({ event: 'e1', visitor: 'a' })]);
    await run.recorded(2);
    await store.accept([world.candidate({ event: 'e2', visitor: 'b' })]);
    expect(await run.recorded(3)).toEqual(['meta accepted', 'klaviyo retrying', 'meta accepted']);
    run.pass(2999);
    expect(run.sends.filter(({ destination }) => destination === 'klaviyo')).toHaveLength(1);
    run.pass(1);
    expect((await run.recorded(5)).slice(3)).toEqual(['klaviyo accepted', 'klaviyo accepted']);
    await stop(run.dispatcher);
  });

  test('a refused configuration pauses the destination, keeps its events, and one probe lets all go on', async () => {
    const run = dispatchWorld(world, store);
    run.answer(({ destination }) => (destination === 'meta' ? MISCONFIGURED : ACCEPTED));
    await store.accept([world.candidate({ event: 'e0', visitor: 'first' })]);
    await run.recorded(1);
    for (const visitor of ['a', 'b', 'c']) await store.accept([world.candidate({ event: visitor, visitor })]);
    await until(async () => (await store.queue('meta')).paused === 4, store);
    expect(run.reports).toEqual(['paused meta meta.190']);
    expect(run.sends).toHaveLength(1);
    await stop(run.dispatcher);

    store = await world.reopen();
    const again = dispatchWorld(world, store);
    again.dispatcher.wake();
    await again.recorded(8);
    expect(again.outcomes.filter((outcome) => outcome === 'meta accepted')).toHaveLength(4);
    expect(again.reports).toEqual(['resumed meta']);
    await stop(again.dispatcher);
  });

  test('an event that makes us fail is put aside after three attempts and its neighbours are not', async () => {
    const run = dispatchWorld(world, store);
    run.answer(({ eventId }) => {
      if (eventId === 'poison') throw new Error('mapping failed');
      return ACCEPTED;
    });
    await store.accept([
      world.candidate({ event: 'poison', visitor: 'a' }),
      world.candidate({ event: 'fine', visitor: 'b' }),
    ]);
    await until(() => run.outcomes.includes('klaviyo accepted'), store);
    for (let attempt = 1; attempt < 3; attempt += 1) {
      await until(() => run.failures.length >= attempt, store);
      run.pass(1000);
    }
    await until(() => run.outcomes.includes('meta gave_up'), store);
    expect((await store.deadLetters()).filter(({ destination }) => destination === 'meta')).toMatchObject([
      { eventId: 'poison', code: 'internal.error' },
    ]);
    await stop(run.dispatcher);
  });

  test('a stop aborts what is under way and leaves it queued with its outcome unknown', async () => {
    const run = dispatchWorld(world, store);
    const begun = new Promise<void>((resolve) =>
      run.answer((_send, signal) => {
        resolve();
        return new Promise((end) =>
          signal.addEventListener('abort', () => end({ ...TRANSIENT, code: 'http.aborted' })),
        );
      }),
    );
    await store.accept([world.candidate({ event: 'e1' })]);
    await begun;
    await stop(run.dispatcher);
    const reopened = await world.reopen();
    expect((await reopened.outbox.claim('meta', { jobs: 1, runLength: 1 })).flat()).toMatchObject([{ attempt: 0 }]);
  });
});

describe('events that are due together', () => {
  const events = Array.from({ length: 20 }, (_, i) => `e${i}`);
  const atMeta = (run: ReturnType<typeof dispatchWorld>) =>
    run.sends.filter(({ destination }) => destination === 'meta');

  test('leave in one request, a lane in its order within it', async () => {
    const run = dispatchWorld(world, store, { batchMax: 100 });
    await store.accept(events.map((event, i) => world.candidate({ event, visitor: `v${i % 3}` })));
    await run.recorded(40);
    expect(run.requests[0]).toHaveLength(20);
    for (const lane of [0, 1, 2]) {
      const own = (run.requests[0] ?? []).filter((id) => Number(id.slice(1)) % 3 === lane);
      expect(own).toEqual(events.filter((_, i) => i % 3 === lane));
    }
    await stop(run.dispatcher);
  });

  test('a refused company is divided until the culprit stands alone, and only it is refused', async () => {
    const run = dispatchWorld(world, store, { batchMax: 100 });
    run.answer(({ destination, eventId }) => (destination === 'meta' && eventId === 'e13' ? REFUSED : ACCEPTED));
    await store.accept(events.map((event, i) => world.candidate({ event, visitor: `v${i}` })));
    await until(() => run.outcomes.filter((one) => one === 'klaviyo accepted').length === 20, store);
    expect(run.outcomes.filter((one) => one === 'meta accepted')).toHaveLength(19);
    expect(run.outcomes.filter((one) => one === 'meta refused')).toHaveLength(1);
    expect(atMeta(run).filter(({ eventId }) => eventId === 'e13').length).toBeLessThanOrEqual(6);
    expect(await store.deadLetters()).toMatchObject([{ eventId: 'e13', destination: 'meta' }]);
    await stop(run.dispatcher);
  });

  test('one that makes its company fail for a while ends up alone, and holds up no other lane', async () => {
    const run = dispatchWorld(world, store, { batchMax: 100 });
    run.answer(({ destination, eventId }) => (destination === 'meta' && eventId === 'e7' ? TRANSIENT : ACCEPTED));
    await store.accept(events.map((event, i) => world.candidate({ event, visitor: `v${i}` })));
    for (let round = 0; round < 8; round += 1) {
      const before = run.outcomes.length;
      await run.recorded(before + 1);
      run.pass(1000);
    }
    await until(() => run.outcomes.filter((one) => one === 'meta accepted').length === 19, store);
    expect(run.requests.filter((request) => request.includes('e7')).at(-1)).toEqual(['e7']);
    await stop(run.dispatcher);
  });

  test('a lane does not pass what has to be tried again', async () => {
    const run = dispatchWorld(world, store, { batchMax: 100 });
    run.answer(({ destination, delivery }) => {
      if (destination !== 'meta') return ACCEPTED;
      return delivery.event.eventId === 'e0' && run.requests.length === 1 ? TRANSIENT : ACCEPTED;
    });
    await store.accept(events.slice(0, 4).map((event) => world.candidate({ event, visitor: 'anna' })));
    await until(() => run.outcomes.filter((one) => one === 'meta retrying').length === 4, store);
    run.pass(1000);
    await until(() => run.outcomes.filter((one) => one === 'klaviyo accepted').length === 4, store);
    const later = run.requests
      .slice(1)
      .flat()
      .filter((id, i, all) => all.indexOf(id) === i);
    expect(later).toEqual(['e0', 'e1', 'e2', 'e3']);
    await stop(run.dispatcher);
  });
});

describe('order as a law', () => {
  test('whatever destinations answer, a lane leaves in the order of acceptance and Klaviyo never before Meta is settled', async () => {
    const outcome = fc.constantFrom(ACCEPTED, REFUSED, TRANSIENT);
    const plan = fc.array(
      fc.record({
        visitor: fc.constantFrom('a', 'b', 'c'),
        meta: fc.array(outcome, { maxLength: 2 }),
        klaviyo: fc.array(outcome, { maxLength: 2 }),
      }),
      { minLength: 1, maxLength: 12 },
    );
    await fc.assert(
      fc.asyncProperty(plan, async (events) => {
        const own = storeWorld(openSqliteStore);
        const ownStore = await own.open();
        const run = dispatchWorld(own, ownStore);
        const left = new Map(
          events.flatMap(
            ({ meta, klaviyo }, i) =>
              [
                [`meta e${i}`, [...meta]],
                [`klaviyo e${i}`, [...klaviyo]],
              ] as [string, Outcome[]][],
          ),
        );
        run.answer(({ destination, eventId }) => left.get(`${destination} ${eventId}`)?.shift() ?? ACCEPTED);
        await ownStore.accept(events.map(({ visitor }, i) => own.candidate({ event: `e${i}`, visitor })));
        while (run.outcomes.filter((one) => !one.endsWith('retrying')).length < events.length * 2) {
          await run.recorded(run.outcomes.length + 1 - Number(run.outcomes.some((one) => one.endsWith('retrying'))));
          run.pass(1000);
          await turn();
        }
        await stop(run.dispatcher);
        await own.end();
        expectOrder(
          run.sends,
          events.map(({ visitor }) => visitor),
        );
      }),
      { numRuns: 15 },
    );
  });
});

function expectOrder(sends: readonly Send[], visitors: readonly string[]): void {
  const number = (eventId: string) => Number(eventId.slice(1));
  for (const destination of ['meta', 'klaviyo']) {
    for (const visitor of new Set(visitors)) {
      const lane = sends
        .filter((send) => send.destination === destination && visitors[number(send.eventId)] === visitor)
        .map(({ eventId }) => number(eventId));
      expect(lane).toEqual([...lane].sort((a, b) => a - b));
    }
  }
  for (const [at, send] of sends.entries()) {
    if (send.destination !== 'klaviyo' || send.delivery.capiStatus === 'deferred') continue;
    const later = sends.slice(at).some((other) => other.destination === 'meta' && other.eventId === send.eventId);
    expect(later).toBe(false);
  }
}

/** No answer until the dispatcher stops. */
function hang(signal: AbortSignal): Promise<Outcome> {
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(TRANSIENT)));
}

/** Resolves after the next turn of the event loop. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Resolves when the condition holds after a commit. */
async function until(condition: () => boolean | Promise<boolean>, of: Store): Promise<void> {
  while (!(await condition())) await new Promise<void>((resolve) => of.onCommit(() => resolve()));
}
