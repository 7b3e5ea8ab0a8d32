// Starts nodes as processes of their own and reads what they say.

import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export interface NodeProcess {
  readonly child: ChildProcess;
  readonly lines: readonly string[];
  /** Resolves with the next line that says so. */
  saw(pattern: RegExp): Promise<void>;
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>;
}

const SCRIPT = fileURLToPath(new URL('./postgres-node.ts', import.meta.url));

/** Resolves when the node is ready. */
export async function startNode(...given: readonly string[]): Promise<NodeProcess> {
  const child = spawn(process.execPath, [SCRIPT, ...given], { stdio: ['ignore', 'pipe', 'pipe'] });
  const lines: string[] = [];
  const waiting = new Set<{ pattern: RegExp; resolve(): void }>();
  let rest = '';
  let errors = '';
  child.stderr.on('data', (chunk) => (errors += chunk));
  child.stdout.on('data', (chunk) => {
    const parts = (rest + chunk).split('\n');
    rest = parts.pop() ?? '';
    lines.push(...parts);
    for (const one of waiting) {
      if (!parts.some((line) => one.pattern.test(line))) continue;
      waiting.delete(one);
      one.resolve();
    }
  });
  const node: NodeProcess = {
    child,
    lines,
    saw: (pattern) => new Promise((resolve) => waiting.add({ pattern, resolve })),
    kill: () =>
      new Promise((resolve) => {
        if (child.exitCode !== null || child.signalCode !== null) return resolve();
        child.once('exit', () => resolve());
        child.kill('SIGKILL');
      }),
  };
  const { promise: failed, reject } = Promise.withResolvers<never>();
  child.once('exit', (code) => reject(new Error(`the node ended with ${code}: ${errors}`)));
  failed.catch(() => undefined);
  await Promise.race([node.saw(/^ready$/), failed]);
  return node;
}
