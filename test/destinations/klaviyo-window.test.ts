import { expect, test } from 'vitest';
import { createSendWindow, type SendWindow } from '../../src/destinations/klaviyo-window.ts';

/** Takes as many as there are at one moment, and says how many. */
function takeAll(window: SendWindow, nowMs: number): number {
  let taken = 0;
  while (window.take(nowMs) === 0) taken += 1;
  return taken;
}

const said = (remaining: number, reset: number, limit = 3500) => ({
  'ratelimit-limit': String(limit),
  'ratelimit-remaining': String(remaining),
  'ratelimit-reset': String(reset),
});

test('a second holds fewer than the 350 that Klaviyo takes, wherever the second begins', () => {
  const window = createSendWindow();
  const sentAt: number[] = [];
  for (let nowMs = 0; nowMs < 5_000; nowMs += 7) for (let n = takeAll(window, nowMs); n > 0; n -= 1) sentAt.push(nowMs);
  for (const fromMs of sentAt) {
    expect(sentAt.filter((ms) => ms >= fromMs && ms < fromMs + 1_000).length).toBeLessThan(350);
  }
  expect(sentAt.length).toBeGreaterThan(5 * 300);
});

test('a minute holds fewer than 3,500, and then says how long it lasts', () => {
  const window = createSendWindow();
  let taken = 0;
  for (let nowMs = 0; nowMs < 60_000; nowMs += 50) taken += takeAll(window, nowMs);
  expect(taken).toBeGreaterThan(3_400);
  expect(taken).toBeLessThan(3_500);
  expect(window.take(59_000)).toBe(1_000);
  expect(window.take(60_000)).toBe(0);
});

test('what others use of the account is read from the answers', () => {
  const window = createSendWindow();
  expect(window.take(0)).toBe(0);
  window.learn(said(53, 12), 0);
  expect(takeAll(window, 5)).toBe(3);
  expect(window.take(5)).toBe(11_995);
  expect(window.take(12_000)).toBe(0);
});

test('what is on its way counts, though the answer does not know of it', () => {
  const window = createSendWindow();
  for (let i = 0; i < 10; i += 1) window.take(0);
  window.learn(said(100, 30), 10);
  expect(takeAll(window, 10)).toBe(100 - 9 - 50);
});

test('a smaller account has a smaller minute', () => {
  const window = createSendWindow();
  window.take(0);
  window.learn(said(69, 1, 70), 0);
  expect(takeAll(window, 1_000)).toBe(69);
});

test('nothing leaves for as long as Retry-After says', () => {
  const window = createSendWindow();
  window.rest(30_000, 100);
  window.rest(5_000, 200);
  expect(window.take(300)).toBe(29_800);
  expect(window.take(30_100)).toBe(0);
});

test('an answer without the headers, or with nonsense in them, changes nothing', () => {
  const window = createSendWindow();
  for (const headers of [
    {},
    { 'ratelimit-remaining': 'few', 'ratelimit-reset': '5' },
    { 'ratelimit-remaining': '0' },
  ]) {
    window.take(0);
    window.learn(headers, 0);
  }
  expect(window.take(1)).toBe(0);
});
