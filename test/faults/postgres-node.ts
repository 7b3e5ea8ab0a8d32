// A node as a process of its own, so that a test can pause and kill it. It accepts events of its own where it is told to, sends
// what is due to nobody, and says what it does, one line each.

import { openPostgresStore } from '../../src/store/postgres.ts';
import { storeWorld } from '../store/world.ts';
import { nodeOptions } from './postgres-options.ts';

const [url = '', node = '', accepts = ''] = process.argv.slice(2);
const say = (text: string) => process.stdout.write(`${text}\n`);

const world = storeWorld(async ({ file: _file, minFreeBytes: _free, ...options }) =>
  openPostgresStore({ ...options, ids: uniqueIds(), ...nodeOptions(url, node) }),
);
const store = await world.open();
say('ready');

function uniqueIds() {
  const bytes = (count: number) => Buffer.from(crypto.getRandomValues(new Uint8Array(count))).toString('latin1');
  return { uuid: () => crypto.randomUUID(), bytes, random: Math.random };
}

let isBusy = false;
async function send(): Promise<void> {
  if (isBusy) return;
  isBusy = true;
  for (const destination of ['meta', 'klaviyo']) {
    for (const claim of (await store.outbox.claim(destination, { jobs: 4, runLength: 1 })).flat()) {
      const startedSeq = store.outbox.newestSeq();
      const { erased } = await store.outbox.look(claim);
      if (!erased) say(`sending ${claim.jobId}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
      const unsent = { outcome: 'cancelled', startedSeq: null } as const;
      await store.outbox.settle(world.settlement(claim, erased ? unsent : { startedSeq }));
      say(`ended ${claim.jobId}`);
    }
  }
  isBusy = false;
}

let count = 0;
async function accept(): Promise<void> {
  count += 1;
  const event = `${node} ${count}`;
  const accepted = await store.accept([world.candidate({ event, visitor: `v${count % 97}` })]).catch(() => []);
  if (accepted.length > 0) say(`accepted ${event}`);
}

setInterval(() => void send(), 20);
if (accepts === 'accept') setInterval(() => void accept(), 60);
