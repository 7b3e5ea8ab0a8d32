// What a destination says about its own configuration when it is asked, for `check-config --online`.

import type { DeliveryLimits } from '../core/ports.ts';

/** One question to a vendor and its answer. */
export interface OnlineFinding {
  /** What was asked about: a dataset, a key. */
  readonly subject: string;
  readonly verdict: 'accepted' | 'refused' | 'unreachable';
  /** Stable and printable, as in the log: `meta.190.463`, `http.dns`; null where there is nothing to say. */
  readonly code: string | null;
  readonly says: string;
}

export interface Checkable<S = unknown> {
  /**
   * Asks whether the vendor takes what the settings say, by a request that it must refuse for its content: so that it has
   * looked at everything else, and nothing was recorded.
   */
  check(settings: S, limits: DeliveryLimits): Promise<readonly OnlineFinding[]>;
}
