// Sections `intake` and `dispatch`: the echoes and Sluice under the same closed loop, interleaved round by round.

import { z } from 'zod';
import { type Child, type Core, coresOf, type Layout, startScript } from '../child.ts';
import { fakesReady, type fakesTask } from '../fakes.ts';
import { type LoadResult, type LoadTask, loadResult, loadWindow } from '../load.ts';
import { type CpuSample, cpuBetween, sampleCpu, sampleMemory } from '../measure.ts';
import { createSetup, type Place, type Product, type ProductSettings, startProduct, storedEvents } from '../product.ts';

export const VARIANTS = {
  floor: 'bare node:http echo',
  express: 'Express echo',
  intake: 'Sluice, 1 event a request',
  'intake-10': 'Sluice, 10 events a request',
  dispatch: 'Sluice with Meta and Klaviyo',
} as const;
export type Variant = keyof typeof VARIANTS;

export interface Shot {
  readonly layout: Layout;
  readonly round: number;
  readonly variant: Variant;
  readonly eventsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly cpuUsPerEvent: number | null;
  readonly cpuUsByThread: Readonly<Record<string, number>> | null;
  readonly rssMb: number | null;
  /** Share of a core that the load used: near 1 it was the load that was measured. */
  readonly loadCpu: number;
  /** Events settled at both a second; null where nothing is sent. */
  readonly settledPerSecond: number | null;
  /** Jobs left over when the load ended. */
  readonly backlog: number | null;
  /** Events and settlements that one fsync carried; null for the echoes. */
  readonly perCommit: number | null;
  readonly acknowledged: number;
  /** Null for the echoes. */
  readonly stored: number | null;
  /** What makes the figure worthless. */
  readonly faults: readonly string[];
}

export interface ThroughputOptions {
  readonly place: Place;
  readonly variants: readonly Variant[];
  readonly layouts: readonly Layout[];
  readonly rounds: number;
  readonly measuredMs: number;
  readonly warmUpMs: number;
  readonly connections: number;
  onShot(shot: Shot): void;
}

/** Runs every variant once a round in each layout. */
export async function measureThroughput(options: ThroughputOptions): Promise<readonly Shot[]> {
  const shots: Shot[] = [];
  for (let round = 1; round <= options.rounds; round++) {
    for (const layout of options.layouts) {
      for (const variant of options.variants) {
        const shot = { layout, round, variant, ...(await measure(options, layout, variant)) };
        options.onShot(shot);
        shots.push(shot);
      }
    }
  }
  return shots;
}

type Figures = Omit<Shot, 'layout' | 'round' | 'variant'>;

function measure(options: ThroughputOptions, layout: Layout, variant: Variant): Promise<Figures> {
  const cores = coresOf(layout);
  if (variant === 'floor' || variant === 'express') return measureEcho(options, cores, variant);
  return measureProduct(options, cores, variant);
}

type Cores = ReturnType<typeof coresOf>;
const echoReady = z.strictObject({ port: z.number() });
const START_LIMIT_MS = 20_000;
const NOT_OURS = { settledPerSecond: null, backlog: null, perCommit: null, stored: null };

async function measureEcho(options: ThroughputOptions, cores: Cores, variant: 'floor' | 'express'): Promise<Figures> {
  const server = startScript(`servers/${variant}.ts`, {}, cores.server);
  try {
    const { port } = await server.receive(echoReady, START_LIMIT_MS);
    const seen = await underLoad(server.pid, loadOf(options, port, 1), cores.others);
    return { ...figuresOf(seen), ...NOT_OURS, faults: faultsOf(seen.load) };
  } finally {
    await server.stop();
  }
}

async function measureProduct(
  options: ThroughputOptions,
  cores: Cores,
  variant: Exclude<Variant, 'floor' | 'express'>,
): Promise<Figures> {
  const { place } = options;
  const sends = variant === 'dispatch';
  const fakes = startFakes({ meta: sends ? 'answer' : 'hang', latencyMs: 0, record: false }, cores.others);
  try {
    const setup = createSetup(place, settingsOf(await fakes.receive(fakesReady, START_LIMIT_MS), sends));
    try {
      const product = await startProduct(place, setup, cores.server);
      const task = loadOf(options, product.port, variant === 'intake-10' ? 10 : 1);
      const seen = await underLoad(product.pid, task, cores.others, product);
      await product.stop();
      const stored = storedEvents(setup);
      const faults = [...faultsOf(seen.load), ...lossOf(seen.load, stored)];
      const { queue, load } = seen;
      const settledPerSecond = sends ? (queue.settled * 1000) / load.elapsedMs : null;
      const backlog = sends ? queue.backlog : null;
      return { ...figuresOf(seen), settledPerSecond, backlog, perCommit: queue.perCommit, stored, faults };
    } finally {
      setup.remove();
    }
  } finally {
    await fakes.stop();
  }
}

