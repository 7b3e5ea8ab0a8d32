import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { signals } from '../../src/consent/index.ts';
import type { Evidence, SignalName } from '../../src/core/consent.ts';
import { canonicalJson, type Json } from '../../src/core/json.ts';
import {
  writeAdditionalConsent,
  writeAlertBoxClosed,
  writeOptanonConsent,
  writeTcString,
} from '../../src/demo/consent-strings.ts';
import { ALL_PURPOSES, DAY, decideOn, fastest, keyedHash, NOW, spell } from './fixture.ts';

const purposes = fc.oneof(
  fc.constant(ALL_PURPOSES),
  fc.uniqueArray(fc.integer({ min: 1, max: 11 }), { minLength: 7 }),
  fc.uniqueArray(fc.integer({ min: 1, max: 24 })),
);
const ageDays = fc.constantFrom(0, 1, 100, 300, 420, 800, -30);
const tcf = fc
  .record({
    purposes,
    ageDays,
    disclosed: fc.constantFrom({ max: 0 }, null),
    policyVersion: fc.constantFrom(5, 5, 5, 3),
  })
  .map(({ ageDays: days, ...content }) => ({ tcf: writeTcString({ createdMs: NOW - days * DAY, ...content }) }));
const additional = fc.constantFrom(
  '2~89~dv.',
  '1~89',
  '2~~dv.89',
  '2~20~dv.',
  'unreadable',
  writeAdditionalConsent([20, 89], [43]),
);
// A TC string always travels with its own companion here: a companion from elsewhere is what makes it whole.
const tcfUnit = fc.tuple(tcf, additional).map(([one, additional_consent]) => ({ ...one, additional_consent }));
const oneTrustUnit = fc
  .record({
    flag: fc.constantFrom<0 | 1>(0, 1, 1),
    interaction: fc.constantFrom(1, 2, 3, 99),
    ageDays,
    other: fc.boolean(),
  })
  .map(({ flag, interaction, ageDays: days, other }) => ({
    onetrust: writeOptanonConsent({ groups: other ? { C0002: flag } : { C0004: flag }, writtenMs: NOW, interaction }),
    onetrust_closed: writeAlertBoxClosed(NOW - days * DAY),
  }));
const gpcUnit = fc.constant({ gpc: true });
const letters = fc.string({
  unit: fc.constantFrom('l', 'm', 'n', 'p', 'q', 'r', 't', 'u', 'v'),
  minLength: 4,
  maxLength: 4,
});
const googleUnit = fc
  .record({ gcs: fc.constantFrom('G111', 'G100', 'G110', 'G1--'), letters })
  .map(({ gcs, letters: four }) => ({ gcs, gcd: `1${[...four].map((letter) => `3${letter}`).join('')}5` }));
const answer = fc.option(fc.boolean(), { nil: undefined });
const shopifyUnit = fc.record({ marketing: answer, sale_of_data: answer }).map(({ marketing, sale_of_data }) => ({
  shopify: {
    ...(marketing === undefined ? {} : { marketing }),
    ...(sale_of_data === undefined ? {} : { sale_of_data }),
  },
}));
const gppUnit = fc
  .oneof(
    fc.constantFrom(
      'DBABLA~BVQVAAAAAAGA.YA',
      'DBABLA~CVQqAAAAAACA.QA',
      'DBABLA~CVQqAAAAAACA.YA',
      'DBABTA~1YYN',
      'DBABLA~',
    ),
    tcf.map(({ tcf: text }) => `DBABMA~${text}`),
  )
  .map((gpp) => ({ gpp }));
const usPrivacyUnit = fc.constantFrom('1YYN', '1YNN', '1---', '2YYN').map((usprivacy) => ({ usprivacy }));
const unit = fc.oneof(tcfUnit, oneTrustUnit, gpcUnit, googleUnit, shopifyUnit, gppUnit, usPrivacyUnit);

function evidenceOf(raw: Parameters<(typeof signals)[number]['decode']>[0]): Evidence {
  const evidence: Partial<Record<SignalName, Json>> = {};
  for (const signal of signals) {
    const own = signal.decode(raw, keyedHash);
    if (own !== null) evidence[signal.name] = own;
  }
  return evidence;
}

const regions = fc.constantFrom('regulated' as const, 'opt_out' as const, 'open' as const);
const destinations = fc.constantFrom('meta' as const, 'klaviyo' as const);

