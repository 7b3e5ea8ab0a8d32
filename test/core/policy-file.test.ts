import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { canonicalPolicy, identifyPolicy, type PolicyContent, policyFile } from '../../src/core/policy-file.ts';

const text = readFileSync(new URL('../../config/policies/default.yaml', import.meta.url), 'utf8');
const read = (change: (policy: PolicyContent) => unknown = (policy) => policy) =>
  policyFile.safeParse(change(policyFile.parse(parse(text))));

describe('the policy that comes with the product', () => {
  it('asks of Meta and Klaviyo what the documentation says', () => {
    const { meta, klaviyo } = policyFile.parse(parse(text)).destinations;
    expect(meta?.tcf).toEqual({ purposes: [1, 3, 4, 7], vendorEvidence: ['additional_consent:89', 'publisher_tc'] });
    expect(klaviyo?.tcf).toEqual({ purposes: [1, 3, 4], vendorEvidence: [] });
    expect([meta?.onetrust, klaviyo?.onetrust]).toEqual([{ groups: ['C0004'] }, { groups: ['C0004'] }]);
    expect([meta?.optOut, klaviyo?.optOut]).toEqual(['drop', 'drop']);
  });
});

const meta = (change: Record<string, unknown>) => (policy: PolicyContent) => ({
  ...policy,
  destinations: { ...policy.destinations, meta: { ...policy.destinations['meta'], ...change } },
});
const tcf = (change: Record<string, unknown>) => meta({ tcf: { purposes: [1], vendorEvidence: [], ...change } });

describe('a policy file', () => {
  const rows: readonly (readonly [string, (policy: PolicyContent) => unknown])[] = [
    ['with a key that nobody knows', (policy) => ({ ...policy, region: {} })],
    ['with such a key deep inside', meta({ oneTrust: { groups: ['C0004'] } })],
    ['without its regions', ({ regions: _, ...policy }) => policy],
    ['without its rules of age', ({ consent: _, ...policy }) => policy],
    ['with an id that is no name', (policy) => ({ ...policy, id: 'My Policy' })],
    ['with a purpose that does not exist', tcf({ purposes: [1, 12] })],
    ['with purpose 0', tcf({ purposes: [0] })],
    ['with no purpose at all', tcf({ purposes: [] })],
    ['with vendor evidence of an unknown kind', tcf({ vendorEvidence: ['gvl:89'] })],
    ['with a provider that is no id', tcf({ vendorEvidence: ['additional_consent:089'] })],
    ['with no groups', meta({ onetrust: { groups: [] } })],
    ['with consent that lasts for ever', (policy) => ({ ...policy, consent: { ...policy.consent, maxAgeMonths: 14 } })],
    ['with a country in lower case', (policy) => ({ ...policy, regions: { ...policy.regions, regulated: ['br'] } })],
    [
      'with a country under another name',
      (policy) => ({ ...policy, regions: { ...policy.regions, regulated: ['UK'] } }),
    ],
    ['with an unknown way to treat an opt-out', meta({ optOut: 'ignore' })],
    ['with events that are no names', meta({ events: [''] })],
  ];
  it.each(rows)('%s is refused', (_name, change) => {
    expect(read(change).success).toBe(false);
  });

  it('may have Limited Data Use for Meta and for nobody else', () => {
    const { klaviyo } = policyFile.parse(parse(text)).destinations;
    expect(read(meta({ optOut: 'limited_data_use' })).success).toBe(true);
    const forKlaviyo = read((policy) => ({
      ...policy,
      destinations: { klaviyo: { ...klaviyo, optOut: 'limited_data_use' } },
    }));
    expect(forKlaviyo.error?.issues).toMatchObject([{ message: 'limited_data_use exists for meta only' }]);
  });

  it('may leave a destination or a signal out', () => {
    expect(read((policy) => ({ ...policy, destinations: {} })).success).toBe(true);
    expect(read(meta({ tcf: undefined, google: undefined })).success).toBe(true);
  });
});

describe('the identity of a policy', () => {
  const content = policyFile.parse(parse(text));

  it('is its id and a hash of its content, whatever the order of the keys', () => {
    const { ref } = identifyPolicy(content);
    const { destinations, consent, regions, id } = content;
    const shuffled = {
      destinations: { klaviyo: destinations['klaviyo'], meta: destinations['meta'] },
      consent,
      regions,
      id,
    };
    expect(ref).toMatch(/^default@[0-9a-f]{16}$/);
    expect(identifyPolicy(policyFile.parse(shuffled)).ref).toBe(ref);
  });

  it('changes with the content', () => {
    const changed = { ...content, consent: { ...content.consent, maxAgeMonths: 12 } };
    expect(identifyPolicy(changed).ref).not.toBe(identifyPolicy(content).ref);
  });

  it('can be made again from the text that is kept', () => {
    const kept = policyFile.parse(JSON.parse(canonicalPolicy(content)));
    expect(identifyPolicy(kept).ref).toBe(identifyPolicy(content).ref);
  });
});
