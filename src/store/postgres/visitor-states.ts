// A visitor's last reported consent, sealed, by `state_ref` alone: what stands in the database, and over it what a batch changes.

import type { KeyObject } from 'node:crypto';
import { seal, unseal } from '../../core/seal.ts';
import type { VisitorState } from '../sqlite/consent-state.ts';

export interface VisitorStates {
  /** The newest withdrawal among these visitors at a destination, epoch milliseconds; null = none stands. */
  withdrawnMs(refs: readonly string[], destination: string): number | null;
  has(ref: string): boolean;
  /** Sets (a time) or lifts (null) withdrawals. */
  change(ref: string, withdrawnMs: Readonly<Record<string, number | null>>): void;
  /** What was changed, sealed, by `state_ref`. */
  changed(): ReadonlyMap<string, string>;
}

const bindingOf = (ref: string): string => `state ${ref}`;

/**
 * Reads sealed rows, by `state_ref`; everything latin1.
 * @throws Error for a row that was altered
 */
export function readVisitorStates(
  rows: ReadonlyMap<string, string>,
  key: KeyObject,
  randomBytes: (count: number) => string,
): VisitorStates {
  const states = new Map<string, VisitorState>();
  const touched = new Set<string>();
  for (const [ref, sealed] of rows) states.set(ref, JSON.parse(unseal(key, sealed, bindingOf(ref))));
  return {
    has: (ref) => states.has(ref),
    withdrawnMs(refs, destination) {
      let newest: number | null = null;
      for (const ref of refs) {
        const at = states.get(ref)?.withdrawnMs[destination];
        if (at !== undefined && (newest === null || at > newest)) newest = at;
      }
      return newest;
    },
    change(ref, changes) {
      const merged = new Map(Object.entries(states.get(ref)?.withdrawnMs ?? {}));
      for (const [destination, withdrawnMs] of Object.entries(changes)) {
        if (withdrawnMs === null) merged.delete(destination);
        else merged.set(destination, withdrawnMs);
      }
      states.set(ref, { withdrawnMs: Object.fromEntries(merged) });
      touched.add(ref);
    },
    changed: () =>
      new Map(
        [...touched].map((ref) => [ref, seal(key, JSON.stringify(states.get(ref)), bindingOf(ref), randomBytes(12))]),
      ),
  };
}
