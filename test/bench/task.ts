// What the bench's processes say to each other: a task as the first argument, messages over Node's channel.

import type { z } from 'zod';

/** The task that this process was started with. */
export function readTask<S extends z.ZodType>(schema: S): z.output<S> {
  return schema.parse(JSON.parse(process.argv[2] ?? 'null'));
}

/** Says something to the bench; resolves when it is on its way. Once the bench is gone there is nobody to work for. */
export function tell(message: object): Promise<void> {
  return new Promise((resolve) => {
    process.send?.(message, undefined, undefined, (error) => (error === null ? resolve() : process.exit(3)));
  });
}

/** Ends this process with the bench, and after `limitMs` in any case. */
export function endWithParent(limitMs: number): void {
  process.once('disconnect', () => process.exit(0));
  setTimeout(() => process.exit(3), limitMs).unref();
}

/** A clock that all processes of a machine share, milliseconds with fractions. */
export function monotonicMs(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1000 + nanoseconds / 1e6;
}
