// A TC string as its rules need it: pre-scanned, decoded by @iabtcf/core, checked for what the library lets through, and
// remembered, because one visitor's events all bring the same string.

import { TCString } from '@iabtcf/core';
import { LRUCache } from 'lru-cache';
import { DAY_MS } from './age.ts';
import { scanTcString, type TcScan } from './tcf-prescan.ts';
import { type Fault, MAX_SIGNAL_LENGTH, malformed } from './unreadable.ts';

/** The purposes of today's framework; bits above mean nothing. */
const LAST_PURPOSE = 11;

/** What a readable TC string says. Purposes are bits: purpose n is bit n - 1; consent alone, never legitimate interest. */
export interface TcReading {
  /** Epoch milliseconds; consent managers write midnight, in UTC or of the visitor. */
  readonly createdMs: number;
  readonly lastUpdatedMs: number;
  readonly policyVersion: number;
  readonly serviceSpecific: boolean;
  readonly purposes: number;
  /** Purpose 1 was not shown to the visitor. */
  readonly purposeOneTreatment: boolean;
  readonly disclosedVendors: boolean;
  /** The publisher's own purposes; null without that segment. */
  readonly publisherPurposes: number | null;
}

// Age is judged from the dates each time: what is remembered here is true for ever. Garbage has a place of its own, so
// that it cannot push out what real visitors send.
const readable = new LRUCache<string, TcReading>({ max: 2000 });
const refused = new LRUCache<string, Fault>({ max: 200 });

/** Reads a TC string, from memory where it was read before. Never throws; at most a few milliseconds for any input. */
export function readTcString(text: string): TcReading | Fault {
  // Not looked up: a long key would be hashed in full, and kept.
  if (text.length > MAX_SIGNAL_LENGTH) return malformed('length');
  const known = readable.get(text) ?? refused.get(text);
  if (known !== undefined) return known;
  const result = decode(text);
  // A text that was cut out of a request would keep the whole request in memory: the key is a copy.
  const key = Buffer.from(text, 'utf8').toString('utf8');
  if ('fault' in result) refused.set(key, result);
  else readable.set(key, result);
  return result;
}

function decode(text: string): TcReading | Fault {
  const scan = scanTcString(text);
  if ('fault' in scan) return scan;
  const reading = readModel(scan);
  if (reading === null) return malformed('library');
  // Written by one act, the two may differ by the skew of a day and by nothing else backwards.
  if (reading.lastUpdatedMs + DAY_MS < reading.createdMs) return malformed('dates');
  return reading;
}

function readModel(scan: TcScan): TcReading | null {
  try {
    const model = TCString.decode(scan.text);
    return {
      createdMs: model.created.getTime(),
      lastUpdatedMs: model.lastUpdated.getTime(),
      policyVersion: Number(model.policyVersion),
      serviceSpecific: model.isServiceSpecific,
      purposes: bitsOf(model.purposeConsents),
      purposeOneTreatment: model.purposeOneTreatment,
      disclosedVendors: scan.disclosedVendors,
      publisherPurposes: scan.publisherTc ? bitsOf(model.publisherConsents) : null,
    };
  } catch {
    // DecodingError, TCModelError, bare Error and TypeError all occur, and all say the same: this is no TC string.
    return null;
  }
}

function bitsOf(vector: { has(id: number): boolean }): number {
  let bits = 0;
  for (let purpose = 1; purpose <= LAST_PURPOSE; purpose++) if (vector.has(purpose)) bits |= 1 << (purpose - 1);
  return bits;
}
