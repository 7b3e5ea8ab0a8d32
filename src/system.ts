// The real clock and the real randomness: made once at the top and handed down.

import { randomFillSync, randomInt, randomUUID } from 'node:crypto';
import type { Clock, Ids } from './core/ports.ts';

const POOL_BYTES = 8192;

export const systemClock: Clock = Date.now;

/** Ids from the system's randomness, in a pool: 16 bytes at a time cost fifty times as much each. */
export function createIds(): Ids {
  const pool = Buffer.alloc(POOL_BYTES);
  let used = POOL_BYTES;
  return {
    uuid: randomUUID,
    bytes(count) {
      if (count > POOL_BYTES) throw new RangeError('more random bytes than a pool holds');
      if (used + count > POOL_BYTES) {
        randomFillSync(pool);
        used = 0;
      }
      const bytes = pool.toString('latin1', used, used + count);
      pool.fill(0, used, used + count);
      used += count;
      return bytes;
    },
    random: () => randomInt(0x1_0000_0000) / 0x1_0000_0000,
  };
}
