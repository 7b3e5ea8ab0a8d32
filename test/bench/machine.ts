// On what the figures were taken: without it they say nothing.

import { execFileSync } from 'node:child_process';
import { cpus, loadavg, release, totalmem } from 'node:os';
import { measureSync } from './measure.ts';

export interface Machine {
  readonly node: string;
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGb: number;
  readonly kernel: string;
  /** Of the working tree that was measured; null outside a repository. */
  readonly commit: string | null;
  /** When the run began: whatever else ran then is in the figures. */
  readonly loadAverage: number;
  /** fdatasync of 4 KB in the folder of the databases, median, milliseconds. */
  readonly syncMs: number;
}

export function describeMachine(root: string, base: string): Machine {
  const all = cpus();
  return {
    node: process.version,
    cpu: all[0]?.model.trim() ?? 'unknown',
    cores: all.length,
    memoryGb: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    commit: commitOf(root),
    loadAverage: loadavg()[0] ?? 0,
    syncMs: measureSync(base),
  };
}

function commitOf(root: string): string | null {
  try {
    return execFileSync('git', ['describe', '--always', '--dirty'], { cwd: root, stdio: ['ignore', 'pipe', 'ignore'] })
      .toString()
      .trim();
  } catch {
    return null;
  }
}
