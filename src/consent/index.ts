// The registry of consent signals, in the order in which reasons are looked for. A new signal is one file and one line here.

import type { ConsentSignal, Evidence, EvidenceBundle, RawConsent, SignalName } from '../core/consent.ts';
import { canonicalJson, type Json } from '../core/json.ts';
import { additionalConsent } from './additional-consent.ts';
import { gpc } from './gpc.ts';
import { onetrust } from './onetrust.ts';
import { tcf } from './tcf.ts';

export const signals: readonly ConsentSignal[] = [tcf, additionalConsent, onetrust, gpc];

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
