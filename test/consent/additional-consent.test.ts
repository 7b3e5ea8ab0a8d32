import { describe, expect, it } from 'vitest';
import { additionalConsent } from '../../src/consent/additional-consent.ts';
import { writeAdditionalConsent } from '../../src/demo/consent-strings.ts';
import { askAbout, decideOn, defaultPolicy, keyedHash, spell } from './fixture.ts';

function judge(text: string, destination: 'meta' | 'klaviyo' = 'meta') {
  const evidence = additionalConsent.decode({ additional_consent: text }, keyedHash);
  if (evidence === null) throw new Error('no evidence');
  return spell(additionalConsent.judge(evidence, askAbout({ destination })));
}

describe('an Additional Consent string', () => {
  const rows: readonly (readonly [string, string, string])[] = [
    ['with 89 among the consented', writeAdditionalConsent([20, 43, 89, 93], [108]), 'granted'],
    ['with 89 alone', '2~89~dv.', 'granted'],
    ['of version 1 with 89', '1~20.89', 'granted'],
    ['with its tildes encoded', '2%7E89%7Edv.', 'granted'],
    ['that refuses all', '2~~dv.20.43.89', 'denied:vendor.denied'],
    ['with 89 shown and not consented', '2~20~dv.55.89', 'denied:vendor.denied'],
    ['with 89 in both lists', '2~20.89~dv.89', 'denied:vendor.denied'],
    ['with 89 in neither list', '2~20~dv.55', 'none:vendor.not_disclosed'],
    ['with ids that only contain 89', '2~189.890.8~dv.1089', 'none:vendor.not_disclosed'],
    ['of version 1 with nobody', '1~', 'none:vendor.not_disclosed'],
    ['of version 3', '3~89~dv.', 'none:consent.unsupported_version'],
    ['without its second list', '2~89', 'none:consent.malformed'],
    ['without a version', '89', 'none:consent.malformed'],
    ['with a leading zero', '2~089~dv.', 'none:consent.malformed'],
    ['with an id 0', '2~0.89~dv.', 'none:consent.malformed'],
    ['with an exponent', '2~89e1~dv.', 'none:consent.malformed'],
    ['with two dots', '2~20..89~dv.', 'none:consent.malformed'],
    ['with a dot at the end', '2~89.~dv.', 'none:consent.malformed'],
    ['encoded twice', '2%257E89%257Edv.', 'none:consent.malformed'],
    ['with a line break', '2~89~dv.\n', 'none:consent.malformed'],
    ['beyond the limit', `2~${'89.'.repeat(20_000)}89~dv.`, 'none:consent.malformed'],
  ];
  it.each(rows)('%s', (_name, text, verdict) => {
    expect(judge(text)).toBe(verdict);
  });

  it('is not asked where the policy names no provider', () => {
    expect(judge('2~~dv.89', 'klaviyo')).toBe('not asked');
  });

  it('denies where one of several named providers was refused', () => {
    const { meta } = defaultPolicy.destinations;
    if (meta?.tcf === undefined) throw new Error('the default policy has Meta');
    const vendorEvidence = ['additional_consent:89', 'additional_consent:3000'];
    const policy = { ...defaultPolicy, destinations: { meta: { ...meta, tcf: { ...meta.tcf, vendorEvidence } } } };
    const ask = askAbout({ policy });
    const verdictOf = (ac: string) => spell(additionalConsent.judge({ ac }, ask));
    expect([verdictOf('2~89~dv.3000'), verdictOf('2~3000~dv.'), verdictOf('2~~dv.89')]).toEqual([
      'denied:vendor.denied',
      'granted',
      'denied:vendor.denied',
    ]);
  });

  it('alone permits nothing', () => {
    expect(decideOn([{ additional_consent: { ac: '2~89~dv.' } }])).toMatchObject({
      verdict: 'drop',
      reason: 'consent.absent',
    });
  });

  it('keeps a readable string as it is and nothing of one that is not', () => {
    expect(additionalConsent.decode({ additional_consent: '1~89' }, keyedHash)).toEqual({ ac: '1~89' });
    expect(additionalConsent.decode({ additional_consent: 'alice@shop.example' }, keyedHash)).toEqual({
      unreadable: 'format',
      code: 'consent.malformed',
      length: 18,
      hash: keyedHash('alice@shop.example'),
    });
    expect(additionalConsent.decode({ additional_consent: '' }, keyedHash)).toBeNull();
  });
});
