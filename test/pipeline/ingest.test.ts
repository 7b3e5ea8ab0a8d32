import { describe, expect, it } from 'vitest';
import type { CollectedEvent } from '../../src/core/event.ts';
import { keyedHash, laneOf, PACKED_REF_BYTES, stateRef } from '../../src/core/identity.ts';
import type { Accepted, Candidate, SourceEvent } from '../../src/core/ports.ts';
import { payloadBinding, unseal } from '../../src/core/seal.ts';
import { createConsentChange } from '../../src/pipeline/consent-change.ts';
import type { RequestContext } from '../../src/pipeline/evidence.ts';
import { createIngest } from '../../src/pipeline/ingest.ts';
import { countingIds, DROP, KEYS, NOW_MS, ORIGIN, PERMIT, recordingIntake, site } from '../http/shop.ts';

const collectEvidence = (carriers: readonly object[], hash: (text: string) => string) =>
  carriers.map((carrier) => ({ gpc: { said: hash(JSON.stringify(carrier)), order: 1 } }));

function parts(hints: readonly string[] = []) {
  const intake = recordingIntake();
  const evidence = {
    keys: KEYS,
    epochKey: () => KEYS.wrap,
    collectEvidence,
    hintsOf: () => hints,
    countryOf: (ip: string) => (ip === '192.0.2.44' ? 'CA' : null),
  };
  return {
    intake,
    ingest: createIngest({ ...evidence, intake, ids: countingIds() }),
    changeConsent: createConsentChange({ ...evidence, intake }),
  };
}

function context(over: Partial<RequestContext> & { cookies?: Record<string, string[]> } = {}): RequestContext {
  const { cookies = {}, ...rest } = over;
  return {
    site: site(),
    receivedMs: NOW_MS,
    origin: ORIGIN,
    carriersOf: (own) => (own === null ? [] : [own]),
    cookie: (name) => cookies[name] ?? [],
    proxyCountry: 'US',
    clientIp: null,
    ...rest,
  };
}

function sourceEvent(over: Partial<CollectedEvent> = {}, more: Partial<SourceEvent> = {}): SourceEvent {
  const event: CollectedEvent = {
    name: 'view_item',
    source: 'browser',
    trust: 'browser',
    eventId: 'e-1',
    timeMs: NOW_MS - 1000,
    client: { ip: '93.184.216.34', userAgent: 'Chrome' },
    ...over,
  };
  return { event, consent: null, visitorId: event.visitor_id ?? null, objections: [], indications: [], ...more };
}

async function candidateOf(
  event: SourceEvent,
  over: Parameters<typeof context>[0] = {},
  hints: readonly string[] = [],
) {
  const { ingest, intake } = parts(hints);
  const ingested = await ingest(context(over), { events: [event], rejected: [] });
  const [candidate] = intake.candidates;
  if (candidate === undefined) throw new Error('nothing reached the store');
  return { candidate, ingested };
}

const opened = ({ sealed, sealId }: Candidate) => JSON.parse(unseal(KEYS.seal, sealed, payloadBinding('shop', sealId)));
const laneFor = (kind: 'visitor' | 'customer' | 'email', id: string) => laneOf(KEYS, 'shop', [{ kind, id }], 'e-1');

