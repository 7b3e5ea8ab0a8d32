// A visitor's last reported consent, sealed, by `state_ref` alone. Rows are written only when something changed.

import type { KeyObject } from 'node:crypto';
import type Database from 'better-sqlite3';
import { seal, unseal } from '../../core/seal.ts';

/** Receipt of the withdrawal that stands, per destination, epoch milliseconds. */
export interface VisitorState {
  readonly withdrawnMs: Readonly<Record<string, number>>;
}

export interface ConsentStates {
  /** The newest withdrawal among these visitors at a destination; null = none stands. */
  withdrawnMs(refs: readonly string[], destination: string): number | null;
  has(ref: string): boolean;
  /** Sets (a time) or lifts (null) withdrawals. */
  change(ref: string, atMs: number, withdrawnMs: Readonly<Record<string, number | null>>): void;
}

/** Opens the consent states of a database. `randomBytes` makes nonces, latin1. */
export function openConsentStates(
  db: Database.Database,
  key: KeyObject,
  randomBytes: (count: number) => string,
): ConsentStates {
  const select = db.prepare('SELECT sealed FROM consent_state WHERE ref = ?').pluck();
  const put = db.prepare(
    'INSERT INTO consent_state (ref, changed_ms, sealed) VALUES (?, ?, ?) ON CONFLICT (ref) DO UPDATE SET changed_ms = excluded.changed_ms, sealed = excluded.sealed',
  );
  const read = (ref: string): VisitorState | null => {
    const sealed = select.get(Buffer.from(ref, 'latin1'));
    return Buffer.isBuffer(sealed) ? JSON.parse(unseal(key, sealed.toString('latin1'), bindingOf(ref))) : null;
  };
  return {
    has: (ref) => select.get(Buffer.from(ref, 'latin1')) !== undefined,
    withdrawnMs(refs, destination) {
      let newest: number | null = null;
      for (const ref of refs) {
        const at = read(ref)?.withdrawnMs[destination];
        if (at !== undefined && (newest === null || at > newest)) newest = at;
      }
      return newest;
    },
    change(ref, atMs, changes) {
      const merged = new Map(Object.entries(read(ref)?.withdrawnMs ?? {}));
      for (const [destination, withdrawnMs] of Object.entries(changes)) {
        if (withdrawnMs === null) merged.delete(destination);
        else merged.set(destination, withdrawnMs);
      }
      const state: VisitorState = { withdrawnMs: Object.fromEntries(merged) };
      const sealed = seal(key, JSON.stringify(state), bindingOf(ref), randomBytes(12));
      put.run(Buffer.from(ref, 'latin1'), atMs, Buffer.from(sealed, 'latin1'));
    },
  };
}

const bindingOf = (ref: string): string => `state ${ref}`;
