// What a consent signal is to the rest of the program: it decodes once, and is judged as often as somebody must decide.

import type { WireConsent } from './event.ts';
import type { Json } from './json.ts';
import type { DestinationPolicy, Policy } from './policy-file.ts';
import type { ReasonCode } from './reasons.ts';
import type { Region } from './region.ts';

export type SignalName =
  | 'tcf'
  | 'additional_consent'
  | 'onetrust'
  | 'google'
  | 'shopify'
  | 'gpp'
  | 'us_privacy'
  | 'gpc';

/** One carrier of raw signals: the body's `consent`, or what one set of cookies and headers said in the same words. */
export type RawConsent = WireConsent & { readonly shopify_cookie?: string };

/** A moment of consent. `day`: the source knows the day alone (TCF), so that of the same day it proves nothing. */
export interface ConsentTime {
  readonly ms: number;
  readonly precision: 'instant' | 'day';
}

/** Bits of TCF purposes: purpose n is bit n - 1. */
export interface PurposeBits {
  readonly required: number;
  readonly granted: number;
}

export type SignalVerdict =
  | {
      readonly result: 'granted';
      /** false: it corroborates, and alone permits nothing. */
      readonly sufficient: boolean;
      readonly time: ConsentTime | null;
      readonly purposes?: PurposeBits;
    }
  | { readonly result: 'denied'; readonly code: ReasonCode; readonly purposes?: PurposeBits }
  | { readonly result: 'none'; readonly code: ReasonCode; readonly purposes?: PurposeBits };

/** One rule as it was applied, for `explain` and the console. */
export interface RuleNote {
  readonly signal: SignalName;
  readonly rule: string;
  readonly required: string;
  readonly found: string;
  readonly holds: boolean;
}

/** What a signal is asked about one destination. */
export interface Ask {
  readonly destination: string;
  readonly wanted: DestinationPolicy;
  readonly rules: Policy['consent'];
  readonly region: Region;
  readonly atMs: number;
  /** The evidence of another signal of the same event. */
  readonly evidenceOf: (signal: SignalName) => Json | undefined;
  /** Called for each rule in the order of its application, where somebody listens. */
  readonly note?: (note: RuleNote) => void;
}

/**
 * A signal. `E` is its evidence: the projection of the raw value that its rule reads and nothing more, as plain JSON,
 * because it is kept in the log and judged again from there.
 */
export interface ConsentSignal<E extends Json = Json> {
  readonly name: SignalName;
  /**
   * Reads the signal. Never throws, never takes longer than 5 ms for any input.
   * @returns null when the signal is absent; evidence that says so when it is there and cannot be read.
   */
  decode(raw: RawConsent, keyedHash: (text: string) => string): E | null;
  /** @returns null when the policy does not ask this signal about this destination. Pure. */
  judge(evidence: E, ask: Ask): SignalVerdict | null;
  /** Of two carriers of one signal, the countries that a client-written hint names (they tighten the region only). */
  hints?(evidence: E): readonly string[];
}

/** The evidence of one carrier: signal name → its projection. Absent signals have no key. */
export type Evidence = Readonly<Partial<Record<SignalName, Json>>>;

/**
 * What an event brings: the evidence of each carrier that had any (body, cookies, repeated cookies). Per signal the
 * stricter verdict counts (denied > granted > none).
 */
export type EvidenceBundle = readonly Evidence[];