describe('a candidate', () => {
  it('carries its payload sealed to its site and seal id', async () => {
    const { candidate } = await candidateOf(sourceEvent({ user: { email: 'jane@example.com' } }));
    expect(opened(candidate)).toMatchObject({ name: 'view_item', eventId: 'e-1', user: { email: 'jane@example.com' } });
    expect(JSON.stringify({ ...candidate, sealed: '' })).not.toContain('jane');
    expect(candidate.sealed).not.toContain('jane');
    expect(() => unseal(KEYS.seal, candidate.sealed, payloadBinding('other', candidate.sealId))).toThrow();
  });

  it('names the visitor of the event first, the cookie second', async () => {
    const { candidate } = await candidateOf(sourceEvent({ visitor_id: 'v-1' }), {
      cookies: { _slc: ['v%2D2', 'v-1'] },
    });
    expect(candidate.visitorRefs).toEqual(['v-1', 'v-2'].map((id) => stateRef(KEYS, 'shop', { kind: 'visitor', id })));
    expect(candidate.lane).toBe(laneFor('visitor', 'v-1'));
    expect(candidate.laneVisitor).toBe(candidate.visitorRefs[0]);
    expect(candidate.subjectRefs).toHaveLength(2 * PACKED_REF_BYTES);
  });

  it('is in the lane of the customer, then of the contact, where no visitor is known', async () => {
    const contact = { user: { email: ' Jane@Example.com' } };
    const { candidate } = await candidateOf(sourceEvent(contact));
    const again = await candidateOf(sourceEvent(contact));
    expect(again.candidate.lane).toBe(candidate.lane);
    const customer = await candidateOf(sourceEvent({ user: { ...contact.user, external_id: 'C-77' } }));
    expect(customer.candidate.lane).toBe(laneFor('customer', 'C-77'));
    // The name that was made up is still there for a withdrawal that brings the first cookie.
    expect(candidate.visitorRefs).toHaveLength(1);
    expect(candidate.laneVisitor).toBeNull();
    expect((await candidateOf(sourceEvent())).candidate.laneVisitor).toHaveLength(16);
  });

  it('has a visitor of its own where nothing names one, and the same for a whole batch', async () => {
    const { ingest, intake } = parts();
    const { visitorToStore } = await ingest(context(), {
      events: [sourceEvent({ eventId: 'a' }), sourceEvent({ eventId: 'b' })],
      rejected: [],
    });
    const refs = intake.candidates.map((candidate) => candidate.visitorRefs);
    expect(refs[0]).toEqual([stateRef(KEYS, 'shop', { kind: 'visitor', id: visitorToStore ?? '' })]);
    expect(refs[1]).toEqual(refs[0]);
    expect(intake.candidates[0]?.lane).toBe(intake.candidates[1]?.lane);
  });

  it('of a server without a visitor names nobody', async () => {
    const { candidate, ingested } = await candidateOf(sourceEvent({ trust: 'server' }), { origin: null });
    expect(candidate.visitorRefs).toEqual([]);
    expect(candidate.subjectRefs).toBe('');
    expect(ingested.visitorToStore).toBeNull();
  });

  it.each(['%', '%00', 'x'.repeat(129), ''])('takes no visitor from the cookie %j', async (raw) => {
    const { candidate } = await candidateOf(sourceEvent({ visitor_id: 'v-1' }), { cookies: { _slc: [raw] } });
    expect(candidate.visitorRefs).toHaveLength(1);
  });

  it('looks at four visitors of a header full of them', async () => {
    const many = Array.from({ length: 3000 }, (_, i) => `v${i}`);
    const { candidate } = await candidateOf(sourceEvent(), { cookies: { _slc: many } });
    expect(candidate.visitorRefs).toHaveLength(4);
  });

  it('logs an id with an @ as a keyed hash and keeps any other', async () => {
    const { candidate } = await candidateOf(sourceEvent({ eventId: 'jane@example.com-1' }));
    expect(candidate.eventId).toBe('jane@example.com-1');
    expect(candidate.loggedEventId).toMatch(/^h:[0-9a-f]{32}$/);
    expect((await candidateOf(sourceEvent())).candidate.loggedEventId).toBe('e-1');
  });

  it('has look-up keys of site, name and ids', async () => {
    const { candidate } = await candidateOf(sourceEvent({ name: 'purchase', transaction_id: '1001' }));
    expect(candidate.eventKey).toBe(keyedHash(KEYS.lookup, 8, 'shop', 'purchase', 'e-1'));
    expect(candidate.orderKey).toBe(keyedHash(KEYS.lookup, 8, 'shop', 'order', '1001'));
    expect((await candidateOf(sourceEvent({ name: 'refund', transaction_id: '1001' }))).candidate.orderKey).toBeNull();
    expect((await candidateOf(sourceEvent({ name: 'purchase', transaction_id: ' ' }))).candidate.orderKey).toBeNull();
  });

  it.each([
    ['webhook', 'purchase', ['event.superseded']],
    ['webhook', 'begin_checkout', []],
    ['browser', 'purchase', []],
    ['both', 'purchase', []],
  ] as const)('with purchases from %s and the event %s has the objections %j', async (purchases, name, codes) => {
    const { candidate } = await candidateOf(sourceEvent({ name }), { site: site({ purchases }) });
    expect(candidate.objections.map(({ code }) => code)).toEqual(codes);
  });

  it('resolves the region from proxy, server and hints', async () => {
    expect((await candidateOf(sourceEvent())).candidate.region).toEqual({ country: 'US', basis: 'proxy_header' });
    expect((await candidateOf(sourceEvent(), { proxyCountry: null })).candidate.region.basis).toBe('unknown');
    const located = await candidateOf(sourceEvent({ client: { ip: '192.0.2.44', userAgent: null } }), {
      proxyCountry: null,
    });
    expect(located.candidate.region).toEqual({ country: 'CA', basis: 'ip_database' });
    const hint = { country: 'DE', basis: 'hint' } as const;
    const hinted = await candidateOf(sourceEvent({}, { indications: [hint] }));
    expect(hinted.candidate.region).toEqual({ country: 'DE', basis: 'proxy_header' });
    const signalled = await candidateOf(sourceEvent(), {}, ['FR']);
    expect(signalled.candidate.region).toEqual({ country: 'FR', basis: 'proxy_header' });
  });

  it('carries canonical evidence with keyed hashes only', async () => {
    const { candidate } = await candidateOf(sourceEvent({}, { consent: { tcf: 'raw' } }));
    expect(candidate.evidence).toMatch(/^\[\{"gpc":\{"order":1,"said":"[0-9a-f]{32}"\}\}\]$/);
  });
});

