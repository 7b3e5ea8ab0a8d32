import { expect, test } from 'vitest';
import { metaOutcome } from '../../src/destinations/meta-errors.ts';
import { NOW_MS } from './deliveries.ts';

const answer = (status: number, body: unknown, headers: Record<string, string> = {}) => ({
  status,
  headers,
  text: typeof body === 'string' ? body : JSON.stringify(body),
});
const error = (code: number, rest: object = {}, status = 400) =>
  metaOutcome(
    answer(status, { error: { message: '(#1) lokalisiert', code, fbtrace_id: 'AbC-1_x', ...rest } }),
    1,
    NOW_MS,
  );

test.each([
  [1, {}, 'transient', 'meta.1'],
  [1, { error_subcode: 99 }, 'refused', 'meta.1.99'],
  [2, {}, 'transient', 'meta.2'],
  [4, {}, 'throttled', 'meta.4'],
  [17, { is_transient: true }, 'throttled', 'meta.17'],
  [341, {}, 'throttled', 'meta.341'],
  [368, {}, 'throttled', 'meta.368'],
  [613, {}, 'throttled', 'meta.613'],
  [80004, {}, 'throttled', 'meta.80004'],
  [21009, {}, 'transient', 'meta.21009'],
  [102, {}, 'misconfigured', 'meta.102'],
  [190, { error_subcode: 460 }, 'misconfigured', 'meta.190.460'],
  [3, {}, 'misconfigured', 'meta.3'],
  [10, {}, 'misconfigured', 'meta.10'],
  [200, {}, 'misconfigured', 'meta.200'],
  [294, {}, 'misconfigured', 'meta.294'],
  [100, { error_subcode: 33 }, 'misconfigured', 'meta.100.33'],
  [100, { error_subcode: 2804050 }, 'refused', 'meta.100.2804050'],
  [100, {}, 'refused', 'meta.100'],
  [100, { is_transient: true }, 'transient', 'meta.100'],
  [105, {}, 'refused', 'meta.105'],
  [-3, { error_subcode: 7 }, 'transient', 'meta.-3.7'],
  [2635, {}, 'misconfigured', 'meta.2635'],
  [2500, {}, 'misconfigured', 'meta.2500'],
  [803, {}, 'misconfigured', 'meta.803'],
  [4711, {}, 'refused', 'meta.4711'],
])('error %s %j is %s, by its code and not by its status', (code, rest, kind, text) => {
  expect(error(code, rest)).toMatchObject({ kind, code: text, traceId: 'AbC-1_x' });
});

test('a known error under 500 keeps its class, an unknown one is tried again', () => {
  expect(error(190, {}, 500).kind).toBe('misconfigured');
  expect(error(9999, {}, 500).kind).toBe('transient');
});

test('a throttled account rests for what Retry-After says, or for a while', () => {
  const body = { error: { code: 4 } };
  expect(metaOutcome(answer(400, body, { 'retry-after': '17' }), 1, NOW_MS)).toMatchObject({ retryAfterMs: 17_000 });
  const date = new Date(NOW_MS + 30_000).toUTCString();
  expect(metaOutcome(answer(400, body, { 'retry-after': date }), 1, NOW_MS)).toMatchObject({ retryAfterMs: 30_000 });
  expect(error(4)).toMatchObject({ retryAfterMs: 5_000 });
  expect(error(368)).toMatchObject({ retryAfterMs: 30_000 });
});

test.each([
  ['{"880012345":[{"type":"ads_management","estimated_time_to_regain_access":3}]}', 180_000],
  ['{"880012345":[{"type":"ads_management","estimated_time_to_regain_access":0}]}', 5_000],
  ['{"880012345":', 5_000],
])('a usage header %s is a hint at how long', (header, wait) => {
  const throttled = answer(400, { error: { code: 80004 } }, { 'x-business-use-case-usage': header });
  expect(metaOutcome(throttled, 1, NOW_MS)).toMatchObject({ retryAfterMs: wait });
});

test.each([
  ['all were received', 200, { events_received: 3, messages: [], fbtrace_id: 'T1' }, 'accepted'],
  ['fewer were received', 200, { events_received: 2 }, 'meta.received_less'],
  ['the count is missing', 200, { messages: [] }, 'meta.unreadable'],
  ['the count is text', 200, { events_received: '3' }, 'meta.unreadable'],
  ['the answer is empty', 200, '', 'meta.unreadable'],
  ['the answer is a page', 200, '<!doctype html>', 'meta.unreadable'],
  ['the answer is null', 200, 'null', 'meta.unreadable'],
  ['the status is 201', 201, { events_received: 3 }, 'http.201'],
  ['the status is 302', 302, '', 'http.302'],
  ['the status is 502', 502, '<h1>Bad gateway</h1>', 'http.502'],
  ['the status is 403 and the answer a page', 403, '<h1>Forbidden</h1>', 'http.403'],
])('of three events, when %s', (_name, status, body, expected) => {
  const outcome = metaOutcome(answer(status, body), 3, NOW_MS);
  if (expected === 'accepted') expect(outcome).toEqual({ kind: 'accepted', httpStatus: 200, traceId: 'T1' });
  else expect(outcome).toMatchObject({ kind: 'transient', code: expected, unknown: true });
});
