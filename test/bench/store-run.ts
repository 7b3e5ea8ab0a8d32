// Starts the process that works on a store of its own, and waits for its answer.

import type { z } from 'zod';
import { type Core, startScript } from './child.ts';
import type { Setup } from './product.ts';
import type { StoreTask } from './store-task.ts';

const LIMIT_MS = 1_200_000;

/** @throws Error when it failed or took longer than twenty minutes */
export async function runStore<S extends z.ZodType>(
  task: StoreTask,
  { answer, setup, core }: { answer: S; setup: Setup; core: Core },
): Promise<z.output<S>> {
  const child = startScript('store-process.ts', task, core, setup.env);
  try {
    return await child.receive(answer, LIMIT_MS);
  } finally {
    await child.stop();
  }
}
