import { expect, test } from 'vitest';
import { klaviyoOutcome } from '../../src/destinations/klaviyo-errors.ts';
import { NOW_MS } from './deliveries.ts';

const problem = (code: string) => JSON.stringify({ errors: [{ id: 'e-1', code, title: 't', detail: 'd' }] });

test.each([
  [202, '', 'accepted', undefined],
  [200, '{}', 'transient', 'http.200'],
  [204, '', 'transient', 'http.204'],
  [302, '', 'transient', 'http.302'],
  [400, problem('invalid'), 'refused', 'klaviyo.400.invalid'],
  [400, problem('Invalid'), 'refused', 'klaviyo.400.invalid'],
  [400, problem('the e-mail lena@posteo.example'), 'refused', 'klaviyo.400'],
  [400, '<h1>Bad request</h1>', 'refused', 'klaviyo.400'],
  [404, '{"errors":[]}', 'refused', 'klaviyo.404'],
  [409, problem('duplicate'), 'refused', 'klaviyo.409.duplicate'],
  [413, '', 'refused', 'klaviyo.413'],
  [401, problem('not_authenticated'), 'misconfigured', 'klaviyo.401.not_authenticated'],
  [403, problem('permission_denied'), 'misconfigured', 'klaviyo.403.permission_denied'],
  [410, problem('gone'), 'misconfigured', 'klaviyo.410.gone'],
  [429, problem('throttled'), 'throttled', 'klaviyo.429.throttled'],
  [500, 'null', 'transient', 'klaviyo.500'],
  [503, '', 'transient', 'klaviyo.503'],
  [524, '<h1>A timeout occurred</h1>', 'transient', 'klaviyo.524'],
])('%s %s is %s', (status, text, kind, code) => {
  const outcome = klaviyoOutcome({ status, headers: {}, text }, NOW_MS);
  expect(outcome).toMatchObject(code === undefined ? { kind } : { kind, code });
});

test('a status that says nothing leaves it unknown whether the event was recorded', () => {
  for (const status of [200, 302, 500, 524]) {
    expect(klaviyoOutcome({ status, headers: {}, text: '' }, NOW_MS)).toMatchObject({ unknown: true });
  }
});

test('an error in Klaviyo\u2019s own words says that the event was not taken', () => {
  const of = (status: number, text: string) => klaviyoOutcome({ status, headers: {}, text }, NOW_MS);
  expect(of(503, problem('unavailable'))).toMatchObject({ kind: 'transient', unknown: false });
  expect(of(503, '<h1>Bad gateway</h1>')).toMatchObject({ kind: 'transient', unknown: true });
  expect(of(200, problem('odd'))).toMatchObject({ kind: 'transient', unknown: true });
});

test('the account waits as many seconds as Retry-After says', () => {
  const of = (value: string) => klaviyoOutcome({ status: 429, headers: { 'retry-after': value }, text: '' }, NOW_MS);
  expect(of('30')).toMatchObject({ retryAfterMs: 30_000 });
  expect(of('soon')).toMatchObject({ retryAfterMs: 5_000 });
});
