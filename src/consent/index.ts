// The registry of consent signals, in the order in which reasons are looked for. A new signal is one file and one line here.

import type { ConsentSignal, Evidence, EvidenceBundle, RawConsent, SignalName } from '../core/consent.ts';
import { canonicalJson, type Json } from '../core/json.ts';
import { additionalConsent } from './additional-consent.ts';
import { google } from './google.ts';
import { gpc } from './gpc.ts';
import { gpp } from './gpp.ts';
import { onetrust } from './onetrust.ts';
import { shopify } from './shopify.ts';
import { tcf } from './tcf.ts';
import { usPrivacy } from './us-privacy.ts';

export const signals: readonly ConsentSignal[] = [
  tcf,
  additionalConsent,
  onetrust,
  google,
  shopify,
  gpp,
  usPrivacy,
  gpc,
];

/**
 * Decodes every signal of every carrier. Carriers without any signal are left out, and so are those that only repeat what
 * another one says.
 * @param keyedHash gives a printable keyed hash: it stands for values that cannot be read
 */
export function collectEvidence(carriers: readonly RawConsent[], keyedHash: (text: string) => string): EvidenceBundle {
  const found = carriers.map((raw) => decodeCarrier(raw, keyedHash)).filter((one) => Object.keys(one).length > 0);
  if (found.length < 2) return found;
  const said = found.map(
    (evidence) => new Set(Object.entries(evidence).map(([name, own]) => `${name} ${canonicalJson(own)}`)),
  );
  return found.filter((_, i) => !said.some((other, j) => j !== i && isRepetition(said[i], other, j < i)));
}

// Of two carriers that say the same the first stays.
function isRepetition(one: ReadonlySet<string> | undefined, other: ReadonlySet<string>, isEarlier: boolean): boolean {
  if (one === undefined || (one.size === other.size && !isEarlier)) return false;
  return [...one].every((text) => other.has(text));
}

/** The countries that visitors' own signals name. They tighten the region and never loosen it. */
export function countryHints(bundle: EvidenceBundle): readonly string[] {
  const hints = bundle.flatMap((evidence) =>
    signals.flatMap((signal) => {
      const own = evidence[signal.name];
      return own === undefined ? [] : (signal.hints?.(own) ?? []);
    }),
  );
  return [...new Set(hints)];
}

function decodeCarrier(raw: RawConsent, keyedHash: (text: string) => string): Evidence {
  const evidence: Partial<Record<SignalName, Json>> = {};
  for (const signal of signals) {
    const own = signal.decode(raw, keyedHash);
    if (own !== null) evidence[signal.name] = own;
  }
  return evidence;
}

// One of each kind, as they come from browsers; what they say is of no interest.
const TC_STRING = 'CQuIxQAQuIxQAAcABBDECgFgAP_gAAAAAAYgAAAAAAAA.IAAA.dkAAAAAAAAA';
const SAMPLES: RawConsent = {
  tcf: TC_STRING,
  additional_consent: '2~89~dv.',
  onetrust:
    'isGpcEnabled=0&datestamp=Mon+Nov+23+2026+10%3A00%3A00+GMT%2B0100&version=202606.1.0&landingPath=NotLandingPage' +
    '&groups=C0001%3A1%2CC0004%3A1&geolocation=DE%3BBE&AwaitingReconsent=false&intType=1',
  onetrust_closed: '2026-11-23T09:00:00.000Z',
  gcs: 'G111',
  gcd: '13r3r3r3r5',
  shopify_cookie: '%7B%22con%22%3A%7B%22CMP%22%3A%7B%22m%22%3A%221%22%7D%7D%2C%22v%22%3A%222.1%22%7D',
  gpp: 'DBABLA~BVQVAAAAAAGA.YA',
  usprivacy: '1YNN',
  gpc: true,
};
const WARM_ROUNDS = 50;
// The language of the string: any letter is one.
const LETTER_AT = 18;

/** Lets the engine compile the decoders before the first visitor waits for them: cold, one TC string takes milliseconds. */
export function warmUp(): void {
  for (let i = 0; i < WARM_ROUNDS; i++) {
    // Another string each time: the memory of strings would answer for the decoder.
    const letter = String.fromCharCode('A'.charCodeAt(0) + (i % 26));
    const tcf = TC_STRING.slice(0, LETTER_AT) + letter + TC_STRING.slice(LETTER_AT + 1);
    collectEvidence([{ ...SAMPLES, tcf }], (text) => text);
  }
}
