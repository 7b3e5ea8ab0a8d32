// What the consent tests share: one moment, the shipped policy, and a question about a destination.

import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { signals } from '../../src/consent/index.ts';
import type { Ask, Evidence, EvidenceBundle, RuleNote, SignalVerdict } from '../../src/core/consent.ts';
import { sha256Hex } from '../../src/core/identity.ts';
import { createDecide, type Decision } from '../../src/core/policy.ts';
import { identifyPolicy, type Policy, policyFile } from '../../src/core/policy-file.ts';
import type { Region } from '../../src/core/region.ts';
import { writeTcString } from '../../src/demo/consent-strings.ts';

export const DAY = 86_400_000;
export const HOUR = 3_600_000;
/** The moment at which the tests decide. */
export const NOW = Date.UTC(2026, 10, 24, 12);
export const YESTERDAY = Date.UTC(2026, 10, 23);
export const ALL_PURPOSES: readonly number[] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];

export const defaultPolicy: Policy = identifyPolicy(
  policyFile.parse(parse(readFileSync(new URL('../../config/policies/default.yaml', import.meta.url), 'utf8'))),
);

export const keyedHash = (text: string): string => sha256Hex(`a key of the tests ${text}`).slice(0, 16);

/** A TC string of yesterday with every purpose. */
export const grantedTc = (): string => writeTcString({ createdMs: YESTERDAY, purposes: ALL_PURPOSES });
export const refusedTc = (): string => writeTcString({ createdMs: YESTERDAY, purposes: [] });

interface Question {
  readonly destination?: 'meta' | 'klaviyo';
  readonly region?: Region;
  readonly policy?: Policy;
  readonly atMs?: number;
  /** The evidence of the same carrier. */
  readonly beside?: Evidence;
  readonly notes?: RuleNote[];
}

export function askAbout({ destination = 'meta', region = 'regulated', ...rest }: Question = {}): Ask {
  const { policy = defaultPolicy, atMs = NOW, beside = {}, notes } = rest;
  const wanted = policy.destinations[destination];
  if (wanted === undefined) throw new Error(`the policy of this test leaves ${destination} out`);
  return {
    destination,
    wanted,
    rules: policy.consent,
    region,
    atMs,
    evidenceOf: (signal) => beside[signal],
    ...(notes === undefined ? {} : { note: (note: RuleNote) => notes.push(note) }),
  };
}

const COUNTRY: Readonly<Record<Region, string>> = { regulated: 'DE', opt_out: 'US', open: 'JP' };

export const decide = createDecide(signals);

/** The decision of the shipped policy about a bundle of evidence. */
export function decideOn(
  bundle: EvidenceBundle,
  destination: 'meta' | 'klaviyo' = 'meta',
  region: Region = 'regulated',
): Decision {
  const facts = {
    configured: true,
    mapped: true,
    duplicate: false,
    erased: false,
    paused: false,
    transactional: false,
  };
  return decide(
    { name: 'purchase', objections: [] },
    bundle,
    { country: COUNTRY[region], basis: 'proxy_header' },
    defaultPolicy,
    { destination, atMs: NOW, withdrawnMs: null, ...facts },
  );
}

/** `granted`, `denied:CODE`, `none:CODE`, or `not asked`. */
export function spell(verdict: SignalVerdict | null): string {
  if (verdict === null) return 'not asked';
  return verdict.result === 'granted' ? 'granted' : `${verdict.result}:${verdict.code}`;
}

/** The shortest of several measurements, in milliseconds: a slow neighbour on the machine spoils one, not all. */
export function fastest(runs: readonly (() => void)[]): number {
  const times = runs.map((run) => {
    const from = performance.now();
    run();
    return performance.now() - from;
  });
  return Math.min(...times);
}
