// Ids that a test can repeat: counted, never random.

import { createHash } from 'node:crypto';
import type { Ids } from '../src/core/ports.ts';

export function countedIds(): Ids {
  let n = 0;
  const next = (length: number) => {
    n += 1;
    return createHash('sha512').update(`id ${n}`).digest().toString('latin1').slice(0, length);
  };
  return {
    uuid: () => Buffer.from(next(16), 'latin1').toString('hex'),
    bytes: next,
    random: () => 0.5,
  };
}
