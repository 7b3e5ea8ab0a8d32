// Global Privacy Platform: a TC string for Europe (section 2) and opt-outs of US law (sections 6 to 27) in one string.

import type { Ask, ConsentSignal, SignalVerdict } from '../core/consent.ts';
import { type GppSections, type OptOut, readGppString, readUsSection } from './gpp-string.ts';
import { type TcfEvidence, tcf } from './tcf.ts';
import { type Fault, type Unreadable, unreadable } from './unreadable.ts';
import { readUsPrivacy } from './us-privacy.ts';

/** One US section. `fault` is our word for why nothing more can be read of it. */
type GppOptOuts = {
  readonly section: number;
  readonly opt_outs: readonly OptOut[];
  readonly gpc: boolean;
  readonly fault: string | null;
};

export type GppEvidence = { readonly tc: TcfEvidence | null; readonly us: readonly GppOptOuts[] } | Unreadable;

const TCF_EU = 2;
const US_PRIVACY = 6;

export const gpp: ConsentSignal<GppEvidence> = {
  name: 'gpp',
  decode({ gpp: text }, keyedHash) {
    if (text === undefined || text === '') return null;
    const sections = readGppString(text);
    if ('fault' in sections) return unreadable(text, sections, keyedHash);
    return { tc: tcf.decode({ tcf: sections.get(TCF_EU) }, keyedHash), us: readOptOuts(sections) };
  },
  judge(evidence, ask) {
    const isReadable = !('unreadable' in evidence);
    note(ask, 'readable', ['a string of version 1', isReadable ? 'readable' : evidence.unreadable, isReadable]);
    if (!isReadable) return { result: 'none', code: evidence.code };
    const europe = evidence.tc === null ? null : tcf.judge(evidence.tc, asGpp(ask));
    const us = judgeOptOuts(evidence.us, ask);
    if (europe === null || europe.result === 'denied') return europe ?? us;
    if (us.result === 'denied') return { ...us, ...(europe.purposes ? { purposes: europe.purposes } : {}) };
    return europe;
  },
};

/** The rules of the TC string inside are this signal's. */
function asGpp(ask: Ask): Ask {
  const { note: listener } = ask;
  if (listener === undefined) return ask;
  return { ...ask, note: (one) => listener({ ...one, signal: 'gpp', rule: `section_2 ${one.rule}` }) };
}

function readOptOuts(sections: GppSections): readonly GppOptOuts[] {
  return [...sections].flatMap(([section, text]): GppOptOuts[] => {
    if (section === US_PRIVACY) return [readUspSection(text)];
    const found = readUsSection(section, text);
    if (found === null) return [];
    if ('fault' in found) return [broken(section, found)];
    const { optOuts, gpc, known } = found;
    return [{ section, opt_outs: optOuts, gpc, fault: known ? null : 'version' }];
  });
}

function readUspSection(text: string): GppOptOuts {
  const found = readUsPrivacy(text);
  if (typeof found !== 'string') return broken(US_PRIVACY, found);
  return { section: US_PRIVACY, opt_outs: found === 'Y' ? ['sale'] : [], gpc: false, fault: null };
}

const broken = (section: number, { fault }: Fault): GppOptOuts => ({ section, opt_outs: [], gpc: false, fault });

function judgeOptOuts(us: readonly GppOptOuts[], ask: Ask): SignalVerdict {
  for (const { section, opt_outs, gpc, fault } of us) {
    const found = [...opt_outs, ...(gpc ? ['gpc'] : []), ...(fault === null ? [] : [`unreadable: ${fault}`])];
    const holds = opt_outs.length === 0 && !(gpc && ask.region !== 'regulated');
    note(ask, `section_${section}`, ['no opt-out', found.length === 0 ? 'no opt-out' : found.join(', '), holds]);
  }
  if (us.some(({ opt_outs }) => opt_outs.length > 0)) return { result: 'denied', code: 'optout.gpp' };
  // The browser's signal repeated: of the same effect as the signal itself.
  if (us.some(({ gpc }) => gpc)) return { result: ask.region === 'regulated' ? 'none' : 'denied', code: 'optout.gpp' };
  return { result: 'none', code: us.some(({ fault }) => fault !== null) ? 'consent.malformed' : 'consent.absent' };
}

function note(ask: Ask, rule: string, [required, found, holds]: readonly [string, string, boolean]): void {
  ask.note?.({ signal: 'gpp', rule, required, found, holds });
}
