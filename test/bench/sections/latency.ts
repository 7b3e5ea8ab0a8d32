// Section `latency`: an open loop at the rates of a real shop, and what a single event waits for.

import { type Child, coresOf, type Layout } from '../child.ts';
import { fakesMoments, fakesReady, type Moment } from '../fakes.ts';
import type { Sent } from '../load.ts';
import { quantile } from '../measure.ts';
import { createSetup, type Place, startProduct, storedEvents } from '../product.ts';
import { faultsOf, lossOf, startFakes, underLoad } from './throughput.ts';

export interface LatencyShot {
  readonly layout: Layout;
  readonly round: number;
  /** Events a second that were sent, one a request. */
  readonly rate: number;
  /** Of the 202, from when the request was due. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  /** From the request's departure, acceptance included, to the start of the Meta request. */
  readonly toMetaP50Ms: number;
  readonly toMetaP99Ms: number;
  /** From the 202 in the shop's hands to the start of the Meta request; below 0 where Meta's came first. */
  readonly ackToMetaP50Ms: number;
  /** From Meta's answer to the start of the Klaviyo request. */
  readonly metaToKlaviyoP50Ms: number;
  readonly metaToKlaviyoP99Ms: number;
  readonly cpuUsPerEvent: number | null;
  readonly rssMb: number | null;
  readonly acknowledged: number;
  readonly stored: number;
  readonly faults: readonly string[];
}

export interface LatencyOptions {
  readonly place: Place;
  readonly rates: readonly number[];
  readonly layouts: readonly Layout[];
  readonly rounds: number;
  readonly measuredMs: number;
  readonly warmUpMs: number;
  onShot(shot: LatencyShot): void;
}

const START_LIMIT_MS = 20_000;
const DRAIN_LIMIT_MS = 20_000;

/** Runs every rate once a round in each layout. */
export async function measureLatency(options: LatencyOptions): Promise<readonly LatencyShot[]> {
  const shots: LatencyShot[] = [];
  for (let round = 1; round <= options.rounds; round++) {
    for (const layout of options.layouts) {
      for (const rate of options.rates) {
        const shot = { layout, round, rate, ...(await measure(options, layout, rate)) };
        options.onShot(shot);
        shots.push(shot);
      }
    }
  }
  return shots;
}

type Figures = Omit<LatencyShot, 'layout' | 'round' | 'rate'>;

async function measure(options: LatencyOptions, layout: Layout, rate: number): Promise<Figures> {
  const cores = coresOf(layout);
  const fakes = startFakes({ meta: 'answer', latencyMs: 0, record: true }, cores.others);
  try {
    const ports = await fakes.receive(fakesReady, START_LIMIT_MS);
    const [meta, klaviyo] = [ports.meta, ports.klaviyo].map((port) => `http://127.0.0.1:${port}`);
    const setup = createSetup(options.place, {
      meta: meta ?? '',
      klaviyo: klaviyo ?? '',
      delivery: { drainMs: 5000 },
      maxWaitMs: 30_000,
    });
    try {
      const product = await startProduct(options.place, setup, cores.server);
      const { warmUpMs, measuredMs } = options;
      const task = {
        port: product.port,
        connections: 64,
        eventsPerRequest: 1,
        rate,
        warmUpMs,
        measuredMs,
        record: true,
      };
      const { load, cpu, rssMb } = await underLoad(product.pid, task, cores.others);
      await drained(product);
      await product.stop();
      const moments = await momentsOf(fakes);
      const stored = storedEvents(setup);
      const { waits, faults } = joinMoments(load.moments, moments);
      return {
        p50Ms: load.p50Ms,
        p99Ms: load.p99Ms,
        maxMs: load.maxMs,
        ...waits,
        cpuUsPerEvent: cpu === null ? null : (cpu.totalMs * 1000) / load.events,
        rssMb,
        acknowledged: load.acknowledged,
        stored,
        faults: [...faultsOf(load), ...lossOf(load, stored), ...faults],
      };
    } finally {
      setup.remove();
    }
  } finally {
    await fakes.stop();
  }
}

async function drained(product: Awaited<ReturnType<typeof startProduct>>): Promise<void> {
  const untilMs = Date.now() + DRAIN_LIMIT_MS;
  while ((await product.metrics())('sluice_outbox_jobs') > 0 && Date.now() < untilMs) {
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function momentsOf(fakes: Child): Promise<readonly Moment[]> {
  fakes.ask();
  const { moments } = await fakes.receive(fakesMoments, START_LIMIT_MS);
  return moments;
}

type Waits = Pick<
  LatencyShot,
  'toMetaP50Ms' | 'toMetaP99Ms' | 'ackToMetaP50Ms' | 'metaToKlaviyoP50Ms' | 'metaToKlaviyoP99Ms'
>;

function joinMoments(
  sent: readonly Sent[],
  moments: readonly Moment[],
): { readonly waits: Waits; readonly faults: readonly string[] } {
  const metas = byId(moments, 'meta');
  const klaviyos = byId(moments, 'klaviyo');
  const toMeta: number[] = [];
  const ackToMeta: number[] = [];
  const toKlaviyo: number[] = [];
  let [undelivered, disorder] = [0, 0];
  for (const { id, sentMs, answeredMs } of sent) {
    const [meta, klaviyo] = [metas.get(id), klaviyos.get(id)];
    if (meta === undefined || klaviyo === undefined) undelivered += 1;
    else {
      toMeta.push(meta.startMs - sentMs);
      ackToMeta.push(meta.startMs - answeredMs);
      toKlaviyo.push(klaviyo.startMs - meta.endMs);
      // The fake notes an answer when it was written, so that Klaviyo's request can only be later.
      if (klaviyo.startMs < meta.startMs) disorder += 1;
    }
  }
  const faults = [
    ...(undelivered > 0 ? [`${undelivered} events did not reach both destinations`] : []),
    ...(disorder > 0 ? [`${disorder} events reached Klaviyo before Meta`] : []),
  ];
  const waits = {
    toMetaP50Ms: quantile(toMeta, 0.5),
    toMetaP99Ms: quantile(toMeta, 0.99),
    ackToMetaP50Ms: quantile(ackToMeta, 0.5),
    metaToKlaviyoP50Ms: quantile(toKlaviyo, 0.5),
    metaToKlaviyoP99Ms: quantile(toKlaviyo, 0.99),
  };
  return { waits, faults };
}

function byId(moments: readonly Moment[], vendor: Moment['vendor']): ReadonlyMap<string, Moment> {
  return new Map(moments.filter((one) => one.vendor === vendor).map((one) => [one.id, one]));
}
