import { describe, expect, it } from 'vitest';
import type { ConsentSignal, EvidenceBundle, RuleNote, SignalVerdict } from '../../src/core/consent.ts';
import { createDecide, type DecidedEvent, describeVerdict, type Facts } from '../../src/core/policy.ts';
import { identifyPolicy, type Policy } from '../../src/core/policy-file.ts';
import type { RegionEvidence } from '../../src/core/region.ts';

const NOW = Date.UTC(2026, 10, 24, 12);
const DAY = 86_400_000;

// Signals whose evidence is the name of a verdict: the decision is tested, not how a string is read.
const VERDICTS: Readonly<Record<string, SignalVerdict>> = {
  grant: { result: 'granted', sufficient: true, time: { ms: NOW - 2 * DAY, precision: 'instant' } },
  'grant of today': { result: 'granted', sufficient: true, time: { ms: NOW - 1000, precision: 'instant' } },
  'grant of the day': { result: 'granted', sufficient: true, time: { ms: Date.UTC(2026, 10, 24), precision: 'day' } },
  'grant without a time': { result: 'granted', sufficient: true, time: null },
  corroboration: { result: 'granted', sufficient: false, time: null },
  'grant with purposes': {
    result: 'granted',
    sufficient: true,
    time: null,
    purposes: { required: 0b1101, granted: 0b1111 },
  },
  'storage denied': { result: 'denied', code: 'storage.denied' },
  'category denied': { result: 'denied', code: 'category.denied' },
  'opted out': { result: 'denied', code: 'optout.gpc' },
  'opt-out noted': { result: 'none', code: 'optout.gpc' },
  malformed: { result: 'none', code: 'consent.malformed' },
  unsupported: { result: 'none', code: 'consent.unsupported_version' },
  expired: { result: 'none', code: 'consent.expired' },
  unanswered: { result: 'none', code: 'consent.unanswered' },
  undisclosed: { result: 'none', code: 'vendor.not_disclosed' },
};

const scripted = (name: ConsentSignal['name']): ConsentSignal => ({
  name,
  decode: () => null,
  judge: (evidence, ask) => {
    ask.note?.({ signal: name, rule: 'scripted', required: 'a verdict', found: String(evidence), holds: true });
    return VERDICTS[String(evidence)] ?? null;
  },
});
const decide = createDecide([scripted('tcf'), scripted('onetrust'), scripted('gpc')]);

const wanted = { optOut: 'drop', events: '*' } as const;
const policy = identifyPolicy({
  id: 'test',
  regions: { regulated: [], opt_out: ['US'], apply_everywhere: false },
  consent: { maxAgeMonths: 13, requireAlertBoxCookie: false },
  destinations: { meta: { ...wanted, optOut: 'limited_data_use' }, klaviyo: wanted },
});

interface Situation {
  readonly event?: DecidedEvent;
  readonly country?: string;
  readonly facts?: Partial<Facts>;
  readonly policy?: Policy;
}

function decideOn(signals: EvidenceBundle, situation: Situation = {}) {
  const { event = { name: 'purchase', objections: [] }, country = 'DE', facts = {} } = situation;
  const region: RegionEvidence = { country, basis: 'proxy_header' };
  return decide(event, signals, region, situation.policy ?? policy, {
    destination: 'klaviyo',
    atMs: NOW,
    configured: true,
    mapped: true,
    duplicate: false,
    erased: false,
    withdrawnMs: null,
    paused: false,
    transactional: false,
    ...facts,
  });
}
const brief = (...args: Parameters<typeof decideOn>) => {
  const { verdict, reason } = decideOn(...args);
  return `${verdict} ${reason}`;
};

