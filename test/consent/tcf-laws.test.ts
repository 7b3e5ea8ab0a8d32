import { TCString } from '@iabtcf/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { collectEvidence } from '../../src/consent/index.ts';
import { readTcString } from '../../src/consent/tcf-string.ts';
import { REASONS } from '../../src/core/reasons.ts';
import { type TcContent, writeTcString } from '../../src/demo/consent-strings.ts';
import { ALL_PURPOSES, decideOn, keyedHash, NOW, YESTERDAY } from './fixture.ts';

const ids = (max: number) => fc.uniqueArray(fc.integer({ min: 1, max }), { maxLength: 30 });
const vendorList = fc.oneof(
  fc.constant({ max: 0 }),
  ids(900).map((list) => ({ max: Math.max(0, ...list), ids: list })),
  fc.tuple(fc.integer({ min: 1, max: 600 }), fc.integer({ min: 0, max: 300 })).map(([start, length]) => ({
    max: 900,
    ranges: [[start, start + length] as const],
  })),
);
const content: fc.Arbitrary<TcContent> = fc.record({
  // A tenth of a second is what the format holds.
  createdMs: fc.integer({ min: 0, max: (NOW + 86_400_000) / 100 }).map((tenths) => tenths * 100),
  purposes: ids(24),
  legitimateInterests: ids(24),
  cmpId: fc.integer({ min: 2, max: 4095 }),
  policyVersion: fc.integer({ min: 0, max: 63 }),
  serviceSpecific: fc.boolean(),
  purposeOneTreatment: fc.boolean(),
  vendors: vendorList,
  vendorInterests: vendorList,
  restrictions: fc.array(
    fc.record({
      purpose: fc.integer({ min: 1, max: 11 }),
      type: fc.integer({ min: 0, max: 2 }),
      ranges: fc.constant([[1, 20] as const]),
    }),
    { maxLength: 4 },
  ),
  disclosed: fc.oneof(fc.constant(null), vendorList),
  allowed: fc.oneof(fc.constant(null), vendorList),
  publisher: fc.oneof(
    fc.constant(null),
    fc.record({ consents: ids(24), customPurposes: fc.integer({ min: 0, max: 20 }) }),
  ),
});

describe('our reading of a TC string', () => {
  it('is that of the IAB’s library given the whole string, for whatever a consent manager can write', () => {
    fc.assert(
      fc.property(content, (one) => {
        const text = writeTcString(one);
        const model = TCString.decode(text);
        const bits = (vector: { has(id: number): boolean }) =>
          ALL_PURPOSES.reduce((sum, id) => (vector.has(id) ? sum | (1 << (id - 1)) : sum), 0);
        expect(readTcString(text)).toEqual({
          createdMs: model.created.getTime(),
          lastUpdatedMs: model.lastUpdated.getTime(),
          policyVersion: Number(model.policyVersion),
          serviceSpecific: model.isServiceSpecific,
          purposes: bits(model.purposeConsents),
          purposeOneTreatment: model.purposeOneTreatment,
          disclosedVendors: one.disclosed !== null,
          publisherPurposes: one.publisher === null ? null : bits(model.publisherConsents),
        });
      }),
      { numRuns: 500 },
    );
  });
});

describe('each bit of a granted TC string, turned over', () => {
  const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  const granted = writeTcString({
    createdMs: YESTERDAY,
    purposes: ALL_PURPOSES,
    vendors: { max: 60, ids: [1, 2, 10, 25] },
    disclosed: { max: 30, ids: [1, 2, 10, 25] },
    publisher: { consents: [1, 3, 4, 7] },
  });
  const flip = (text: string, bit: number) => {
    const at = Math.floor(bit / 6);
    const sextet = ALPHABET.indexOf(text.charAt(at)) ^ (1 << (5 - (bit % 6)));
    return text.slice(0, at) + ALPHABET.charAt(sextet) + text.slice(at + 1);
  };
  const PURPOSES_AT = 152;
  const required = { meta: [1, 3, 4, 7], klaviyo: [1, 3, 4] };
  const places = [...granted].flatMap((character, at) =>
    character === '.' ? [] : [0, 1, 2, 3, 4, 5].map((bit) => at * 6 + bit),
  );

  it.each(['meta', 'klaviyo'] as const)(
    'for %s: explained by a code, and no grant where a required bit is off',
    (destination) => {
      for (const bit of places) {
        const [evidence] = collectEvidence([{ tcf: flip(granted, bit) }], keyedHash);
        const decision = decideOn(evidence === undefined ? [] : [evidence], destination);
        expect(Object.keys(REASONS)).toContain(decision.reason);
        const purpose = bit - PURPOSES_AT + 1;
        if (required[destination].includes(purpose)) {
          const code = purpose === 1 ? 'storage.denied' : 'purpose.denied';
          expect([bit, decision.verdict, decision.reason]).toEqual([bit, 'drop', code]);
        }
        if (decision.verdict === 'drop') expect(decision.reason).not.toBe('consent.granted');
        else expect(decision.purposes.granted & decision.purposes.required).toBe(decision.purposes.required);
      }
    },
  );

  it('permits as it stands', () => {
    expect(decideOn(collectEvidence([{ tcf: granted }], keyedHash))).toMatchObject({ verdict: 'permit' });
  });

  it('never grants more than the string that was given', () => {
    const refused = writeTcString({ createdMs: YESTERDAY, purposes: [2, 5, 6, 8, 9, 10, 11] });
    const bits = [...(refused.split('.')[0] ?? '')].flatMap((_, at) => [0, 1, 2, 3, 4, 5].map((bit) => at * 6 + bit));
    for (const bit of bits) {
      const bundle = collectEvidence([{ tcf: flip(refused, bit), additional_consent: '1~89' }], keyedHash);
      expect([bit, decideOn(bundle, 'klaviyo').verdict]).toEqual([bit, 'drop']);
    }
  });
});
