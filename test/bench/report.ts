// The report: what was measured as tables of medians and ranges, ratios round by round, and the goals beside them.

import type { Layout } from './child.ts';
import type { Machine } from './machine.ts';
import { type Spread, spread } from './measure.ts';
import type { ConsentFigures } from './sections/consent.ts';
import type { LatencyShot } from './sections/latency.ts';
import type { RestartResult } from './sections/restart.ts';
import type { SizeShot } from './sections/size.ts';
import { type Shot, VARIANTS, type Variant } from './sections/throughput.ts';

export interface Results {
  readonly at: string;
  readonly seconds: number;
  readonly machine: Machine;
  /** Of one event on average. */
  readonly bodyBytes: number;
  readonly throughput: readonly Shot[];
  readonly latency: readonly LatencyShot[];
  readonly restart: RestartResult | null;
  readonly size: readonly SizeShot[];
  readonly consent: ConsentFigures | null;
}

/** What makes figures worthless, wherever it was found. */
export function faultsOf({ throughput, latency, restart, size }: Results): readonly string[] {
  const named = (where: string, faults: readonly string[]) => faults.map((fault) => `${where}: ${fault}`);
  return [
    ...throughput.flatMap((shot) => named(`${VARIANTS[shot.variant]}, ${shot.layout}`, shot.faults)),
    ...latency.flatMap((shot) => named(`${shot.rate} events/s, ${shot.layout}`, shot.faults)),
    ...named('restart', restart?.faults ?? []),
    ...size.flatMap((shot) => named(`${shot.rows} log rows, ${shot.layout}`, shot.faults)),
  ];
}

/** The whole report in Markdown. */
export function writeReport(results: Results): string {
  const { machine, at, seconds, throughput, latency, restart, size, consent } = results;
  const parts = [
    `# Bench, ${at}, ${seconds} s`,
    `Node ${machine.node}, ${machine.cores} × ${machine.cpu}, ${machine.memoryGb} GB, Linux ${machine.kernel}, ` +
      `commit ${machine.commit ?? 'unknown'}; fdatasync of 4 KB ${fixed(machine.syncMs, 2)} ms; load average at the start ` +
      `${fixed(machine.loadAverage, 2)}; bodies of ${results.bodyBytes} bytes, ids random. Medians (smallest–largest). Load, fakes and product are processes of their own.`,
    ...layoutsOf(throughput).map((layout) => throughputPart(throughput, layout)),
    latency.length === 0 ? '' : latencyPart(latency),
    restart === null ? '' : restartPart(restart),
    size.length === 0 ? '' : sizePart(size),
    consent === null ? '' : consentPart(consent),
    faultPart(faultsOf(results)),
  ];
  return `${parts.filter((part) => part !== '').join('\n\n')}\n`;
}

type Row = readonly (string | number)[];

function table(head: Row, rows: readonly Row[]): string {
  const line = (cells: Row) => `| ${cells.join(' | ')} |`;
  return [line(head), `|${head.map(() => '---').join('|')}|`, ...rows.map(line)].join('\n');
}

const fixed = (value: number, digits: number): string => (Number.isFinite(value) ? value.toFixed(digits) : '–');

/** `median (min–max)`; a dash where there is nothing. */
function range(values: readonly (number | null)[], digits = 0): string {
  const known = values.filter((value) => value !== null);
  if (known.length === 0) return '–';
  const { median, min, max }: Spread = spread(known);
  return known.length === 1
    ? fixed(median, digits)
    : `${fixed(median, digits)} (${fixed(min, digits)}–${fixed(max, digits)})`;
}

function layoutsOf(shots: readonly { readonly layout: Layout }[]): readonly Layout[] {
  return [...new Set(shots.map(({ layout }) => layout))];
}

function throughputPart(all: readonly Shot[], layout: Layout): string {
  const shots = all.filter((shot) => shot.layout === layout);
  const variants = [...new Set(shots.map(({ variant }) => variant))];
  const rows = variants.map((variant): Row => {
    const own = shots.filter((shot) => shot.variant === variant);
    const thread = (name: string) => range(own.map((shot) => shot.cpuUsByThread?.[name] ?? null));
    return [
      VARIANTS[variant],
      range(own.map((shot) => shot.eventsPerSecond)),
      range(own.map((shot) => shot.settledPerSecond)),
      range(
        own.map((shot) => shot.p50Ms),
        1,
      ),
      range(
        own.map((shot) => shot.p99Ms),
        1,
      ),
      range(own.map((shot) => shot.cpuUsPerEvent)),
      `${thread('MainThread')} / ${thread('WorkerThread')}`,
      range(own.map((shot) => shot.perCommit)),
      range(own.map((shot) => shot.rssMb)),
      range(ratios(shots, variant, 'floor'), 2),
      range(ratios(shots, variant, 'express'), 2),
      range(
        own.map((shot) => shot.loadCpu),
        2,
      ),
    ];
  });
  const head = ['', 'events/s', 'settled/s', 'p50 ms', 'p99 ms', 'CPU µs/event', 'of it HTTP / store thread'];
  const tail = ['per commit', 'RSS MB', 'of node:http', 'of Express', 'load’s core'];
  return `## Closed loop, 64 connections, ${layout}\n\n${table([...head, ...tail], rows)}`;
}

