// The log that the store writes, checked by what knows nothing of the store.

import { describe, expect, it, onTestFinished } from 'vitest';
import type { Settlement } from '../../src/core/ports.ts';
import type { Finding } from '../../src/pipeline/log-check.ts';
import { checkOrder } from '../../src/pipeline/order.ts';
import { verifyLog } from '../../src/pipeline/verify.ts';
import { withLog } from '../../src/store/read.ts';
import { openSqliteStore } from '../../src/store/sqlite.ts';
import type { Store } from '../../src/store/store.ts';
import { openStoredLog } from '../../src/store/stored-log.ts';
import { refused, type StoreWorld, storeWorld, WAIT_MS } from '../store/world.ts';

async function check(file: string) {
  const findings: Finding[] = [];
  const listener = { finding: (finding: Finding) => findings.push(finding) };
  return withLog(file, async (store) => {
    const log = openStoredLog(store);
    const summary = await verifyLog(log, listener);
    return { findings, summary, order: await checkOrder(log.order, 'meta', listener) };
  });
}

/** Settles whatever is due at a destination. */
async function settleDue(world: StoreWorld, store: Store, destination: string, change: Partial<Settlement> = {}) {
  const claims = (await store.outbox.claim(destination, { jobs: 100, runLength: 1 })).flat();
  await Promise.all(claims.map((claim) => store.outbox.settle(world.settlement(claim, change))));
  return claims.length;
}

/** Sales that end in every way: accepted, refused and sent by hand, released by time, withdrawn, never permitted. */
async function tradingDay(world: StoreWorld, store: Store, day: string): Promise<void> {
  const sale = (number: number, visitor: string) => ({ event: `${day}-${number}`, visitor: `${visitor} of ${day}` });
  await store.accept([world.candidate(sale(1, 'anna')), world.candidate({ ...sale(2, 'ben'), consent: null })]);
  await store.accept([world.candidate(sale(1, 'anna'))]);
  await settleDue(world, store, 'meta');
  await settleDue(world, store, 'klaviyo');
  await store.accept([world.candidate(sale(3, 'carla'))]);
  await settleDue(world, store, 'meta', { outcome: 'refused', httpStatus: 400, code: 'meta.100' });
  await settleDue(world, store, 'klaviyo', { outcome: 'gave_up', httpStatus: 503, code: 'http.503' });
  await store.retryDeadLetters('all');
  await settleDue(world, store, 'meta');
  await settleDue(world, store, 'klaviyo');
  await store.accept([world.candidate(sale(4, 'dora'))]);
  await settleDue(world, store, 'meta', { outcome: 'retrying', dueMs: world.now() + 10 * WAIT_MS, code: 'http.500' });
  world.pass(2 * WAIT_MS);
  await store.outbox.claim('klaviyo', { jobs: 1, runLength: 1 });
  await expect.poll(() => settleDue(world, store, 'klaviyo')).toBe(1);
  await store.accept([world.candidate(sale(5, 'emil'))]);
  await store.changeConsent(world.consentChange([`dora of ${day}`, `emil of ${day}`], refused(world.now())));
}

describe('a log that the store wrote', () => {
  it('is whole and in order, while the store is open, after it was closed, and after a second start', async () => {
    const world = storeWorld(openSqliteStore);
    onTestFinished(() => world.end());
    const store = await world.open();
    await tradingDay(world, store, 'monday');
    const live = await check(world.file);
    expect(live.findings).toEqual([]);
    expect(live.order.attempts).toBeGreaterThanOrEqual(8);
    expect(live.summary.evidence.checked).toBeGreaterThan(0);
    expect(live.summary.subjectLinks).toMatchObject({ erased: 0 });
    await world.close();
    expect((await check(world.file)).summary.entries).toBe(live.summary.entries + 1);
    await tradingDay(world, await world.open(), 'tuesday');
    await world.close();
    const both = await check(world.file);
    expect(both.findings).toEqual([]);
    expect(both.order.open).toBe(0);
  });
});