describe('several signals together', () => {
  it('never permit in a regulated region what none of them permits alone', () => {
    fc.assert(
      fc.property(fc.array(unit, { maxLength: 4 }), destinations, (units, destination) => {
        const bundle = units.map(evidenceOf);
        const alone = bundle.some((one) => decideOn([one], destination).verdict === 'permit');
        if (decideOn(bundle, destination).verdict === 'permit') expect(alone).toBe(true);
      }),
      { numRuns: 400 },
    );
  });

  it('never permit what one of them denies, in any region and any order', () => {
    fc.assert(
      fc.property(
        fc.array(unit, { minLength: 1, maxLength: 4 }),
        destinations,
        regions,
        (units, destination, region) => {
          const bundle = units.map(evidenceOf);
          const denied = bundle.some((one) =>
            decideOn([one], destination, region).signals.some(({ verdict }) => verdict.result === 'denied'),
          );
          const decisions = [bundle, bundle.toReversed()].map((order) => decideOn(order, destination, region).verdict);
          if (denied) expect(decisions).toEqual(['drop', 'drop']);
          expect(new Set(decisions).size).toBe(1);
        },
      ),
      { numRuns: 400 },
    );
  });

  it('never permit more when a purpose is taken away', () => {
    const content = fc.record({ all: purposes, taken: fc.integer({ min: 1, max: 11 }), ageDays });
    fc.assert(
      fc.property(content, destinations, regions, ({ all, taken, ageDays: days }, destination, region) => {
        const verdict = (list: readonly number[]) => {
          const tc = writeTcString({ createdMs: NOW - days * DAY, purposes: list });
          return decideOn([evidenceOf({ tcf: tc, additional_consent: '1~89' })], destination, region).verdict;
        };
        if (verdict(all.filter((one) => one !== taken)) === 'permit') expect(verdict(all)).toBe('permit');
      }),
      { numRuns: 300 },
    );
  });
});

describe('one visitor’s signals', () => {
  it('never influence another’s decision, whatever was decided before, between and at once', async () => {
    const decideLater = async (raw: Parameters<typeof evidenceOf>[0]) => {
      await Promise.resolve();
      const evidence = evidenceOf(raw);
      await Promise.resolve();
      return decideOn([evidence]);
    };
    const visitors = fc.array(unit, { minLength: 2, maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(visitors, async (raws) => {
        const alone = raws.map((raw) => decideOn([evidenceOf(raw)]));
        const together = await Promise.all(raws.toReversed().map(decideLater));
        expect(together.toReversed()).toEqual(alone);
      }),
      { numRuns: 100 },
    );
  });
});

describe.each(signals.map((signal) => [signal.name, signal] as const))('any bytes as %s', (name, signal) => {
  const junk = fc.oneof(
    fc.string({ maxLength: 300 }),
    fc.string({ unit: 'binary', maxLength: 300 }),
    fc.uint8Array({ maxLength: 600 }).map((bytes) => `C${Buffer.from(bytes).toString('base64url')}`),
    fc.string({
      unit: fc.constantFrom('C', '0004', '%3A', ':', '1', ',', '&', '=', 'groups', '~', '.', 'dv', '%', '+'),
      maxLength: 60,
    }),
    fc.integer({ min: 1, max: 9000 }).map((length) => '%25'.repeat(length)),
    fc.uint8Array({ maxLength: 60 }).map((bytes) => `D${Buffer.from(bytes).toString('base64url')}~BVQVAAAAAAGA~1YYN`),
    fc.string({
      unit: fc.constantFrom('G1', '0', '1', '3r', '3p', '{', '"con"', ':', '"', '}', '~', 'Y', 'N', '-'),
      maxLength: 60,
    }),
  );
  const rawOf = (text: string) => ({
    tcf: text,
    additional_consent: text,
    onetrust: text,
    onetrust_closed: text,
    gcs: text,
    gcd: text,
    shopify_cookie: text,
    gpp: text,
    usprivacy: text,
  });

  it('are answered within 5 ms, without an exception, in plain JSON', () => {
    fc.assert(
      fc.property(junk, (text) => {
        const tries = ['', 'A', 'B'].map((end) => () => void signal.decode(rawOf(text + end), keyedHash));
        expect(fastest(tries)).toBeLessThan(5);
        const evidence = signal.decode(rawOf(text), keyedHash);
        if (evidence !== null) expect(JSON.parse(canonicalJson(evidence))).toEqual(evidence);
      }),
      { numRuns: 300 },
    );
  });

  it('never grant anything that is sufficient', () => {
    fc.assert(
      fc.property(junk, (text) => {
        const evidence = signal.decode(rawOf(text), keyedHash);
        const { verdict, signals: said } = decideOn(evidence === null ? [] : [{ [name]: evidence }], 'klaviyo');
        expect(verdict, said.map((one) => spell(one.verdict)).join()).toBe('drop');
      }),
      { numRuns: 300 },
    );
  });

  it('are judged from the log as they were judged at the door', () => {
    const raw = fc.oneof(junk.map(rawOf), unit);
    fc.assert(
      fc.property(raw, regions, (carrier, region) => {
        const evidence = signal.decode(carrier, keyedHash);
        if (evidence === null) return;
        const logged: Json = JSON.parse(canonicalJson(evidence));
        const judge = (own: Json) => decideOn([{ [name]: own }], 'meta', region);
        expect(judge(logged)).toEqual(judge(evidence));
      }),
      { numRuns: 200 },
    );
  });
});
