import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CAPI_STATUS, nextStep, type Outcome, type RetryRules, type Step } from '../../src/core/delivery.ts';

const MINUTE = 60_000;
const RULES: RetryRules = {
  scheduleMs: [1000, 4000, 15_000, MINUTE],
  maxRetryAfterMs: 10 * MINUTE,
  giveUpAfterMs: 24 * 60 * MINUTE,
};
const ACCEPTED_MS = Date.UTC(2026, 10, 24, 8);
const NOW = ACCEPTED_MS + 5000;
const job = (backoff: number) => ({ backoff, acceptedMs: ACCEPTED_MS });

const traceId = 'AbC';
const transient = (more: Partial<Extract<Outcome, { kind: 'transient' }>> = {}): Outcome => ({
  ...{ kind: 'transient', httpStatus: 500, code: 'http.500', traceId, retryAfterMs: null, unknown: false },
  ...more,
});
const throttled = (retryAfterMs: number): Outcome => ({
  ...{ kind: 'throttled', httpStatus: 429, code: 'klaviyo.429', traceId },
  retryAfterMs,
});
const misconfigured: Outcome = { kind: 'misconfigured', httpStatus: 401, code: 'meta.190', traceId };
const retryIn = (ms: number): Step => ({ step: 'retry', dueMs: NOW + ms });

describe('the next step of a job', () => {
  it.each<[string, Outcome, Step]>([
    ['accepted', { kind: 'accepted', httpStatus: 200, traceId }, { step: 'settle', outcome: 'accepted' }],
    [
      'refused',
      { kind: 'refused', httpStatus: 400, code: 'meta.100', traceId },
      { step: 'settle', outcome: 'refused' },
    ],
    ['skipped', { kind: 'skipped', code: 'meta.incomplete' }, { step: 'settle', outcome: 'skipped' }],
    ['cancelled', { kind: 'cancelled', code: 'consent.withdrawn' }, { step: 'settle', outcome: 'cancelled' }],
    ['misconfigured', misconfigured, { step: 'pause' }],
    ['throttled', throttled(7000), retryIn(7000)],
    ['transient', transient(), retryIn(500)],
  ])('after %s', (_kind, outcome, step) => {
    expect(nextStep(job(0), outcome, NOW, RULES, 0.5)).toEqual(step);
  });

  it.each([
    [0, 0.999, 999],
    [1, 0.5, 2000],
    [2, 0.5, 7500],
    [3, 0.5, 30_000],
    [4, 0.5, 30_000],
    [99, 0.5, 30_000],
  ])(
    'after %d earlier failures waits up to its place in the schedule, the last one for ever',
    (failures, random, ms) => {
      expect(nextStep(job(failures), transient(), NOW, RULES, random)).toEqual(retryIn(ms));
    },
  );

  it('never waits less than a moment, whatever the jitter: a failing vendor is not hammered', () => {
    expect(nextStep(job(0), transient(), NOW, RULES, 0)).toEqual(retryIn(250));
  });

  it.each([
    ['longer than the schedule', 30_000, 30_000],
    ['shorter than the schedule', 100, 500],
    ['longer than anybody is waited for', 60 * MINUTE, 10 * MINUTE],
  ])('honours a Retry-After that is %s', (_what, retryAfterMs, ms) => {
    expect(nextStep(job(0), transient({ retryAfterMs }), NOW, RULES, 0.5)).toEqual(retryIn(ms));
  });

  it('waits for a throttled account as long as it says, within bounds, and without jitter', () => {
    expect(nextStep(job(7), throttled(100), NOW, RULES, 0.9)).toEqual(retryIn(100));
    expect(nextStep(job(7), throttled(60 * MINUTE), NOW, RULES, 0.9)).toEqual(retryIn(10 * MINUTE));
  });

  it.each<[string, Outcome]>([
    ['a failure', transient()],
    ['throttling', throttled(1000)],
    ['a refused configuration', misconfigured],
  ])('gives up after %s when its time is over, and not one millisecond before', (_what, outcome) => {
    const end = ACCEPTED_MS + RULES.giveUpAfterMs;
    expect(nextStep(job(9), outcome, end, RULES, 0)).toEqual({ step: 'settle', outcome: 'gave_up' });
    const waitMs = outcome.kind === 'misconfigured' ? 0 : outcome.kind === 'throttled' ? 1000 : 250;
    expect(nextStep(job(9), outcome, end - waitMs - 1, RULES, 0)).not.toMatchObject({ step: 'settle' });
    expect(nextStep(job(9), outcome, end - waitMs, RULES, 0)).toEqual({ step: 'settle', outcome: 'gave_up' });
  });

  it('is always a retry within the longest wait, or the end', () => {
    const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
    const after = fc.option(fc.nat(2 ** 31), { nil: null });
    fc.assert(
      fc.property(
        fc.nat(200),
        random,
        after,
        fc.nat(2 * RULES.giveUpAfterMs),
        (attempt, jitter, retryAfterMs, ageMs) => {
          const nowMs = ACCEPTED_MS + ageMs;
          const step = nextStep(job(attempt), transient({ retryAfterMs }), nowMs, RULES, jitter);
          if (step.step !== 'retry') return step.step === 'settle' && step.outcome === 'gave_up';
          const waitMs = step.dueMs - nowMs;
          return waitMs >= 250 && waitMs <= RULES.maxRetryAfterMs && ageMs + waitMs < RULES.giveUpAfterMs;
        },
      ),
    );
  });
});

describe('what Klaviyo is told of Meta', () => {
  it.each([
    ['accepted', 'sent'],
    ['refused', 'failed'],
    ['gave_up', 'failed'],
    ['cancelled', 'skipped'],
    ['skipped', 'skipped'],
  ] as const)('%s is %s', (outcome, status) => {
    expect(CAPI_STATUS[outcome]).toBe(status);
  });
});
