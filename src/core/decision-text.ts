// How a decision stands in the log and comes back from it: signals as text, facts as bits.

import { type Decision, describeVerdict, type Facts } from './policy.ts';

/** `tcf=granted;onetrust=denied:category.denied`, in the registry's order; empty text = no signal was asked. */
export function describeSignals(signals: Decision['signals']): string {
  return signals.map(({ name, verdict }) => `${name}=${describeVerdict(verdict)}`).join(';');
}

/** The exported form of `describeSignals`: name → `granted` | `denied:CODE` | `none:CODE`. */
export function parseSignals(text: string): Readonly<Record<string, string>> {
  const pairs = text.split(';').filter((part) => part !== '');
  return Object.fromEntries(pairs.map((part) => [part.slice(0, part.indexOf('=')), part.slice(part.indexOf('=') + 1)]));
}

const FACT_BITS = { configured: 1, mapped: 2, duplicate: 4, erased: 8, paused: 16, transactional: 64 } as const;
const LIMITED_DATA_USE = 32;

/** The facts of a decision, and whether it permits Limited Data Use only, as bits of one number. */
export function packFacts(facts: Facts, limitedDataUse: boolean): number {
  let bits = limitedDataUse ? LIMITED_DATA_USE : 0;
  for (const [name, bit] of Object.entries(FACT_BITS)) if (facts[name as keyof typeof FACT_BITS]) bits |= bit;
  return bits;
}

/** The facts of a logged decision. */
export function unpackFacts(bits: number): Readonly<Record<keyof typeof FACT_BITS | 'limitedDataUse', boolean>> {
  const has = (bit: number) => (bits & bit) !== 0;
  return {
    configured: has(FACT_BITS.configured),
    mapped: has(FACT_BITS.mapped),
    duplicate: has(FACT_BITS.duplicate),
    erased: has(FACT_BITS.erased),
    paused: has(FACT_BITS.paused),
    transactional: has(FACT_BITS.transactional),
    limitedDataUse: has(LIMITED_DATA_USE),
  };
}

/** Bits to purposes: bit n - 1 is purpose n. */
export function purposeList(bits: number): readonly number[] {
  return Array.from({ length: 24 }, (_, i) => i + 1).filter((purpose) => (bits & (1 << (purpose - 1))) !== 0);
}
