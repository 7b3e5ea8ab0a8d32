// Room on the disk, looked at twice a second: an almost full disk takes outcomes in hand, and no new events.

import { statfs } from 'node:fs/promises';
import { dirname } from 'node:path';

const EVERY_MS = 500;

export interface FreeSpace {
  isLow(): boolean;
  stop(): void;
}

/** Watches the file system that a file is on. Where it cannot be asked, a failing commit tells. */
export function watchFreeSpace(file: string, minFreeBytes: number): FreeSpace {
  let low = false;
  const look = async () => {
    try {
      const { bavail, bsize } = await statfs(dirname(file));
      low = bavail * bsize < minFreeBytes;
    } catch {
      low = false;
    }
  };
  void look();
  const timer = setInterval(() => void look(), EVERY_MS);
  timer.unref();
  return { isLow: () => low, stop: () => clearInterval(timer) };
}
