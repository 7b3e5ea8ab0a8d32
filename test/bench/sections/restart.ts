// Section `restart`: a queue that was left behind, part of it one hot lane: how soon the server is ready, how much memory
// it takes, and what a claim costs.

import { statSync } from 'node:fs';
import { type Core, coresOf, type Layout } from '../child.ts';
import { fakesReady } from '../fakes.ts';
import { sampleMemory } from '../measure.ts';
import { createSetup, type Place, type Setup, startProduct } from '../product.ts';
import { runStore } from '../store-run.ts';
import { claimed, filled } from '../store-task.ts';
import { monotonicMs } from '../task.ts';
import { startFakes } from './throughput.ts';

interface Start {
  readonly layout: Layout;
  readonly readyMs: number;
  readonly rssMb: number | null;
  readonly peakMb: number | null;
  /** One reading of /metrics: while it lasts the store does nothing else. */
  readonly metricsMs: number;
}

export interface RestartResult {
  readonly jobs: number;
  readonly hotLane: number;
  readonly databaseMb: number;
  readonly fillSeconds: number;
  readonly starts: readonly Start[];
  /** Of 64 jobs, behind the hot lane. */
  readonly claimP50Ms: number;
  readonly claimMaxMs: number;
  readonly claimedJobs: number;
  readonly faults: readonly string[];
}

export interface RestartOptions {
  readonly place: Place;
  /** Two an event. */
  readonly jobs: number;
  /** Events of one visitor that stand in front of all others. */
  readonly hotLane: number;
  readonly lanes: number;
  readonly rounds: number;
  readonly layouts: readonly Layout[];
  onProgress(text: string): void;
}

const LOOK_AFTER_MS = 2000;
const CLAIM = { limit: 64, times: 30 } as const;

/** Builds the queue by the store itself, then starts the product on it again and again, with a Meta that never answers. */
export async function measureRestart(options: RestartOptions): Promise<RestartResult> {
  const fakes = startFakes({ meta: 'hang', latencyMs: 0, record: false }, null);
  try {
    const ports = await fakes.receive(fakesReady, 20_000);
    const setup = createSetup(options.place, {
      meta: `http://127.0.0.1:${ports.meta}`,
      klaviyo: `http://127.0.0.1:${ports.klaviyo}`,
      delivery: { drainMs: 0, maxDueJobs: 1_000_000_000 },
      maxWaitMs: 86_400_000,
    });
    try {
      return await measureOn(options, setup);
    } finally {
      setup.remove();
    }
  } finally {
    await fakes.stop();
  }
}

async function measureOn(options: RestartOptions, setup: Setup): Promise<RestartResult> {
  const { configFile } = setup;
  const { jobs, hotLane, lanes } = options;
  options.onProgress(`filling a queue of ${jobs} jobs`);
  const fill = await runStore(
    { configFile, work: 'fill-queue', events: jobs / 2, hot: hotLane, lanes },
    { answer: filled, setup, core: null },
  );
  const claim = await runStore({ configFile, work: 'claim', ...CLAIM }, { answer: claimed, setup, core: null });
  const starts: Start[] = [];
  for (let round = 1; round <= options.rounds; round++) {
    for (const layout of options.layouts) {
      starts.push({ layout, ...(await start(options.place, setup, coresOf(layout).server)) });
    }
  }
  const expected = CLAIM.limit * CLAIM.times;
  return {
    jobs,
    hotLane,
    databaseMb: statSync(setup.databaseFile).size / 1_048_576,
    fillSeconds: fill.elapsedMs / 1000,
    starts,
    claimP50Ms: claim.p50Ms,
    claimMaxMs: claim.maxMs,
    claimedJobs: claim.jobs,
    faults: claim.jobs === expected ? [] : [`${claim.jobs} jobs were claimed where ${expected} were due`],
  };
}

async function start(place: Place, setup: Setup, core: Core): Promise<Omit<Start, 'layout'>> {
  const product = await startProduct(place, setup, core);
  await new Promise((resolve) => setTimeout(resolve, LOOK_AFTER_MS));
  const memory = sampleMemory(product.pid);
  const began = monotonicMs();
  await product.metrics();
  const metricsMs = monotonicMs() - began;
  await product.stop();
  return { readyMs: product.readyMs, rssMb: memory?.rssMb ?? null, peakMb: memory?.peakMb ?? null, metricsMs };
}
