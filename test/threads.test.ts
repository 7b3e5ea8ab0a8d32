// The boundary between the threads: one batch for what gathers, answers in order, refusals as they are.

import { MessageChannel } from 'node:worker_threads';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Problem } from '../src/core/errors.ts';
import type { Accepted, Candidate, Intake } from '../src/core/ports.ts';
import { openSqliteStore } from '../src/store/sqlite.ts';
import { createIntakeClient, serveIntake } from '../src/threads.ts';
import { type StoreWorld, storeWorld } from './store/world.ts';

const answerOf = ({ eventId }: Candidate): Accepted => ({ duplicate: eventId === 'twice', verdicts: [] });

describe('two threads', () => {
  let channel: MessageChannel;
  let world: StoreWorld;
  let batches: string[][];
  let gate: PromiseWithResolvers<void>;
  let intake: Intake;

  beforeEach(() => {
    channel = new MessageChannel();
    world = storeWorld(openSqliteStore);
    batches = [];
    gate = Promise.withResolvers<void>();
    intake = {
      async accept(candidates) {
        batches.push(candidates.map(({ eventId }) => eventId));
        await gate.promise;
        if (candidates.some(({ eventId }) => eventId === 'broken')) throw new Error('a mistake of ours');
        return candidates.map(answerOf);
      },
      changeConsent: async () => {
        throw new Problem('unavailable', 'the disk is nearly full', { retryAfterSeconds: 7 });
      },
      health: async () => ({ ready: false, why: 'the disk is nearly full' }),
      metrics: async () => '# nothing\n',
      deadLetters: async () => [],
      retryDeadLetters: async (ids) => (ids === 'all' ? 3 : ids.length),
    };
    serveIntake(channel.port2, intake);
  });

  afterEach(() => {
    channel.port1.close();
    world.end();
  });

  const client = (maxWaiting = 1000) => createIntakeClient(channel.port1, maxWaiting);
  const candidate = (event: string) => world.candidate({ event });

  test('what comes while two batches are on their way leaves as one, and everyone gets his own answer', async () => {
    const own = client();
    const first = own.accept([candidate('a')]);
    await new Promise((resolve) => setImmediate(resolve));
    const second = own.accept([candidate('b')]);
    await new Promise((resolve) => setImmediate(resolve));
    const rest = ['c', 'twice', 'd'].map((event) => own.accept([candidate(event)]));
    gate.resolve();
    expect(await first).toEqual([{ duplicate: false, verdicts: [] }]);
    expect(await second).toHaveLength(1);
    expect((await Promise.all(rest)).map(([accepted]) => accepted?.duplicate)).toEqual([false, true, false]);
    expect(batches).toEqual([['a'], ['b'], ['c', 'twice', 'd']]);
  });

  test('more events than may wait are refused at once with a code, the others are not lost', async () => {
    const own = client(2);
    const taken = Promise.allSettled(['a', 'b', 'c', 'd'].map((event) => own.accept([candidate(event)])));
    await new Promise((resolve) => setImmediate(resolve));
    const more = Promise.allSettled(['e', 'f', 'g'].map((event) => own.accept([candidate(event)])));
    gate.resolve();
    const outcomes = [...(await taken), ...(await more)];
    const refused = outcomes.filter((outcome) => outcome.status === 'rejected');
    expect(refused.length).toBeGreaterThan(0);
    for (const { reason } of refused) expect(reason).toMatchObject({ code: 'unavailable', retryAfterSeconds: 2 });
    expect(batches.flat()).toHaveLength(outcomes.length - refused.length);
  });

  test('a refusal keeps its code and its time, a mistake is an error', async () => {
    const own = client();
    await expect(own.changeConsent(world.consentChange([], {}))).rejects.toMatchObject({
      code: 'unavailable',
      retryAfterSeconds: 7,
    });
    gate.resolve();
    await expect(own.accept([candidate('broken')])).rejects.toThrow('the store thread failed');
    expect(await own.health()).toEqual({ ready: false, why: 'the disk is nearly full' });
    expect(await own.retryDeadLetters('all')).toBe(3);
  });
});
