// Works on a store of its own, without HTTP: fills a log or a queue, or measures what accepting and claiming cost.

import { existsSync, readFileSync } from 'node:fs';
import { databaseFile } from '../../src/config/database-file.ts';
import { readConfig } from '../../src/config.ts';
import { signals } from '../../src/consent/index.ts';
import { Problem } from '../../src/core/errors.ts';
import { deriveKeys, type Keys } from '../../src/core/identity.ts';
import { createDecide } from '../../src/core/policy.ts';
import type { Candidate } from '../../src/core/ports.ts';
import type { Config } from '../../src/core/settings.ts';
import { destinations } from '../../src/destinations/index.ts';
import { openKeys } from '../../src/keys.ts';
import type { SiteRules } from '../../src/store/sqlite/context.ts';
import { openSqliteStore } from '../../src/store/sqlite.ts';
import type { Store } from '../../src/store/store.ts';
import { createIds, systemClock } from '../../src/system.ts';
import { createCandidates } from './candidates.ts';
import { quantile } from './measure.ts';
import { type StoreTask, storeTask } from './store-task.ts';
import { endWithParent, monotonicMs, readTask, tell } from './task.ts';

const LIMIT_MS = 1_800_000;
const BATCH = 500;
const RETRY_MS = 20;
const MOST_LANES = 198_600;
const HOT_LANE = 0;

type TaskOf<W extends StoreTask['work']> = Extract<StoreTask, { work: W }>;

await main(readTask(storeTask));

async function main(task: StoreTask): Promise<void> {
  endWithParent(LIMIT_MS);
  const text = readFileSync(task.configFile, 'utf8');
  const config = readConfig({ file: task.configFile, text, env: process.env, destinations });
  const exists = existsSync(databaseFile(config));
  const keys = deriveKeys(openKeys({ file: config.keys.file, databaseExists: exists }).master);
  const store = await openStore(config, keys);
  const result = await work(task, store, keys);
  store.close();
  await tell(result);
  process.disconnect();
}

function openStore(config: Config, keys: Keys): Promise<Store> {
  return openSqliteStore({
    file: databaseFile(config),
    keys,
    decide: createDecide(signals),
    sites: new Map(config.sites.map((site) => [site.id, { policy: site.policy, destinations: rules() }])),
    destinations: destinations.map(({ id }) => id),
    clock: systemClock,
    ids: createIds(),
    maxDueJobs: 1_000_000_000,
    minFreeBytes: config.delivery.minFreeBytes,
    keepDeadLettersMs: config.delivery.keepDeadLettersMs,
    about: { bench: 'store' },
    onBroken: () => process.exit(1),
  });
}

/** Every destination takes every event. */
function rules(): SiteRules['destinations'] {
  return destinations.map(({ id, maxAgeMs }, place) => ({
    id,
    place,
    configured: true,
    paused: false,
    maxAgeMs,
    waitMs: place === 0 ? 0 : 86_400_000,
    maps: () => true,
    isTransactional: () => false,
  }));
}

function work(task: StoreTask, store: Store, keys: Keys): Promise<object> {
  switch (task.work) {
    case 'fill-log':
      return fill(store, task.events, maker(keys, 'drop', { hot: 0, lanes: MOST_LANES }));
    case 'fill-queue':
      return fill(store, task.events, maker(keys, 'permit', task));
    case 'accept':
      return measureAccept(store, keys, task);
    case 'claim':
      return measureClaim(store, task);
  }
}

type Make = (number: number) => Candidate;

/** The first `hot` events are of one person, the others go round `lanes` persons. */
function maker(keys: Keys, consent: 'permit' | 'drop', { hot, lanes }: { hot: number; lanes: number }): Make {
  const make = createCandidates({ keys, ids: createIds(), nowMs: Date.now(), consent });
  return (number) => make(number < hot ? HOT_LANE : 1 + ((number - hot) % lanes));
}

async function fill(store: Store, events: number, make: Make): Promise<object> {
  const began = monotonicMs();
  for (let done = 0; done < events; done += BATCH) {
    const size = Math.min(BATCH, events - done);
    await accept(
      store,
      Array.from({ length: size }, (_, i) => make(done + i)),
    );
  }
  return { events, elapsedMs: monotonicMs() - began };
}

/** Where the store asks for patience (its look-ups lag behind), it is given. */
async function accept(store: Store, candidates: readonly Candidate[]): Promise<void> {
  for (;;) {
    try {
      await store.accept(candidates);
      return;
    } catch (error) {
      if (!(error instanceof Problem) || error.code !== 'unavailable') throw error;
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}

async function measureAccept(store: Store, keys: Keys, task: TaskOf<'accept'>): Promise<object> {
  const make = maker(keys, 'permit', { hot: 0, lanes: MOST_LANES });
  let made = 0;
  const run = async (untilMs: number): Promise<readonly number[]> => {
    const times: number[] = [];
    while (monotonicMs() < untilMs) {
      const batch = Array.from({ length: task.batch }, () => make(made++));
      const began = monotonicMs();
      await accept(store, batch);
      times.push(monotonicMs() - began);
    }
    return times;
  };
  await run(monotonicMs() + task.warmUpMs);
  const began = monotonicMs();
  const before = process.cpuUsage();
  const times = await run(began + task.measuredMs);
  const cpu = process.cpuUsage(before);
  const events = times.length * task.batch;
  return {
    eventsPerSecond: (events * 1000) / (monotonicMs() - began),
    cpuUsPerEvent: (cpu.user + cpu.system) / events,
    batchP50Ms: quantile(times, 0.5),
    batchP99Ms: quantile(times, 0.99),
    acknowledged: made,
  };
}

async function measureClaim(store: Store, task: TaskOf<'claim'>): Promise<object> {
  const [first] = destinations;
  if (first === undefined) throw new Error('there is no destination');
  const times: number[] = [];
  let jobs = 0;
  for (let i = 0; i < task.times; i++) {
    const began = monotonicMs();
    const runs = await store.outbox.claim(first.id, { jobs: task.limit, runLength: 1 });
    times.push(monotonicMs() - began);
    const claims = runs.flat();
    jobs += claims.length;
    for (const claim of claims) store.outbox.unclaim(claim);
  }
  return { jobs, p50Ms: quantile(times, 0.5), maxMs: quantile(times, 1) };
}
