import { describe, expect, it } from 'vitest';
import { onetrust } from '../../src/consent/onetrust.ts';
import type { RuleNote } from '../../src/core/consent.ts';
import { identifyPolicy, policyFile } from '../../src/core/policy-file.ts';
import { writeAlertBoxClosed, writeOptanonConsent } from '../../src/demo/consent-strings.ts';
import { askAbout, DAY, defaultPolicy, keyedHash, NOW, spell } from './fixture.ts';

const groups = (flag: 0 | 1) => writeOptanonConsent({ groups: { C0001: 1, C0004: flag }, writtenMs: NOW });

/** Meta is the shop's general vendor V3. */
function judge(genVendors: string, flag: 0 | 1 = 1, notes?: RuleNote[]) {
  const value = `${groups(flag)}${genVendors}`;
  const evidence = onetrust.decode({ onetrust: value, onetrust_closed: writeAlertBoxClosed(NOW - DAY) }, keyedHash);
  if (evidence === null) throw new Error('it is there');
  const { meta } = defaultPolicy.destinations;
  if (meta === undefined) throw new Error('the default policy has Meta');
  const wanted = { ...meta, onetrust: { groups: ['C0004'], genVendors: ['V3'] } };
  return spell(onetrust.judge(evidence, { ...askAbout(notes === undefined ? {} : { notes }), wanted }));
}

describe('a general vendor that the policy names', () => {
  it.each([
    ['granted', '&genVendors=V1%3A0%2CV3%3A1%2C', 'granted'],
    ['refused', '&genVendors=V1%3A1%2CV3%3A0%2C', 'denied:vendor.denied'],
    ['not among them', '&genVendors=V1%3A1%2CV30%3A1%2C', 'none:vendor.not_disclosed'],
    ['absent with its field', '', 'none:vendor.not_disclosed'],
    ['in an empty field', '&genVendors=', 'none:vendor.not_disclosed'],
    ['in a field that cannot be decoded', '&genVendors=V3%3A1%ZZ', 'none:vendor.not_disclosed'],
    ['contradicting itself', '&genVendors=V3%3A1%2CV3%3A0', 'denied:vendor.denied'],
    ['granted in one field and refused in another', '&genVendors=V3%3A1&genVendors=V3%3A0', 'denied:vendor.denied'],
    ['of another case', '&genVendors=v3%3A1', 'none:vendor.not_disclosed'],
  ])('%s', (_name, field, verdict) => {
    expect(judge(field)).toBe(verdict);
  });

  it('does not replace the group, whose refusal is named first', () => {
    expect(judge('&genVendors=V3%3A1', 0)).toBe('denied:category.denied');
    expect(judge('&genVendors=V3%3A0', 0)).toBe('denied:category.denied');
  });

  it('is told as a rule', () => {
    const notes: RuleNote[] = [];
    judge('&genVendors=V3%3A0', 1, notes);
    expect(notes).toContainEqual({
      signal: 'onetrust',
      rule: 'vendor V3',
      required: 'granted',
      found: 'denied',
      holds: false,
    });
  });
});

describe('general vendors in the policy file', () => {
  const content = policyFile.parse(JSON.parse(JSON.stringify({ ...defaultPolicy, ref: undefined })));

  it('may be left out, and then change nothing of the policy’s identity', () => {
    expect(identifyPolicy(content).ref).toBe(defaultPolicy.ref);
  });

  it('must be ids, at least one', () => {
    const withVendors = (genVendors: unknown) =>
      policyFile.safeParse({
        ...content,
        destinations: { meta: { ...content.destinations['meta'], onetrust: { groups: ['C0004'], genVendors } } },
      }).success;
    expect([withVendors(['V3']), withVendors([]), withVendors(['']), withVendors('V3')]).toEqual([
      true,
      false,
      false,
      false,
    ]);
  });
});
