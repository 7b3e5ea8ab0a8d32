import { afterEach, beforeEach, expect, test } from 'vitest';
import type { OpenDestination } from '../../src/core/ports.ts';
import { Secret } from '../../src/core/settings.ts';
import { type FakeMeta, graphError, startFakeMeta } from '../../src/demo/fake-meta.ts';
import { meta } from '../../src/destinations/meta.ts';
import { META_ERRORS } from '../../src/destinations/meta-errors.ts';
import { delivery, EVENT_MS, event, LIMITS, metaAt, NOW_MS, TOKEN } from './deliveries.ts';

let fake: FakeMeta;
let destination: OpenDestination;
const signal = new AbortController().signal;

beforeEach(async () => {
  fake = await startFakeMeta({ datasets: { 880012345: TOKEN }, now: () => NOW_MS, testCodes: 'expected' });
  destination = meta.open(metaAt(fake.url), LIMITS);
});
afterEach(async () => {
  await destination.close();
  await fake.close();
});

const three = [
  delivery(event({ eventId: 'a' })),
  delivery(event({ eventId: 'b', client: { ip: null, userAgent: null } })),
  delivery(event({ eventId: 'c', name: 'view_item' })),
];

test('a list is one request without what cannot be sent, and every event gets its own outcome', async () => {
  const sent = await destination.send(three, signal);
  expect(sent.map(({ outcome }) => outcome)).toMatchObject([
    { kind: 'accepted' },
    { kind: 'skipped', code: 'meta.no_user_agent' },
    { kind: 'accepted' },
  ]);
  expect(fake.ledger).toHaveLength(1);
  expect(fake.accepted().map((record) => record.event.event_id)).toEqual(['a', 'c']);
});

test('a refused request is the outcome of each event in it', async () => {
  fake.faults.push(graphError(100, { subcode: 2804003 }));
  const sent = await destination.send(three, signal);
  expect(sent.map(({ outcome }) => outcome.kind)).toEqual(['refused', 'skipped', 'refused']);
});

test('a test code is sent where it is configured, and nowhere else', async () => {
  await destination.send([delivery()], signal);
  const testing = meta.open({ ...metaAt(fake.url), testEventCode: 'TEST4711' }, LIMITS);
  await testing.send([delivery(event({ eventId: 'd' }))], signal);
  await testing.close();
  expect(fake.accepted().map(({ testEventCode }) => testEventCode)).toEqual([null, 'TEST4711']);
});

test('an app that must prove itself is named by a proof of its secret, and an agency by its name', async () => {
  const strict = await startFakeMeta({ datasets: { 880012345: TOKEN }, now: () => NOW_MS, appSecret: 'shh-0a1b' });
  const proving = meta.open(
    metaAt(strict.url, { appSecret: new Secret('shh-0a1b'), partnerAgent: 'kaffeehaus-agentur' }),
    LIMITS,
  );
  const [sent] = await proving.send([delivery()], signal);
  await Promise.all([proving.close(), strict.close()]);
  expect(sent?.outcome).toMatchObject({ kind: 'accepted' });
  expect(strict.ledger[0]?.body).toMatchObject({ partner_agent: 'kaffeehaus-agentur' });
  expect(strict.ledger[0]?.text).not.toContain('shh-0a1b');
});

// An order of so many lines that a hundred of them are more than a request holds.
const large = (eventId: string) =>
  delivery(
    event({ eventId, items: Array.from({ length: 900 }, (_, i) => ({ item_id: `SORTE-${i}-${'x'.repeat(40)}` })) }),
  );

test('what is more than five megabytes leaves in several requests, in its order', async () => {
  const many = Array.from({ length: 60 }, (_, i) => large(`e-${i}`));
  const sent = await destination.send(many, signal);
  expect(sent.every(({ outcome }) => outcome.kind === 'accepted')).toBe(true);
  expect(fake.ledger.length).toBeGreaterThan(1);
  for (const { text } of fake.ledger) expect(Buffer.byteLength(text)).toBeLessThan(5_100_000);
  expect(fake.accepted().map((record) => record.event.event_id)).toEqual(many.map(({ event: { eventId } }) => eventId));
});

test('what stands behind a request that was not taken does not leave', async () => {
  fake.faults.push({ do: 'html' });
  const sent = await destination.send(
    Array.from({ length: 60 }, (_, i) => large(`e-${i}`)),
    signal,
  );
  expect(fake.ledger).toHaveLength(1);
  expect(sent[0]?.outcome).toMatchObject({ kind: 'transient', unknown: true });
  expect(sent[59]?.outcome).toMatchObject({ kind: 'transient', unknown: false });
});

test('a site says how many go together, and how long they wait for that', async () => {
  const small = meta.open(metaAt(fake.url, { batch: { max: 5, lingerMs: 300 } }), LIMITS);
  await small.close();
  expect(small).toMatchObject({ batchMax: 5, lingerMs: 300 });
});

test('what the shop never said is nowhere in the request, and what it said of the person is nowhere in clear', async () => {
  const user = {
    email: 'Lena.Vogt@posteo.example',
    phone: '0151 23456789',
    first_name: 'Lena',
    last_name: 'Vogtländer',
    street: 'Deutzer Freiheit 1',
    city: 'Köln',
    country: 'DE',
    external_id: 'K-0077',
  };
  await destination.send([delivery(event({ user, timeMs: EVENT_MS }))], signal);
  expect(fake.ledger[0]).toMatchObject({ verdict: 'accepted' });
  expect(fake.ledger[0]?.text).not.toMatch(/lena|vogt|23456789|Deutzer|Köln|K-0077|v-90b1/i);
});

test('no row of the error table hides behind an earlier one', () => {
  const covers = (row: (typeof META_ERRORS)[number], code: number, subcode: number | undefined) => {
    const [from, to] = typeof row.code === 'number' ? [row.code, row.code] : row.code;
    return code >= from && code <= to && (row.subcode === undefined || row.subcode === subcode);
  };
  const hidden = META_ERRORS.filter((row, index) => {
    const codes = typeof row.code === 'number' ? [row.code] : row.code;
    return codes.every((code) => META_ERRORS.slice(0, index).some((earlier) => covers(earlier, code, row.subcode)));
  });
  expect(hidden).toEqual([]);
});