describe('in a regulated region', () => {
  const rows: readonly (readonly [string, EvidenceBundle, string])[] = [
    ['no signal is no consent', [], 'drop consent.absent'],
    ['one sufficient grant permits', [{ tcf: 'grant' }], 'permit consent.granted'],
    ['a corroboration alone permits nothing', [{ tcf: 'corroboration' }], 'drop consent.absent'],
    ['a denial beats a grant', [{ tcf: 'grant', onetrust: 'category denied' }], 'drop category.denied'],
    [
      'a denial beats a grant of the same signal elsewhere',
      [{ tcf: 'grant' }, { tcf: 'storage denied' }],
      'drop storage.denied',
    ],
    [
      'a denial beats a grant, whichever carrier is first',
      [{ tcf: 'storage denied' }, { tcf: 'grant' }],
      'drop storage.denied',
    ],
    [
      'of two denials the first signal gives the reason',
      [{ onetrust: 'category denied', tcf: 'storage denied' }],
      'drop storage.denied',
    ],
    ['a grant beats no answer', [{ tcf: 'expired', onetrust: 'grant' }], 'permit consent.granted'],
    ['a grant beats no answer of the same signal', [{ tcf: 'malformed' }, { tcf: 'grant' }], 'permit consent.granted'],
    [
      'the most telling of several non-answers is named',
      [{ tcf: 'malformed', onetrust: 'unanswered' }],
      'drop consent.unanswered',
    ],
    [
      'a vendor that was not shown tells more than an old banner',
      [{ tcf: 'undisclosed', onetrust: 'expired' }],
      'drop vendor.not_disclosed',
    ],
    [
      'an opt-out that is only noted decides nothing',
      [{ tcf: 'grant', gpc: 'opt-out noted' }],
      'permit consent.granted',
    ],
    ['an opt-out that is only noted is no reason', [{ gpc: 'opt-out noted' }], 'drop consent.absent'],
    ['a signal that is not asked is no signal', [{ tcf: 'nothing is asked' }], 'drop consent.absent'],
  ];
  it.each(rows)('%s', (_name, signals, expected) => {
    expect(brief(signals)).toBe(expected);
  });

  it('everything is regulated where the policy says so, and where no country is known', () => {
    const everywhere = { ...policy, regions: { ...policy.regions, apply_everywhere: true } };
    expect(brief([], { country: 'US', policy: everywhere })).toBe('drop consent.absent');
    expect(
      decide({ name: 'purchase', objections: [] }, [], { country: null, basis: 'unknown' }, policy, {
        destination: 'meta',
        atMs: NOW,
        configured: true,
        mapped: true,
        duplicate: false,
        erased: false,
        withdrawnMs: null,
        paused: false,
        transactional: false,
      }),
    ).toMatchObject({ verdict: 'drop', reason: 'consent.absent', region: 'regulated' });
  });

  it('a destination that the policy leaves out gets nothing, whatever was granted', () => {
    expect(brief([{ tcf: 'grant' }], { facts: { destination: 'elsewhere' } })).toBe('drop consent.absent');
  });
});

describe.each([
  ['where opting out is the law', 'US'],
  ['in an open region', 'JP'],
])('%s', (_name, country) => {
  const rows: readonly (readonly [string, EvidenceBundle, string])[] = [
    ['no signal permits', [], 'permit consent.not_required'],
    ['a grant is named', [{ tcf: 'grant' }], 'permit consent.granted'],
    ['a corroboration is not', [{ tcf: 'corroboration' }], 'permit consent.not_required'],
    ['no answer permits', [{ tcf: 'malformed', onetrust: 'expired' }], 'permit consent.not_required'],
    ['a denial is honoured', [{ onetrust: 'category denied' }], 'drop category.denied'],
    ['an opt-out is honoured', [{ gpc: 'opted out' }], 'drop optout.gpc'],
    ['an opt-out beats a grant', [{ tcf: 'grant', gpc: 'opted out' }], 'drop optout.gpc'],
    [
      'a denial is named before an opt-out',
      [{ onetrust: 'category denied', gpc: 'opted out' }],
      'drop category.denied',
    ],
  ];
  it.each(rows)('%s', (_row, signals, expected) => {
    expect(brief(signals, { country })).toBe(expected);
  });

  it('an opt-out permits Limited Data Use where the policy says so, and a denial does not', () => {
    const facts = { destination: 'meta' };
    expect(decideOn([{ gpc: 'opted out' }], { country, facts })).toMatchObject({
      verdict: 'permit',
      limitedDataUse: true,
    });
    expect(decideOn([{ tcf: 'storage denied', gpc: 'opted out' }], { country, facts })).toMatchObject({
      verdict: 'drop',
      limitedDataUse: false,
    });
    expect(decideOn([], { country, facts }).limitedDataUse).toBe(false);
  });
});

describe('after a withdrawal', () => {
  const rows: readonly (readonly [string, string, withdrawnMs: number, string])[] = [
    ['a later grant counts', 'grant of today', NOW - DAY, 'permit consent.granted'],
    ['an earlier grant does not', 'grant', NOW - DAY, 'drop consent.withdrawn'],
    ['a grant of the same moment does not', 'grant of today', NOW - 1000, 'drop consent.withdrawn'],
    [
      'a grant that knows the day counts on a later day',
      'grant of the day',
      Date.UTC(2026, 10, 23, 23, 59),
      'permit consent.granted',
    ],
    [
      'a grant that knows the day proves nothing on that day',
      'grant of the day',
      Date.UTC(2026, 10, 24, 0, 0, 1),
      'drop consent.withdrawn',
    ],
    ['a grant without a time does not count', 'grant without a time', NOW - 300 * DAY, 'drop consent.withdrawn'],
  ];
  it.each(rows)('%s', (_name, tcf, withdrawnMs, expected) => {
    expect(brief([{ tcf }], { facts: { withdrawnMs } })).toBe(expected);
    expect(brief([{ tcf }], { facts: { withdrawnMs }, country: 'US' })).toBe(expected);
  });

  it('silence permits nothing anywhere', () => {
    expect(brief([], { facts: { withdrawnMs: NOW - DAY }, country: 'JP' })).toBe('drop consent.withdrawn');
    expect(decideOn([], { facts: { withdrawnMs: NOW - DAY } }).verdict).toBe('drop');
  });
});