describe('what a browser leaves out', () => {
  it('is completed by the Origin and by Meta\u2019s own cookies, the body first', async () => {
    const cookies = { _fbp: ['fb.1.1596403881668.1116446470'], _fbc: ['', 'fb.1.1554763741205.AbC'] };
    const shop = site({ destinations: new Map([['meta', {}]]) });
    const { candidate } = await candidateOf(sourceEvent({ ids: { fbp: 'fb.1.1.2' } }), { cookies, site: shop });
    expect(opened(candidate)).toMatchObject({
      ids: { fbp: 'fb.1.1.2', fbc: 'fb.1.1554763741205.AbC' },
      page: { url: ORIGIN },
    });
    const told = await candidateOf(sourceEvent({ page: { url: 'https://shop.example/p', title: 'P' } }));
    expect(opened(told.candidate)).toMatchObject({ page: { url: 'https://shop.example/p', title: 'P' } });
    expect(opened(told.candidate).ids).toBeUndefined();
  });

  it('a server leaves out stays so', async () => {
    const { candidate } = await candidateOf(sourceEvent({ trust: 'server' }), { cookies: { _fbp: ['x'] } });
    expect(opened(candidate).ids).toBeUndefined();
    expect(opened(candidate).page).toBeUndefined();
  });
});

describe('the visitor that may be stored', () => {
  const answered = (accepted: readonly Accepted[], over: Parameters<typeof context>[0] = {}) => {
    const { ingest, intake } = parts();
    intake.accept = async () => accepted;
    const events = accepted.map((_, i) => sourceEvent({ visitor_id: 'v-1', eventId: `e-${i}` }));
    return ingest(context(over), { events, rejected: [] });
  };
  const permitted = { duplicate: false, verdicts: PERMIT };
  const objected = {
    duplicate: false,
    verdicts: PERMIT.map((one) => ({ ...one, verdict: 'drop', reason: 'event.not_mapped' }) as const),
  };

  it.each([
    ['a permit', [permitted], 'v-1'],
    ['consent for an event that goes nowhere', [objected], 'v-1'],
    ['one destination of two', [{ duplicate: false, verdicts: [...PERMIT.slice(0, 1), ...DROP.slice(1)] }], 'v-1'],
    ['a refusal', [{ duplicate: false, verdicts: DROP }], null],
    ['a refusal within a batch', [permitted, { duplicate: false, verdicts: DROP }], null],
    ['a duplicate', [{ duplicate: true, verdicts: PERMIT }], null],
  ])('after %s', async (_, accepted, visitor) => {
    expect((await answered(accepted)).visitorToStore).toBe(visitor);
  });

  it('is none for a server', async () => {
    expect((await answered([permitted], { origin: null })).visitorToStore).toBeNull();
  });

  const withMeta = { site: site({ destinations: new Map([['meta', {}]]) }) };
  const metaOnly = { duplicate: false, verdicts: [...PERMIT.slice(0, 1), ...DROP.slice(1)] };
  const klaviyoOnly = { duplicate: false, verdicts: [...DROP.slice(0, 1), ...PERMIT.slice(1)] };

  it.each([
    ['a permit', [permitted], true],
    ['consent for Meta alone', [metaOnly], true],
    ['consent for an event that goes nowhere', [objected], true],
    ['consent for the other destination alone', [klaviyoOnly], false],
    ['a refusal within a batch', [permitted, { duplicate: false, verdicts: DROP }], false],
    ['a duplicate', [{ duplicate: true, verdicts: PERMIT }], false],
  ])('is accompanied by Meta\u2019s own ids after %s: %s', async (_, accepted, isStored) => {
    const { metaCookies } = await answered(accepted, withMeta);
    expect(metaCookies.fbp !== null).toBe(isStored);
  });

  it('is accompanied by nothing of Meta for a site without it', async () => {
    expect((await answered([permitted])).metaCookies).toEqual({ fbp: null, fbc: null });
  });
});

describe('a consent change', () => {
  it('concerns every visitor that is named, each once', async () => {
    const { changeConsent, intake } = parts();
    const cookies = { _slc: ['v-2', 'v-1'], _dcid: ['dcid.1.1766756532303.345678901'] };
    await changeConsent(context({ cookies }), { visitor_id: 'v-1', consent: {} });
    const names = ['v-1', 'v-2', 'dcid.1.1766756532303.345678901'];
    expect(intake.changes[0]?.visitors).toEqual(
      names.map((id) => ({ ref: stateRef(KEYS, 'shop', { kind: 'visitor', id }), lane: laneFor('visitor', id) })),
    );
    expect(intake.changes[0]?.subjectRefs).toHaveLength(3 * PACKED_REF_BYTES);
  });

  it('without a name is decided for nobody', async () => {
    const { changeConsent, intake } = parts();
    await changeConsent(context(), { session: 's-1', consent: {} });
    expect(intake.changes[0]).toMatchObject({ visitors: [], subjectRefs: '' });
  });

  it.each([
    ['all', DROP],
    ['none', PERMIT],
    ['meta', [...DROP.slice(0, 1), ...PERMIT.slice(1)]],
    ['none', [...PERMIT.slice(0, 1), ...DROP.slice(1)]],
  ] as const)('deletes %s of the cookies', async (cookies, verdicts) => {
    const { changeConsent, intake } = parts();
    intake.changed = () => ({ verdicts, cancelled: 0 });
    expect((await changeConsent(context(), { consent: {} })).cookies).toBe(cookies);
  });
});
