// Section `size`: the store's accept rate with a long log against an empty one, interleaved, without HTTP in front of it.

import { closeSync, cpSync, fsyncSync, openSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { coresOf, type Layout } from '../child.ts';
import { createSetup, type Place, type Setup, storedEvents } from '../product.ts';
import { runStore } from '../store-run.ts';
import { accepted, filled } from '../store-task.ts';

export interface SizeShot {
  readonly layout: Layout;
  readonly round: number;
  readonly rows: number;
  readonly eventsPerSecond: number;
  readonly cpuUsPerEvent: number;
  readonly batchP50Ms: number;
  readonly batchP99Ms: number;
  readonly faults: readonly string[];
}

export interface SizeOptions {
  readonly place: Place;
  /** Log rows of the long log, two an event. */
  readonly rows: number;
  readonly layouts: readonly Layout[];
  readonly rounds: number;
  readonly measuredMs: number;
  readonly warmUpMs: number;
  onProgress(text: string): void;
  onShot(shot: SizeShot): void;
}

/** Events in one call of accept: about what 64 connections give. */
const BATCH = 48;
/** Nothing is sent: no request ever leaves this section. */
const NOWHERE = 'http://127.0.0.1:9';

/** Fills a log once, then measures on a fresh copy of it and on an empty one, in turn. */
export async function measureSize(options: SizeOptions): Promise<readonly SizeShot[]> {
  const long = newSetup(options.place);
  try {
    options.onProgress(`filling a log of ${options.rows} rows`);
    const task = { configFile: long.configFile, work: 'fill-log', events: options.rows / 2 } as const;
    const { elapsedMs } = await runStore(task, { answer: filled, setup: long, core: null });
    const mb = statSync(long.databaseFile).size / 1_048_576;
    options.onProgress(`it took ${Math.round(elapsedMs / 1000)} s and ${Math.round(mb)} MB`);
    const shots: SizeShot[] = [];
    for (let round = 1; round <= options.rounds; round++) {
      for (const layout of options.layouts) {
        for (const source of [null, long]) {
          const shot = { layout, round, ...(await measure(options, layout, source)) };
          options.onShot(shot);
          shots.push(shot);
        }
      }
    }
    return shots;
  } finally {
    long.remove();
  }
}

function newSetup(place: Place): Setup {
  return createSetup(place, { meta: NOWHERE, klaviyo: NOWHERE, delivery: {}, maxWaitMs: 30_000 });
}

async function measure(
  options: SizeOptions,
  layout: Layout,
  source: Setup | null,
): Promise<Omit<SizeShot, 'layout' | 'round'>> {
  const { warmUpMs, measuredMs } = options;
  const setup = newSetup(options.place);
  try {
    if (source !== null) copyStore(source, setup);
    const before = source === null ? 0 : storedEvents(setup);
    const task = { configFile: setup.configFile, work: 'accept', batch: BATCH, warmUpMs, measuredMs } as const;
    const { acknowledged, ...figures } = await runStore(task, {
      answer: accepted,
      setup,
      core: coresOf(layout).server,
    });
    const stored = storedEvents(setup) - before;
    const faults = stored === acknowledged ? [] : [`${acknowledged} events acknowledged, ${stored} stored`];
    return { rows: before * 2, ...figures, faults };
  } finally {
    setup.remove();
  }
}

/** Copies keys and databases, and waits for the disk: a copy that is still being written would slow the commits. */
function copyStore(from: Setup, to: Setup): void {
  for (const name of readdirSync(from.folder)) {
    if (name === 'sluice.yaml') continue;
    const file = join(to.folder, name);
    cpSync(join(from.folder, name), file);
    const handle = openSync(file, 'r+');
    fsyncSync(handle);
    closeSync(handle);
  }
}
