// The configuration as the program sees it after reading: what `src/config.ts` makes and everything else is given.

import type { Policy } from './policy-file.ts';
import type { DeliveryLimits } from './ports.ts';

/** A secret that can be used and not be printed. */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  reveal(): string {
    return this.#value;
  }

  toJSON(): string {
    return '[secret]';
  }

  toString(): string {
    return '[secret]';
  }
}

export interface Site {
  readonly id: string;
  readonly origins: readonly string[];
  readonly cookieDomain: string | null;
  readonly policy: Policy;
  /** Which source may send a purchase, `auto` already resolved. */
  readonly purchases: 'browser' | 'webhook' | 'both';
  readonly serverTokens: readonly Secret[];
  /** Settings of each configured destination, parsed by its own schema. */
  readonly destinations: ReadonlyMap<string, unknown>;
}

export interface Listener {
  readonly host: string;
  readonly port: number;
}

export interface DeliverySettings extends DeliveryLimits {
  /** Sends under way at once, per destination. */
  readonly inFlight: number;
  readonly retryScheduleMs: readonly number[];
  readonly maxRetryAfterMs: number;
  /** Counted from acceptance, per destination. */
  readonly giveUpAfterMs: Readonly<Record<string, number>>;
  /** A paused destination is tried again after this. */
  readonly probeMs: number;
  /** Intake answers 503 while more events wait for a transaction. */
  readonly maxWaitingEvents: number;
  /** Intake answers 503 while more jobs are due and not attempted. */
  readonly maxDueJobs: number;
  /** Intake answers 503 while the disk has less room. */
  readonly minFreeBytes: number;
  readonly keepDeadLettersMs: number;
  /** On SIGTERM, sends under way may take this long. */
  readonly drainMs: number;
}

export interface Config {
  readonly file: string;
  readonly listen: {
    readonly collect: Listener & {
      readonly paths: {
        readonly collect: string;
        readonly consent: string;
        readonly script: string;
        readonly data: readonly string[];
      };
    };
    readonly console: Listener;
    readonly ops: Listener;
    readonly trustedProxies: readonly string[];
  };
  readonly region: { readonly header: string | null; readonly database: string | null };
  readonly store: { readonly url: string };
  readonly role: 'all' | 'collect' | 'deliver';
  readonly keys: { readonly file: string };
  readonly limits: {
    readonly bodyBytes: number;
    readonly webhookBytes: number;
    readonly headerBytes: number;
    readonly batchEvents: number;
    readonly ratePerClientPerMinute: number;
    readonly connections: number;
  };
  readonly retention: {
    readonly logMs: number;
    readonly dropLinksMs: number;
    readonly sessionsMs: number;
    readonly consentStateMs: number;
  };
  readonly log: { readonly level: 'error' | 'warn' | 'info' | 'debug' };
  readonly delivery: DeliverySettings;
  readonly sites: readonly Site[];
}
