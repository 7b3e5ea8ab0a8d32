// Starts the processes of the bench, hears what they say and ends them: each by its own id, also when the bench fails.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { z } from 'zod';

/** Which core a process may use; null = all of them. */
export type Core = 0 | 1 | null;

/** One core: the server on core 0, load and fakes on core 1. Two cores: everybody on both. */
export type Layout = 'one core' | 'two cores';

export interface Child {
  readonly pid: number;
  /** The next message that fits the schema. @throws Error when the process ends before it, or `limitMs` is over */
  receive<S extends z.ZodType>(schema: S, limitMs: number): Promise<z.output<S>>;
  /** Asks it for what it has. */
  ask(): void;
  /** Ends it, by force after `graceMs`, and waits for the end. */
  stop(graceMs?: number): Promise<void>;
}

const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** Whether processes can be held to a core here. */
export function canPin(): boolean {
  return availableParallelism() > 1 && spawnSync('taskset', ['-c', '0,1', 'true']).status === 0;
}

/** The core of the server and of those who speak to it. */
export function coresOf(layout: Layout): { readonly server: Core; readonly others: Core } {
  return layout === 'one core' ? { server: 0, others: 1 } : { server: null, others: null };
}

/** Starts a script of this folder with a task. */
export function startScript(script: string, task: object, core: Core, env: NodeJS.ProcessEnv = process.env): Child {
  const file = fileURLToPath(new URL(script, import.meta.url));
  const child = startNode([file, JSON.stringify(task)], { core, ipc: true, env });
  return watch(child, script);
}

export interface NodeOptions {
  readonly core: Core;
  readonly ipc?: boolean;
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
}

/** Starts Node with arguments; its standard output can be read, errors go to the bench's own. */
export function startNode(args: readonly string[], { core, ipc = false, env, cwd }: NodeOptions): ChildProcess {
  const command = [...(core === null ? [] : ['taskset', '-c', String(core)]), process.execPath, ...args];
  const [program = process.execPath, ...rest] = command;
  const child = spawn(program, rest, {
    stdio: ['ignore', ipc ? 'inherit' : 'pipe', 'inherit', ...(ipc ? (['ipc'] as const) : [])],
    ...(env === undefined ? {} : { env }),
    ...(cwd === undefined ? {} : { cwd }),
  });
  running.add(child);
  child.once('exit', () => running.delete(child));
  return child;
}

/** Resolves when the process has ended. */
export function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => child.once('exit', () => resolve()));
}

/** Ends a process by SIGTERM, by force after `graceMs`. */
export async function end(child: ChildProcess, graceMs: number): Promise<void> {
  const force = setTimeout(() => child.kill('SIGKILL'), graceMs);
  child.kill('SIGTERM');
  await ended(child);
  clearTimeout(force);
}

function watch(child: ChildProcess, name: string): Child {
  const messages: unknown[] = [];
  let wake: () => void = () => undefined;
  let hasEnded = false;
  child.on('message', (message) => {
    messages.push(message);
    wake();
  });
  // Everything it said has been heard by then.
  child.once('disconnect', () => {
    hasEnded = true;
    wake();
  });
  return {
    pid: child.pid ?? 0,
    async receive(schema, limitMs) {
      const untilMs = Date.now() + limitMs;
      for (;;) {
        for (const [i, message] of messages.entries()) {
          const parsed = schema.safeParse(message);
          if (!parsed.success) continue;
          messages.splice(0, i + 1);
          return parsed.data;
        }
        if (hasEnded) throw new Error(`${name} ended before it was done`);
        const leftMs = untilMs - Date.now();
        if (leftMs <= 0) throw new Error(`${name} took too long`);
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, leftMs);
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
    },
    ask: () => void child.send({ ask: true }),
    stop: (graceMs = 2000) => end(child, graceMs),
  };
}
