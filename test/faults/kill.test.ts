// P1 to P4 under kill -9: what was acknowledged is there after every crash, reaches both destinations once, in order.

import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startFakeKlaviyo } from '../../src/demo/fake-klaviyo.ts';
import { startFakeMeta } from '../../src/demo/fake-meta.ts';
import { oneTrustCookie } from '../consent-samples.ts';
import { type FaultServer, faultServer } from './server.ts';

const CYCLES = 20;
const CLIENTS = 8;
/** Acknowledged events after which a cycle's process is killed, in the middle of the next requests. */
const KILL_AFTER = 25;

type FakeMeta = Awaited<ReturnType<typeof startFakeMeta>>;
type FakeKlaviyo = Awaited<ReturnType<typeof startFakeKlaviyo>>;

describe('kill -9 under load', () => {
  let meta: FakeMeta;
  let klaviyo: FakeKlaviyo;
  let server: FaultServer;
  const acknowledged: string[] = [];

  beforeAll(async () => {
    meta = await startFakeMeta({ datasets: { 1234567890: 'EAAtoken' }, latencyMs: 3 });
    klaviyo = await startFakeKlaviyo({ meta, key: 'pk_key', latencyMs: 2, limits: null });
    server = await faultServer({ meta: meta.url, klaviyo: klaviyo.url });
  });

  afterAll(async () => {
    await server.end();
    await Promise.all([meta.close(), klaviyo.close()]);
  });

  test(`${CYCLES} times: every acknowledged event reaches both destinations, counted once, Klaviyo after Meta`, {
    timeout: 180_000,
  }, async () => {
    for (let cycle = 0; cycle < CYCLES; cycle += 1) {
      await server.start();
      await loadUntilKilled();
    }
    await server.start();
    await drained();
    expect(acknowledged.length).toBeGreaterThanOrEqual(CYCLES * KILL_AFTER);
    const counted = (events: readonly { duplicate: boolean }[]) => events.filter(({ duplicate }) => !duplicate).length;
    for (const id of acknowledged) {
      expect(counted(meta.acceptedFor(id)), `Meta counted ${id}`).toBe(1);
      expect(counted(klaviyo.acceptedFor(id)), `Klaviyo counted ${id}`).toBe(1);
    }
    expect(klaviyo.violations()).toEqual([]);
    expect(meta.violations()).toEqual([]);
    expect(await server.metric('sluice_order_violations_total')).toBe(0);
  });

  test('the log of all these crashes is whole, in order, and exported completely', { timeout: 60_000 }, async () => {
    const verified = await server.cli('verify-log', '--order');
    expect(verified.stdout + verified.stderr).not.toMatch(/violation at|damaged/);
    expect(verified.code).toBe(0);
    const { stdout } = await server.cli('export', 'decisions', '--format', 'ndjson');
    const permitted = new Set(
      stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line))
        .filter(({ verdict }) => verdict === 'permit')
        .map(({ event_id }) => event_id),
    );
    for (const id of acknowledged) expect(permitted).toContain(id);
    expect(await server.stop()).toBe(0);
  });

  /** Clients send until the process under them is gone. */
  async function loadUntilKilled(): Promise<void> {
    const target = acknowledged.length + KILL_AFTER;
    let isKilled = false;
    const client = async (): Promise<void> => {
      while (!isKilled) {
        const id = randomUUID();
        try {
          const { status } = await server.post('/collect', eventOf(id));
          if (status === 202) acknowledged.push(id);
        } catch {
          // The process died under the request: nothing was promised.
        }
        if (acknowledged.length >= target && !isKilled) {
          isKilled = true;
          await server.kill();
        }
      }
    };
    await Promise.all(Array.from({ length: CLIENTS }, client));
  }

  async function drained(): Promise<void> {
    while ((await unfinished()) > 0) await new Promise((resolve) => setImmediate(resolve));
  }

  const unfinished = async () => {
    const states = await Promise.all(
      ['due', 'waiting', 'in_flight', 'retrying', 'paused'].map((state) =>
        server.metric('sluice_outbox_jobs', `state="${state}"`),
      ),
    );
    return states.reduce((sum, count) => sum + count, 0);
  };
});

function eventOf(id: string) {
  return {
    name: 'begin_checkout',
    event_id: id,
    visitor_id: `visitor ${id.slice(0, 2)}`,
    value: 59.9,
    currency: 'EUR',
    page: { url: 'https://shop.example/checkout' },
    user: { email: `${id}@example.com` },
    items: [{ item_id: 'SKU-1', quantity: 1, price: 59.9 }],
    consent: oneTrustCookie({ atMs: Date.now() - 3_600_000, groups: { C0001: 1, C0004: 1 } }),
  };
}