export function startFakes(task: z.infer<typeof fakesTask>, core: Core): Child {
  return startScript('fakes.ts', task, core);
}

const DAY_MS = 86_400_000;

/**
 * Where nothing is to be sent, both destinations are configured all the same, so that each event queues its two jobs: one
 * Meta request is under way and never answered, the next ones and Klaviyo wait behind it, and dispatch costs nothing.
 */
function settingsOf(ports: z.infer<typeof fakesReady>, sends: boolean): ProductSettings {
  const held = { inFlight: 1, connections: 1, maxDueJobs: 1_000_000_000, drainMs: 0 };
  return {
    meta: `http://127.0.0.1:${ports.meta}`,
    klaviyo: `http://127.0.0.1:${ports.klaviyo}`,
    delivery: sends ? { drainMs: 1000 } : held,
    maxWaitMs: sends ? 30_000 : DAY_MS,
  };
}

function loadOf(options: ThroughputOptions, port: number, eventsPerRequest: number): LoadTask {
  const { connections, warmUpMs, measuredMs } = options;
  return { port, connections, eventsPerRequest, rate: null, warmUpMs, measuredMs, record: false };
}

interface Seen {
  readonly load: LoadResult;
  readonly cpu: CpuSample | null;
  readonly rssMb: number | null;
  /** What the product's metrics say of the measured time. */
  readonly queue: { readonly settled: number; readonly backlog: number; readonly perCommit: number };
}

/** Puts a server under load and looks at it when the measured time begins and when it ends. */
export async function underLoad(pid: number, task: LoadTask, core: Core, product?: Product): Promise<Seen> {
  const limitMs = task.warmUpMs + task.measuredMs + 60_000;
  const load = startScript('load.ts', task, core);
  try {
    await load.receive(loadWindow, limitMs);
    const before = { cpu: sampleCpu(pid), ...(await countsOf(product)) };
    await load.receive(loadWindow, limitMs);
    const cpu = cpuBetween(before.cpu, sampleCpu(pid));
    const rssMb = sampleMemory(pid)?.rssMb ?? null;
    const after = await countsOf(product);
    const queue = {
      settled: after.settled - before.settled,
      backlog: after.backlog,
      perCommit: (after.committed - before.committed) / (after.commits - before.commits),
    };
    return { load: await load.receive(loadResult, limitMs), cpu, rssMb, queue };
  } finally {
    await load.stop();
  }
}

async function countsOf(product: Product | undefined) {
  const read = (await product?.metrics()) ?? (() => 0);
  return {
    settled: read('sluice_deliveries_total', { destination: 'klaviyo', outcome: 'accepted' }),
    backlog: read('sluice_outbox_jobs', { destination: 'klaviyo' }),
    committed: read('sluice_commit_batch_events_sum'),
    commits: read('sluice_commit_batch_events_count'),
  };
}

function figuresOf({ load, cpu, rssMb }: Seen): Omit<Figures, keyof typeof NOT_OURS | 'faults'> {
  const perEvent = (ms: number) => (ms * 1000) / load.events;
  const threads = cpu === null ? null : Object.entries(cpu.byThread).filter(([, ms]) => ms > 0);
  return {
    eventsPerSecond: (load.events * 1000) / load.elapsedMs,
    p50Ms: load.p50Ms,
    p99Ms: load.p99Ms,
    cpuUsPerEvent: cpu === null ? null : perEvent(cpu.totalMs),
    cpuUsByThread: threads && Object.fromEntries(threads.map(([name, ms]) => [name, perEvent(ms)])),
    rssMb,
    loadCpu: load.ownCpu,
    acknowledged: load.acknowledged,
  };
}

/** What of the load's own account makes a figure worthless. */
export function faultsOf(load: LoadResult): readonly string[] {
  return [
    ...(load.refused > 0 ? [`${load.refused} requests were not answered with 202`] : []),
    ...(load.dropped > 0 ? [`${load.dropped} answers spoke of a drop or a duplicate`] : []),
    ...load.broken.map((why) => `a connection broke: ${why}`),
    ...(load.requests === 0 ? ['nothing was answered'] : []),
  ];
}

/** Events stored must be events acknowledged. */
export function lossOf(load: LoadResult, stored: number): readonly string[] {
  return stored === load.acknowledged ? [] : [`${load.acknowledged} events acknowledged, ${stored} stored`];
}
