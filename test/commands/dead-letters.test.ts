import { describe, expect, it, onTestFinished } from 'vitest';
import { registerDeadLetters } from '../../src/commands/dead-letters.ts';
import type { DeadLetter } from '../../src/core/ports.ts';
import { controlSocketPath, createControlApp, listenOnSocket } from '../../src/http/control.ts';
import { prepareCommand } from './running.ts';

const LETTER: DeadLetter = {
  id: 4097,
  site: 'shop',
  destination: 'klaviyo',
  eventId: 'order-1001',
  eventName: 'purchase',
  acceptedMs: Date.UTC(2026, 10, 24, 8),
  attempts: 5,
  code: 'klaviyo.400.invalid',
};

/** The command beside a running server that holds these dead letters; `retried` is what it was asked to send again. */
async function bench(letters: readonly DeadLetter[]) {
  const prepared = prepareCommand(registerDeadLetters, { onEnd: onTestFinished });
  const retried: (readonly number[] | 'all')[] = [];
  const intake = {
    deadLetters: async () => letters,
    retryDeadLetters: async (ids: readonly number[] | 'all') => {
      retried.push(ids);
      return letters.filter(({ id }) => ids === 'all' || ids.includes(id)).length;
    },
  };
  const app = createControlApp({ intake, log: { error: () => undefined } });
  const socket = await listenOnSocket(app, controlSocketPath(prepared.database));
  onTestFinished(() => socket.close());
  return { ...prepared, retried };
}

describe('dead-letters list', () => {
  it('prints a table for a person and a list for a program', async () => {
    const { run } = await bench([LETTER]);
    expect((await run('dead-letters', 'list')).out.split('\n')).toEqual([
      expect.stringMatching(/^id +time +site +destination +event_name +event_id +attempts +code$/),
      expect.stringMatching(
        /^4097 +2026-11-24T08:00:00\.000Z +shop +klaviyo +purchase +order-1001 +5 +klaviyo\.400\.invalid$/,
      ),
      '',
    ]);
    const { out, code } = await run('dead-letters', 'list', '--json');
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject([{ id: 4097, event_id: 'order-1001', attempts: 5 }]);
  });

  it('says so when there are none', async () => {
    const { run } = await bench([]);
    expect(await run('dead-letters', 'list')).toEqual({ out: 'there are no dead letters\n', err: '', code: 0 });
    expect((await run('dead-letters', 'list', '--json')).out).toBe('[]\n');
  });
});

describe('dead-letters retry', () => {
  it('asks the server for the ids that were named, each once', async () => {
    const { run, retried } = await bench([LETTER]);
    expect(await run('dead-letters', 'retry', '4097', '4097', '9')).toMatchObject({
      out: '1 queued again\n',
      err: expect.stringMatching(/^1 of these are no dead letters/),
      code: 0,
    });
    expect(retried).toEqual([[4097, 9]]);
  });

  it('sends all of them only with --yes', async () => {
    const { run, retried } = await bench([LETTER]);
    expect(await run('dead-letters', 'retry', '--all')).toMatchObject({
      code: 2,
      err: expect.stringMatching(/add --yes/),
    });
    expect(retried).toEqual([]);
    expect(await run('dead-letters', 'retry', '--all', '--yes', '--json')).toMatchObject({
      code: 0,
      out: '{"queued":1}\n',
    });
    expect(retried).toEqual(['all']);
  });

  it.each([
    [[], /name the ids to retry/],
    [['4097', '--all', '--yes'], /not both/],
    [['order-1001'], /order-1001 is no id/],
  ])('refuses %j with a sentence and exit code 2', async (args, sentence) => {
    const { run, retried } = await bench([LETTER]);
    const { err, code } = await run('dead-letters', 'retry', ...args);
    expect(code).toBe(2);
    expect(err).toMatch(sentence);
    expect(retried).toEqual([]);
  });
});

describe('without a server', () => {
  it('both say what to do next, and exit with 2', async () => {
    const { run } = prepareCommand(registerDeadLetters, { onEnd: onTestFinished });
    for (const args of [['list'], ['retry', '4097']]) {
      expect(await run('dead-letters', ...args)).toMatchObject({
        code: 2,
        out: '',
        err: expect.stringMatching(/no server is running on this database.*sluice serve/),
      });
    }
  });
});
