import { describe, expect, it } from 'vitest';
import { Problem } from '../../src/core/errors.ts';
import type { Trust } from '../../src/core/event.ts';
import type { SourceRequest } from '../../src/core/ports.ts';
import { browser } from '../../src/sources/browser.ts';
import { sources } from '../../src/sources/index.ts';

const NOW_MS = Date.parse('2026-11-24T08:00:00Z');
const CHROME = 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36';
const IDS = { uuid: () => '6f1e2a34-0000-4000-8000-000000000001', bytes: () => '', random: () => 0 };

function request(body: unknown, trust: Trust = 'browser', userAgent: string | null = CHROME): SourceRequest {
  return { trust, body, receivedMs: NOW_MS, batchEvents: 3, client: { ip: '93.184.216.34', userAgent } };
}

const parse = (body: unknown, trust?: Trust, userAgent?: string | null) =>
  browser.parse(request(body, trust, userAgent), IDS);
const only = (body: unknown, trust?: Trust, userAgent?: string | null) => {
  const [event] = parse(body, trust, userAgent).events;
  if (event === undefined) throw new Error('no event');
  return event;
};

function problemOf(body: unknown, trust?: Trust): Problem {
  try {
    parse(body, trust);
  } catch (error) {
    if (error instanceof Problem) return error;
    throw error;
  }
  throw new Error('it was accepted');
}

const nested = (depth: number): unknown => (depth === 0 ? 1 : { a: nested(depth - 1) });

