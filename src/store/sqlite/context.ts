// What the store's operations share: the open parts of one database, and the rules of the configuration.

import type Database from 'better-sqlite3';
import type { Keys } from '../../core/identity.ts';
import type { Decide } from '../../core/policy.ts';
import type { Policy } from '../../core/policy-file.ts';
import type { Clock, Ids } from '../../core/ports.ts';
import type { ConsentStates } from './consent-state.ts';
import type { Entries } from './entries.ts';
import type { EvidenceStore } from './evidence.ts';
import type { Jobs } from './jobs.ts';
import type { Lookups } from './lookups.ts';
import type { OutboxEvents } from './outbox-events.ts';

/** One destination as a site has it. */
export interface DestinationRules {
  readonly id: string;
  /** Its place in the order of dispatch, at most 6: also its bit in look-ups. */
  readonly place: number;
  readonly configured: boolean;
  readonly paused: boolean;
  readonly maxAgeMs: number | null;
  readonly waitMs: number;
  maps(eventName: string): boolean;
  /** It may go there without cookie consent. */
  isTransactional(eventName: string): boolean;
}

export interface SiteRules {
  readonly policy: Policy;
  /** Every destination of the program, in the order of dispatch. */
  readonly destinations: readonly DestinationRules[];
}

export interface StoreContext {
  readonly db: Database.Database;
  readonly entries: Entries;
  readonly evidence: EvidenceStore;
  readonly states: ConsentStates;
  readonly jobs: Jobs;
  readonly events: OutboxEvents;
  readonly lookups: Lookups;
  readonly sites: ReadonlyMap<string, SiteRules>;
  readonly decide: Decide;
  readonly clock: Clock;
  readonly ids: Ids;
  /** The epoch key that subject references of now are made with. */
  readonly epoch: number;
  /** Jobs whose attempt is under way. */
  readonly inFlight: Set<number>;
}

export interface StoreOptions {
  readonly file: string;
  readonly keys: Keys;
  readonly decide: Decide;
  readonly sites: ReadonlyMap<string, SiteRules>;
  /** Every destination of the program, in the order of dispatch. */
  readonly destinations: readonly string[];
  readonly clock: Clock;
  readonly ids: Ids;
  readonly maxDueJobs: number;
  readonly minFreeBytes: number;
  readonly keepDeadLettersMs: number;
  /** Recorded with the start: version of the program, hash of the configuration. */
  readonly about: Readonly<Record<string, string>>;
  /** Called once when the state can no longer be trusted: the process must end. */
  readonly onBroken: (error: unknown) => void;
}
