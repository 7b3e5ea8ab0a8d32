// `npm run bench`: measures the built product against bare servers and against itself, in one run with interleaved rounds.

import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Argument, Command, InvalidArgumentError, Option } from 'commander';
import { canPin, type Layout } from './child.ts';
import { describeMachine } from './machine.ts';
import type { Place } from './product.ts';
import { faultsOf, type Results, writeReport } from './report.ts';
import { measureConsent } from './sections/consent.ts';
import { type LatencyShot, measureLatency } from './sections/latency.ts';
import { measureRestart } from './sections/restart.ts';
import { measureSize, type SizeShot } from './sections/size.ts';
import { measureThroughput, type Shot, VARIANTS, type Variant } from './sections/throughput.ts';
import { bodyBytes } from './traffic.ts';

const SECTIONS = ['intake', 'dispatch', 'latency', 'restart', 'size', 'consent'] as const;
const COULD_NOT_RUN = 2;
const WARM_UP_MS = 2000;
const CONNECTIONS = 64;
const RATES = [200, 1000] as const;

interface Options {
  readonly seconds: number;
  readonly rounds: number;
  readonly cores: '1' | '2' | 'both';
  readonly root: string;
  readonly dir: string;
  readonly full: boolean;
  readonly json?: string;
  readonly profile?: string;
}

/** How large the queue and the log of the last two sections are. */
const SIZES = {
  short: { jobs: 100_000, hotLane: 20_000, lanes: 20_000, rows: 100_000 },
  full: { jobs: 1_000_000, hotLane: 200_000, lanes: 198_600, rows: 5_000_000 },
} as const;

function positive(text: string): number {
  const value = Number(text);
  if (!Number.isFinite(value) || value <= 0) throw new InvalidArgumentError('must be a number above 0');
  return value;
}

const program = new Command('bench')
  .description('Measures intake, dispatch, latencies, a start with a long queue, a long log, consent signals.')
  .addArgument(new Argument('[sections...]', 'what to measure; nothing named = all').choices(SECTIONS))
  .option('--seconds <n>', 'measured time of a run, after two seconds of warm-up', positive, 2)
  .option('--rounds <n>', 'rounds; variants take turns within each', positive, 3)
  .addOption(
    new Option('--cores <which>', 'server on one core, everybody on two').choices(['1', '2', 'both']).default('both'),
  )
  .option('--full', 'a million jobs and five million log rows in place of 100,000 each', false)
  .option('--root <dir>', 'folder that holds dist/ and config/', fileURLToPath(new URL('../../', import.meta.url)))
  .option('--dir <dir>', 'folder of the databases: its disk is measured', tmpdir())
  .option('--json <file>', 'every figure as JSON')
  .option('--profile <dir>', 'CPU profiles of the product’s threads (they cost: the figures are no figures then)')
  .addHelpText('after', '\nExample:\n  $ npm run bench -- intake dispatch --seconds 8 --rounds 5 --json bench.json\n')
  .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : COULD_NOT_RUN))
  .action(main);
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));
await program.parseAsync();

async function main(sections: readonly string[], options: Options): Promise<void> {
  const root = resolve(options.root);
  if (!existsSync(join(root, 'dist/cli.js'))) program.error(`no dist/cli.js below ${root}: npm run build`);
  const base = mkdtempSync(join(resolve(options.dir), 'sluice-bench-'));
  process.once('exit', () => rmSync(base, { recursive: true, force: true }));
  const profiles = options.profile === undefined ? null : resolve(options.profile);
  if (profiles !== null) mkdirSync(profiles, { recursive: true });
  const results = await measure(sections.length === 0 ? SECTIONS : sections, options, { root, base, profiles });
  process.stdout.write(writeReport(results));
  if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(results, null, 2)}\n`);
  if (faultsOf(results).length > 0) process.exitCode = 1;
}

async function measure(sections: readonly string[], options: Options, place: Place): Promise<Results> {
  const began = Date.now();
  const machine = describeMachine(place.root, place.base);
  const common = {
    place,
    layouts: layoutsOf(options.cores),
    rounds: options.rounds,
    measuredMs: options.seconds * 1000,
    warmUpMs: WARM_UP_MS,
  };
  const size = options.full ? SIZES.full : SIZES.short;
  const variants = variantsOf(sections);
  const has = (section: string) => sections.includes(section);
  const throughput =
    variants.length === 0
      ? []
      : await measureThroughput({ ...common, variants, connections: CONNECTIONS, onShot: sayShot });
  const latency = has('latency')
    ? await measureLatency({ ...common, rates: RATES, rounds: options.full ? options.rounds : 1, onShot: sayLatency })
    : [];
  const restart = has('restart') ? await measureRestart({ ...common, ...size, rounds: 2, onProgress: say }) : null;
  // One thread: a second core adds nothing but noise.
  const layouts = common.layouts.slice(0, 1);
  const long = has('size') ? await measureSize({ ...common, ...size, layouts, onProgress: say, onShot: saySize }) : [];
  const consent = has('consent') ? measureConsent() : null;
  const seconds = Math.round((Date.now() - began) / 1000);
  const bytes = bodyBytes(began);
  return {
    at: new Date(began).toISOString(),
    seconds,
    machine,
    bodyBytes: bytes,
    throughput,
    latency,
    restart,
    size: long,
    consent,
  };
}

function layoutsOf(cores: Options['cores']): readonly Layout[] {
  const pinned: readonly Layout[] = cores === '2' ? [] : ['one core'];
  const free: readonly Layout[] = cores === '1' ? [] : ['two cores'];
  if (canPin() || pinned.length === 0) return [...pinned, ...free];
  say('there is no taskset, or only one core: nothing is held to a core');
  return ['two cores'];
}

function variantsOf(sections: readonly string[]): readonly Variant[] {
  const wanted: readonly Variant[] = [
    ...(sections.includes('intake') ? (['floor', 'express', 'intake', 'intake-10'] as const) : []),
    ...(sections.includes('dispatch') ? (['dispatch'] as const) : []),
  ];
  return wanted;
}

// Progress goes to the error stream: the report alone is the result.
function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

function sayShot({ round, layout, variant, eventsPerSecond, p99Ms, loadCpu }: Shot): void {
  const figures = `${Math.round(eventsPerSecond)} events/s, p99 ${p99Ms.toFixed(1)} ms, load ${loadCpu.toFixed(2)} core`;
  say(`round ${round}, ${layout}, ${VARIANTS[variant]}: ${figures}`);
}

function sayLatency({ round, layout, rate, p99Ms, toMetaP50Ms, metaToKlaviyoP50Ms }: LatencyShot): void {
  const waits = `to Meta ${toMetaP50Ms.toFixed(1)} ms, on to Klaviyo ${metaToKlaviyoP50Ms.toFixed(1)} ms`;
  say(`round ${round}, ${layout}, ${rate} events/s: 202 p99 ${p99Ms.toFixed(1)} ms, ${waits}`);
}

function saySize({ round, layout, rows, eventsPerSecond }: SizeShot): void {
  say(`round ${round}, ${layout}, ${rows} log rows: ${Math.round(eventsPerSecond)} events/s`);
}