describe('the browser source', () => {
  it('is in the registry', () => {
    expect(sources).toContain(browser);
  });

  it('reads one event and keeps consent apart from content', () => {
    const read = only({
      name: 'purchase',
      event_id: 'ord-1001',
      time: '2026-11-24T07:59:30+00:00',
      visitor_id: 'v-7',
      value: 59.9,
      currency: 'EUR',
      consent: { tcf: 'CQ' },
    });
    expect(read.event).toEqual({
      name: 'purchase',
      source: 'browser',
      trust: 'browser',
      eventId: 'ord-1001',
      timeMs: Date.parse('2026-11-24T07:59:30Z'),
      visitor_id: 'v-7',
      value: 59.9,
      currency: 'EUR',
      client: { ip: '93.184.216.34', userAgent: CHROME },
    });
    expect(read.consent).toEqual({ tcf: 'CQ' });
    expect(read.visitorId).toBe('v-7');
    expect(read.objections).toEqual([]);
  });

  it('takes the order for the id of a purchase that brings none, and of nothing else', () => {
    expect(only({ name: 'purchase', transaction_id: '1001' }).event.eventId).toBe('1001');
    expect(only({ name: 'purchase', transaction_id: '1001', event_id: 'p-1' }).event.eventId).toBe('p-1');
    expect(only({ name: 'refund', transaction_id: '1001' }).event.eventId).toBe(IDS.uuid());
  });

  it.each([undefined, '', ' '])('makes an id where the event brings none: %j', (event_id) => {
    expect(only({ name: 'page_view', event_id }).event.eventId).toBe(IDS.uuid());
  });

  it('takes a blank visitor id for none', () => {
    const read = only({ name: 'page_view', visitor_id: ' ' });
    expect(read.visitorId).toBeNull();
    expect(read.event.visitor_id).toBeUndefined();
  });

  it.each([
    ['ahead of the clock', '2026-11-24T09:00:00Z', NOW_MS],
    ['in the past', '2026-11-23T08:00:00Z', NOW_MS - 86_400_000],
    ['absent', undefined, NOW_MS],
  ])('reads a time %s', (_, time, timeMs) => {
    expect(only({ name: 'page_view', time }).event.timeMs).toBe(timeMs);
  });

  it('lets a server say whom it speaks for, and uses nothing of its own connection', () => {
    const read = only({ name: 'purchase', client_ip: '2001:db8::7', user_agent: 'Safari', country: 'us' }, 'server');
    expect(read.event.client).toEqual({ ip: '2001:db8::7', userAgent: 'Safari' });
    expect(read.indications).toEqual([{ country: 'US', basis: 'server_token' }]);
    expect(only({ name: 'purchase' }, 'server').event.client).toEqual({ ip: null, userAgent: null });
    expect(only({ name: 'purchase' }, 'server').indications).toEqual([{ country: null, basis: 'server_token' }]);
  });

  it.each(['client_ip', 'user_agent', 'country'])('refuses %s from a browser', (key) => {
    expect(problemOf({ name: 'page_view', [key]: '93.184.216.34' }).code).toBe('event_invalid');
  });

  it('takes the country of the user for a hint', () => {
    expect(only({ name: 'page_view', user: { country: 'DE' } }).indications).toEqual([
      { country: 'DE', basis: 'hint' },
    ]);
    expect(only({ name: 'page_view', user: { country: 'Germany' } }).indications).toEqual([]);
  });

  it('objects to robots among browsers, not among servers', () => {
    const googlebot = 'Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)';
    const objection = [{ code: 'source.bot', destination: '*' }];
    expect(only({ name: 'page_view' }, 'browser', googlebot).objections).toEqual(objection);
    expect(only({ name: 'page_view' }, 'server', googlebot).objections).toEqual([]);
    expect(only({ name: 'page_view' }, 'browser', null).objections).toEqual([]);
  });

  it.each([
    [{ name: 'x', curency: 'EUR' }, 'currency'],
    [{ name: 'x', user: { emial: 'jane@example.com' } }, 'user.email'],
    [{ name: 'x', consent: { onetrsut: 'x' } }, 'consent.onetrust'],
    [{ name: 'x', items: [{ item_id: '1' }, { pric: 2 }] }, 'items[1].price'],
  ])('names the nearest known key of %j', (body, key) => {
    const { message } = problemOf(body);
    expect(message).toContain(`the nearest known key is ${key}`);
    expect(message).not.toContain('jane');
  });

  it.each([
    { name: 'x', 'jane@example.com': 1 },
    { name: 'x', [`k${'x'.repeat(60_000)}`]: 1 },
    { name: 'x', value: 'jane@example.com' },
    { name: 'x', time: 'jane@example.com' },
    { name: 'x', event_id: `jane@example.com\n` },
  ])('never repeats what was sent, case %#', (body) => {
    const { message, code } = problemOf(body);
    expect(code).toBe('event_invalid');
    expect(message).not.toContain('jane');
    expect(message.length).toBeLessThan(300);
  });

  it.each([
    7,
    'text',
    null,
    true,
    [],
    [{ name: 'page_view' }],
    {},
    { name: '' },
    { name: ['x'] },
    { name: 'x', value: '59.9' },
    { name: 'x', value: true },
    { name: 'x', items: {} },
    { name: 'x', items: ['x'] },
    { name: 'x', consent: 'yes' },
    { name: 'x', consent: { gpc: 1 } },
    { name: 'x', event_id: 'x'.repeat(129) },
    { name: 'x', time: 1764000000 },
    { events: {} },
    { events: [] },
    { events: 'x' },
    { events: [{ name: 'x' }], name: 'x' },
  ])('refuses %j', (body) => {
    expect(problemOf(body).code).toBe('event_invalid');
  });

  it.each(['__proto__', 'constructor', 'prototype'])('refuses the key %s anywhere', (key) => {
    const bodies = [
      `{"name":"x","${key}":{"granted":true}}`,
      `{"name":"x","consent":{"${key}":{}}}`,
      `{"name":"x","properties":{"a":[{"${key}":1}]}}`,
      `{"${key}":1,"events":[{"name":"x"}]}`,
    ];
    for (const body of bodies) expect(problemOf(JSON.parse(body)).code).toBe('event_invalid');
  });

  it.each([Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 2 ** 53 + 2])('refuses the number %d', (value) => {
    expect(problemOf({ name: 'x', value }).code).toBe('event_invalid');
    expect(problemOf({ name: 'x', properties: { deep: [value] } }).code).toBe('event_invalid');
  });

  it('takes sixteen levels of properties and not one more', () => {
    expect(parse({ name: 'x', properties: nested(16) }).events).toHaveLength(1);
    expect(problemOf({ name: 'x', properties: nested(17) }).code).toBe('event_invalid');
  });
});

describe('a batch', () => {
  it('sets the bad events apart, with their places', () => {
    const { events, rejected } = parse({ events: [{ name: 'a' }, { name: 7 }, { name: 'b' }] });
    expect(events.map(({ event }) => event.name)).toEqual(['a', 'b']);
    expect(rejected).toEqual([{ index: 1, code: 'event_invalid', message: expect.stringContaining('name') }]);
  });

  it('is refused as a whole where nothing is valid', () => {
    expect(problemOf({ events: [{ name: 7 }, {}] }).code).toBe('event_invalid');
  });

  it('is refused as a whole where it is too long', () => {
    expect(parse({ events: Array(3).fill({ name: 'x' }) }).events).toHaveLength(3);
    expect(problemOf({ events: Array(4).fill({ name: 'x' }) }).code).toBe('too_many_events');
  });
});
