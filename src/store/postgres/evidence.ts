// Evidence of this node: each distinct bundle once, found again through a bounded memory.

import { LRUCache } from 'lru-cache';
import type { EvidenceBundle } from '../../core/consent.ts';
import { commitment } from '../../core/ledger.ts';

export interface StoredEvidence {
  readonly id: number;
  readonly commitment: Uint8Array;
}

export interface NewEvidence extends StoredEvidence {
  readonly salt: Uint8Array;
  readonly body: string;
}

export interface EvidenceStore {
  /** Reads a bundle without storing it. */
  parse(body: string): EvidenceBundle;
  known(body: string): StoredEvidence | undefined;
  /** What is not written yet, under the number that it will have. */
  make(body: string, id: number): NewEvidence;
  /** From now on known: it is committed, or will be before anything that cites it. */
  remember(evidence: NewEvidence): void;
  forget(): void;
}

const REMEMBERED = 5000;
const SALT_BYTES = 16;

/** `randomBytes` makes salts, latin1. */
export function createEvidence(randomBytes: (count: number) => string): EvidenceStore {
  const byBody = new LRUCache<string, StoredEvidence>({ max: REMEMBERED });
  const parsed = new LRUCache<string, EvidenceBundle>({ max: REMEMBERED });
  return {
    parse(body) {
      const known = parsed.get(body);
      if (known !== undefined) return known;
      const bundle: EvidenceBundle = JSON.parse(body);
      parsed.set(body, bundle);
      return bundle;
    },
    known: (body) => byBody.get(body),
    make(body, id) {
      const salt = Buffer.from(randomBytes(SALT_BYTES), 'latin1');
      return { id, salt, body, commitment: commitment(salt, Buffer.from(body, 'utf8')) };
    },
    remember: ({ id, body, commitment }) => void byBody.set(body, { id, commitment }),
    forget: () => byBody.clear(),
  };
}
