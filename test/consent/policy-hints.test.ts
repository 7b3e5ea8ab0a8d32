import { describe, expect, it } from 'vitest';
import { policyHints } from '../../src/consent/policy-hints.ts';
import type { DestinationPolicy } from '../../src/core/policy-file.ts';
import { defaultPolicy } from './fixture.ts';

const wanted = { optOut: 'drop', events: '*' } as const;
const hintsOn = (meta: DestinationPolicy) => policyHints({ id: 'mine', destinations: { meta } });

describe('what a policy takes for granted', () => {
  it('is said of the default policy: the guessed OneTrust group, and the need for Additional Consent', () => {
    expect(policyHints(defaultPolicy)).toEqual([
      expect.stringMatching(
        /^policy default: meta and klaviyo count on OneTrust group C0004, .* compare it with your own banner$/,
      ),
      expect.stringMatching(/^policy default: meta need vendor evidence .* vendor\.not_disclosed$/),
    ]);
  });

  it.each<[string, DestinationPolicy, RegExp | null]>([
    ['a group of the shop’s own', { ...wanted, onetrust: { groups: ['adv01'] } }, null],
    ['OneTrust’s default group', { ...wanted, onetrust: { groups: ['C0004'] } }, /C0004/],
    ['TCF without vendor evidence', { ...wanted, tcf: { purposes: [1], vendorEvidence: [] } }, /purposes alone/],
    ['the publisher’s purposes alone', { ...wanted, tcf: { purposes: [1], vendorEvidence: ['publisher_tc'] } }, null],
    ['Google that corroborates', { ...wanted, google: { signals: ['ad_storage'], sufficient: false } }, null],
    [
      'Google that is sufficient',
      { ...wanted, google: { signals: ['ad_storage'], sufficient: true } },
      /Consent Mode alone/,
    ],
  ])('with %s', (_name, policy, hint) => {
    const hints = hintsOn(policy);
    if (hint === null) expect(hints).toEqual([]);
    else expect(hints).toEqual([expect.stringMatching(hint)]);
  });
});
