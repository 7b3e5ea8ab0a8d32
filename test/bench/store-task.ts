// The tasks of the process that works on a store of its own, and its answers.

import { z } from 'zod';

const own = { configFile: z.string() };

export const storeTask = z.discriminatedUnion('work', [
  /** Accepts events whose two decisions are drops: log rows and look-ups, no jobs. */
  z.strictObject({ ...own, work: z.literal('fill-log'), events: z.number() }),
  /** Accepts permitted events: first `hot` of one visitor, then the others of `lanes` visitors. */
  z.strictObject({ ...own, work: z.literal('fill-queue'), events: z.number(), hot: z.number(), lanes: z.number() }),
  /** Accepts permitted events as fast as the store takes them. */
  z.strictObject({
    ...own,
    work: z.literal('accept'),
    batch: z.number(),
    warmUpMs: z.number(),
    measuredMs: z.number(),
  }),
  /** Claims 64 jobs of the first destination, again and again, each time from the same state. */
  z.strictObject({ ...own, work: z.literal('claim'), limit: z.number(), times: z.number() }),
]);
export type StoreTask = z.infer<typeof storeTask>;

export const filled = z.strictObject({ events: z.number(), elapsedMs: z.number() });
export const accepted = z.strictObject({
  eventsPerSecond: z.number(),
  cpuUsPerEvent: z.number(),
  batchP50Ms: z.number(),
  batchP99Ms: z.number(),
  acknowledged: z.number(),
});
export const claimed = z.strictObject({ jobs: z.number(), p50Ms: z.number(), maxMs: z.number() });