/** Events/s of one variant over another's of the same round. */
function ratios(shots: readonly Shot[], variant: Variant, over: Variant): readonly (number | null)[] {
  return shots
    .filter((shot) => shot.variant === variant)
    .map((shot) => {
      const base = shots.find((other) => other.variant === over && other.round === shot.round);
      return base === undefined ? null : shot.eventsPerSecond / base.eventsPerSecond;
    });
}

function latencyPart(shots: readonly LatencyShot[]): string {
  const rates = [...new Set(shots.map(({ rate }) => rate))];
  const rows = layoutsOf(shots).flatMap((layout) =>
    rates.map((rate): Row => {
      const own = shots.filter((shot) => shot.layout === layout && shot.rate === rate);
      const of = (read: (shot: LatencyShot) => number | null, digits = 1) => range(own.map(read), digits);
      return [
        `${rate}/s, ${layout}`,
        of((shot) => shot.p50Ms),
        of((shot) => shot.p99Ms),
        of((shot) => shot.toMetaP50Ms),
        of((shot) => shot.toMetaP99Ms),
        of((shot) => shot.ackToMetaP50Ms),
        of((shot) => shot.metaToKlaviyoP50Ms),
        of((shot) => shot.metaToKlaviyoP99Ms),
        of((shot) => shot.cpuUsPerEvent, 0),
        of((shot) => shot.rssMb, 0),
      ];
    }),
  );
  const head = ['', '202 p50 ms', '202 p99 ms', 'request → Meta’s start p50', 'p99', '202 → Meta’s start p50'];
  const tail = ['Meta’s answer → Klaviyo’s start p50', 'p99', 'CPU µs/event', 'RSS MB'];
  return `## Open loop, both destinations on, fakes answer at once\n\n${table([...head, ...tail], rows)}`;
}

function restartPart(result: RestartResult): string {
  const rows = layoutsOf(result.starts).map((layout): Row => {
    const own = result.starts.filter((start) => start.layout === layout);
    return [
      layout,
      range(own.map((start) => start.readyMs)),
      range(own.map((start) => start.rssMb)),
      range(own.map((start) => start.peakMb)),
      range(own.map((start) => start.metricsMs)),
    ];
  });
  return [
    `## A start on ${result.jobs} queued jobs`,
    `${fixed(result.databaseMb, 0)} MB, filled in ${fixed(result.fillSeconds, 0)} s; one lane of ${result.hotLane} events stands in ` +
      `front. A claim of 64 jobs behind it: p50 ${fixed(result.claimP50Ms, 3)} ms, longest ${fixed(result.claimMaxMs, 3)} ms.`,
    table(['', 'ready after ms', 'RSS MB after 2 s', 'peak MB', 'one /metrics ms'], rows),
  ].join('\n\n');
}

function sizePart(shots: readonly SizeShot[]): string {
  const most = Math.max(...shots.map(({ rows }) => rows));
  const rows = layoutsOf(shots).flatMap((layout) =>
    [false, true].map((isLong): Row => {
      const own = shots.filter((shot) => shot.layout === layout && shot.rows > 0 === isLong);
      return [
        `${isLong ? most : 0} log rows, ${layout}`,
        range(own.map((shot) => shot.eventsPerSecond)),
        range(own.map((shot) => shot.cpuUsPerEvent)),
        range(
          own.map((shot) => shot.batchP50Ms),
          1,
        ),
        range(
          own.map((shot) => shot.batchP99Ms),
          1,
        ),
        isLong ? range(sizeRatios(shots, layout), 2) : '',
      ];
    }),
  );
  const head = ['', 'events/s', 'CPU µs/event', 'batch p50 ms', 'p99', 'of the empty log'];
  return `## Accepting with a long log, batches of 48, no HTTP\n\n${table(head, rows)}`;
}

function sizeRatios(shots: readonly SizeShot[], layout: Layout): readonly (number | null)[] {
  const own = shots.filter((shot) => shot.layout === layout);
  return own
    .filter(({ rows }) => rows > 0)
    .map((long) => {
      const empty = own.find((shot) => shot.round === long.round && shot.rows === 0);
      return empty === undefined ? null : long.eventsPerSecond / empty.eventsPerSecond;
    });
}

function consentPart(figures: ConsentFigures): string {
  const { freshChars, freshP50Us, freshP99Us, cachedUs, firstMs, worst } = figures;
  return [
    '## Decoding consent',
    `A TC string of ${freshChars} characters: never seen p50 ${fixed(freshP50Us, 0)} µs, p99 ${fixed(freshP99Us, 0)} µs; ` +
      `remembered ${fixed(cachedUs, 2)} µs; the first of a process ${fixed(firstMs, 1)} ms.`,
    table(
      ['hostile value, all signals', 'median ms', 'slowest ms'],
      worst.map(({ kind, medianMs, slowestMs }) => [kind, fixed(medianMs, 2), fixed(slowestMs, 2)]),
    ),
  ].join('\n\n');
}

function faultPart(faults: readonly string[]): string {
  if (faults.length === 0) return 'Events stored = events acknowledged in every counted run; no request failed.';
  return `## Failed\n\n${faults.map((fault) => `- ${fault}`).join('\n')}`;
}
