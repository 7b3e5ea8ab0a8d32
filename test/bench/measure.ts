// What the kernel says about a process (Linux; elsewhere null), and the arithmetic of the report.

import { closeSync, existsSync, fdatasyncSync, openSync, readdirSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/** User and system time so far, milliseconds. */
export interface CpuSample {
  readonly totalMs: number;
  /** By the kernel's name of the thread: MainThread, WorkerThread (the store), V8Worker, libuv-worker, … */
  readonly byThread: Readonly<Record<string, number>>;
}

/** Linux counts in hundredths of a second for user space, whatever the kernel's own tick is. */
const TICK_MS = 10;

export function sampleCpu(pid: number): CpuSample | null {
  const folder = `/proc/${pid}/task`;
  if (!existsSync(folder)) return null;
  const byThread: Record<string, number> = {};
  for (const thread of readdirSync(folder)) {
    const { name, ms } = readThread(join(folder, thread, 'stat'));
    byThread[name] = (byThread[name] ?? 0) + ms;
  }
  // Threads that have ended count in the process alone.
  return { totalMs: readThread(`/proc/${pid}/stat`).ms, byThread };
}

function readThread(file: string): { readonly name: string; readonly ms: number } {
  try {
    const stat = readFileSync(file, 'utf8');
    // The name stands in brackets and may hold anything; utime and stime are the 12th and 13th field behind it.
    const close = stat.lastIndexOf(')');
    const fields = stat.slice(close + 2).split(' ');
    return { name: stat.slice(stat.indexOf('(') + 1, close), ms: (Number(fields[11]) + Number(fields[12])) * TICK_MS };
  } catch {
    return { name: 'gone', ms: 0 };
  }
}

/** What was used between two samples. */
export function cpuBetween(from: CpuSample | null, to: CpuSample | null): CpuSample | null {
  if (from === null || to === null) return null;
  const byThread = Object.entries(to.byThread).map(([name, ms]) => [name, ms - (from.byThread[name] ?? 0)] as const);
  return { totalMs: to.totalMs - from.totalMs, byThread: Object.fromEntries(byThread) };
}

export interface MemorySample {
  readonly rssMb: number;
  readonly peakMb: number;
}

export function sampleMemory(pid: number): MemorySample | null {
  const file = `/proc/${pid}/status`;
  if (!existsSync(file)) return null;
  const status = readFileSync(file, 'utf8');
  const mb = (key: string) => Number(new RegExp(`^${key}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? 0) / 1024;
  return { rssMb: mb('VmRSS'), peakMb: mb('VmHWM') };
}

/** Time of an fdatasync after 4 KB, median of 100, milliseconds: without it no durable figure can be read. */
export function measureSync(folder: string): number {
  const file = join(folder, 'sync-probe');
  const handle = openSync(file, 'w');
  const block = Buffer.alloc(4096, 1);
  const times: number[] = [];
  try {
    for (let i = 0; i < 100; i++) {
      writeSync(handle, block);
      const began = performance.now();
      fdatasyncSync(handle);
      times.push(performance.now() - began);
    }
  } finally {
    closeSync(handle);
    rmSync(file, { force: true });
  }
  return quantile(times, 0.5);
}

/** A quantile by nearest rank; NaN for no values. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN;
}

export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** The median (of an even number the mean of the middle two) and the range. */
export function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
  const lower = sorted[Math.ceil(sorted.length / 2) - 1] ?? Number.NaN;
  return { median: (upper + lower) / 2, min: sorted[0] ?? Number.NaN, max: sorted.at(-1) ?? Number.NaN };
}
