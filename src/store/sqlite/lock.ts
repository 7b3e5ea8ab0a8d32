// One writer per data folder: a small database held exclusively for life, which the kernel frees also after kill -9.

import { chmodSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import Database from 'better-sqlite3';
import { CannotRun } from '../../core/errors.ts';

export interface Lock {
  release(): void;
}

/**
 * Takes the lock of a database file.
 * @throws CannotRun naming the process that holds it
 */
export function takeLock(databaseFile: string): Lock {
  const ownerFile = `${databaseFile}.owner`;
  const lock = new Database(`${databaseFile}.lock`, { timeout: 0 });
  try {
    chmodSync(`${databaseFile}.lock`, 0o600);
    // Exclusive and never ended: another process fails at once instead of waiting.
    lock.pragma('locking_mode = EXCLUSIVE');
    lock.exec('CREATE TABLE IF NOT EXISTS held (n INTEGER); BEGIN EXCLUSIVE; DELETE FROM held');
  } catch (error) {
    lock.close();
    throw new CannotRun(
      `another Sluice is running on ${databaseFile} (${readOwner(ownerFile)}): it holds the lock; stop it first`,
      { cause: error },
    );
  }
  writeFileSync(ownerFile, `pid ${process.pid} on ${hostname()}`, { mode: 0o600 });
  return {
    release() {
      rmSync(ownerFile, { force: true });
      lock.close();
    },
  };
}

function readOwner(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return 'its owner is not known';
  }
}