describe('what is not about consent', () => {
  const objection = { code: 'source.bot', destination: '*' } as const;
  const all: Situation = {
    event: { name: 'purchase', objections: [objection] },
    facts: { configured: false, mapped: false, duplicate: true, erased: true, paused: true },
  };
  const rows: readonly (readonly [string, Situation, string])[] = [
    ['a destination that is not configured comes first', all, 'drop destination.not_configured'],
    ['then the event’s own objection', { ...all, facts: { ...all.facts, configured: true } }, 'drop source.bot'],
    [
      'then an event without a name there',
      { facts: { mapped: false, duplicate: true, erased: true } },
      'drop event.not_mapped',
    ],
    ['then a duplicate', { facts: { duplicate: true, erased: true, paused: true } }, 'drop event.duplicate'],
    ['then a person who was erased', { facts: { erased: true, paused: true } }, 'drop subject.erased'],
    ['last an operator’s pause', { facts: { paused: true } }, 'drop destination.paused'],
    [
      'an objection for another destination is none',
      { event: { name: 'purchase', objections: [{ code: 'order.renewal', destination: 'meta' }] } },
      'permit consent.granted',
    ],
  ];
  it.each(rows)('%s', (_name, situation, expected) => {
    expect(brief([{ tcf: 'grant' }], situation)).toBe(expected);
  });

  it('a pause is not the reason where consent is missing', () => {
    expect(brief([], { facts: { paused: true } })).toBe('drop consent.absent');
  });

  it('an event that the policy does not list is not mapped', () => {
    const { klaviyo } = policy.destinations;
    if (klaviyo === undefined) throw new Error('the policy of this test has klaviyo');
    const listed = { ...policy, destinations: { klaviyo: { ...klaviyo, events: ['purchase'] } } };
    expect(brief([{ tcf: 'grant' }], { policy: listed })).toBe('permit consent.granted');
    const event = { name: 'begin_checkout', objections: [] };
    expect(brief([{ tcf: 'grant' }], { policy: listed, event })).toBe('drop event.not_mapped');
  });

  it('tells whether consent alone would permit, so that identifiers may be stored', () => {
    expect(decideOn([{ tcf: 'grant' }], { facts: { mapped: false } }).consentPermits).toBe(true);
    expect(decideOn([{ tcf: 'grant' }], { facts: { erased: true } }).consentPermits).toBe(false);
    expect(decideOn([], { facts: { paused: true } }).consentPermits).toBe(false);
  });
});

describe('what a decision tells', () => {
  it('is each signal that was asked, in the registry’s order, with its strictest verdict', () => {
    const { signals } = decideOn([
      { onetrust: 'grant', tcf: 'grant' },
      { tcf: 'storage denied', gpc: 'opt-out noted' },
    ]);
    expect(signals.map(({ name, verdict }) => `${name} ${describeVerdict(verdict)}`)).toEqual([
      'tcf denied:storage.denied',
      'onetrust granted',
      'gpc none:optout.gpc',
    ]);
  });

  it('is the purposes of the signal that has them', () => {
    expect(decideOn([{ tcf: 'grant with purposes' }]).purposes).toEqual({ required: 0b1101, granted: 0b1111 });
    expect(decideOn([{ onetrust: 'grant' }]).purposes).toEqual({ required: 0, granted: 0 });
  });

  it('is each rule, to whoever listens', () => {
    const notes: RuleNote[] = [];
    decide(
      { name: 'purchase', objections: [] },
      [{ tcf: 'grant' }],
      { country: 'DE', basis: 'proxy_header' },
      policy,
      {
        destination: 'meta',
        atMs: NOW,
        configured: true,
        mapped: true,
        duplicate: false,
        erased: false,
        withdrawnMs: null,
        paused: false,
        transactional: false,
      },
      (note) => notes.push(note),
    );
    expect(notes).toEqual([{ signal: 'tcf', rule: 'scripted', required: 'a verdict', found: 'grant', holds: true }]);
  });
});
