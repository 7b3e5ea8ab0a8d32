// Section `consent`: what one signal costs, fresh and remembered, and what the worst value of each kind costs. In this process:
// nothing but the decoders is measured.

import { signals, warmUp } from '../../../src/consent/index.ts';
import type { RawConsent } from '../../../src/core/consent.ts';
import { type TcContent, writeTcString } from '../../../src/demo/consent-strings.ts';

export interface ConsentFigures {
  readonly freshChars: number;
  /** A TC string that was never seen: median and 99th percentile, microseconds. */
  readonly freshP50Us: number;
  readonly freshP99Us: number;
  /** A TC string that is remembered, as a new text each time, microseconds. */
  readonly cachedUs: number;
  /** The first TC string after `warmUp`, milliseconds. */
  readonly firstMs: number;
  /** All signals given one hostile value: the median of nine different ones, and the slowest, milliseconds. */
  readonly worst: readonly { readonly kind: string; readonly medianMs: number; readonly slowestMs: number }[];
}

const FRESH = 3000;
const CACHED = 100_000;
const HOSTILE = 9;
const CREATED_MS = Date.UTC(2026, 10, 23);

/** Measures for a second or two. */
export function measureConsent(): ConsentFigures {
  warmUp();
  const firstMs = time({ tcf: average(FRESH + 1) });
  const strings = Array.from({ length: FRESH }, (_, i) => average(i));
  const fresh = strings.map((tcf) => time({ tcf }) * 1000).sort((a, b) => a - b);
  return {
    freshChars: strings[0]?.length ?? 0,
    freshP50Us: fresh[Math.floor(FRESH / 2)] ?? 0,
    freshP99Us: fresh[Math.floor(FRESH * 0.99)] ?? 0,
    cachedUs: measureCached(strings[FRESH - 1] ?? ''),
    firstMs,
    worst: Object.entries(HOSTILES).map(([kind, make]) => ({ kind, ...measureHostile(make) })),
  };
}

const identity = (text: string): string => text;

/** Every decoder once, milliseconds. */
function time(raw: RawConsent): number {
  const from = performance.now();
  for (const signal of signals) signal.decode(raw, identity);
  return performance.now() - from;
}

function measureCached(text: string): number {
  const bytes = Buffer.from(text);
  const run = (use: (copy: string) => void) => {
    const from = performance.now();
    for (let i = 0; i < CACHED; i++) use(bytes.toString('latin1'));
    return performance.now() - from;
  };
  const [tcf] = signals;
  const decoded = run((copy) => tcf?.decode({ tcf: copy }, identity));
  return ((decoded - run(() => {})) / CACHED) * 1000;
}

function measureHostile(make: (salt: number) => RawConsent) {
  const times = Array.from({ length: HOSTILE }, (_, salt) => time(make(salt))).sort((a, b) => a - b);
  return { medianMs: times[Math.floor(HOSTILE / 2)] ?? 0, slowestMs: times.at(-1) ?? 0 };
}

const upTo = (count: number) => Array.from({ length: count }, (_, i) => i + 1);
const ALL_PURPOSES = upTo(11);
const tc = (salt: number, content: Partial<TcContent>) =>
  writeTcString({ createdMs: CREATED_MS + salt * 100, purposes: ALL_PURPOSES, ...content });

/** As long as a string of today is on average. */
const average = (salt: number) =>
  tc(salt, {
    vendors: { max: 900, ids: upTo(300).map((i) => i * 3) },
    vendorInterests: { max: 700, ids: [1, 2, 10] },
    disclosed: { max: 650, ids: [1, 2, 10, 25, 600] },
  });

const HOSTILES: Readonly<Record<string, (salt: number) => RawConsent>> = {
  'TC string, restrictions of all vendors': (salt) => ({
    tcf: tc(salt, { restrictions: [{ purpose: 2, type: 1, ranges: [[1, 65_535]] }] }),
  }),
  'TC string, 10,000 vendors in four lists': (salt) => {
    const list = { max: 10_000, ids: [1] };
    return { tcf: tc(salt, { vendors: list, vendorInterests: list, disclosed: list, allowed: list }) };
  },
  'TC string, 8 KiB of noise': (salt) => ({ tcf: `C${'x'.repeat(8100)}${salt}` }),
  'Additional Consent, 1 MB': (salt) => ({ additional_consent: `2~${'89.'.repeat(350_000)}${salt}` }),
  'OneTrust, 900 groups': (salt) => ({
    onetrust: `groups=${upTo(900)
      .map((i) => `C${i}:1`)
      .join()}&s=${salt}`,
  }),
  'OneTrust, 8,000 fields': (salt) => ({ onetrust: `groups=C1:1${'&'.repeat(8100)}${salt}` }),
  'gcd, 1 MB': (salt) => ({ gcd: `1${'3r'.repeat(500_000)}${salt}` }),
  'Shopify, 8,000 brackets': (salt) => ({ shopify_cookie: `${'['.repeat(8100)}${salt}` }),
  'GPP, 600 sections': (salt) => ({ gpp: `DBABLA${'~BVQVAAAAAAGA'.repeat(600)}${salt}` }),
  'GPP, 8,000 segments': (salt) => ({ gpp: `DBABLA~B${'.'.repeat(8000)}${salt}` }),
  'US Privacy, 1 MB': (salt) => ({ usprivacy: `${'1Y'.repeat(500_000)}${salt}` }),
};
