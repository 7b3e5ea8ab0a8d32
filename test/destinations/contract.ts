// What every destination must do with every answer, whatever its vendor calls it.

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Delivery, DeliveryLimits, OpenDestination, Sent } from '../../src/core/ports.ts';
import type { Fault } from '../../src/demo/fake-faults.ts';
import type { LedgerEntry } from '../../src/demo/fake-ledger.ts';
import type { Violation } from '../../src/demo/fake-server.ts';
import { delivery, LIMITS } from './deliveries.ts';

/** A vendor's stand-in with the destination in front of it. */
export interface Stage {
  open(limits: DeliveryLimits): OpenDestination;
  readonly faults: Fault[];
  readonly ledger: readonly LedgerEntry[];
  /** Events that count. */
  counted(): number;
  violations(): readonly Violation[];
  close(): Promise<void>;
}

export interface Contract {
  readonly name: string;
  start(): Promise<Stage>;
  readonly secret: string;
  /** The vendor's words for: never, not now, you all wait two seconds, who are you. */
  readonly refused: { readonly fault: () => Fault; readonly code: string };
  readonly transient: { readonly fault: () => Fault; readonly code: string };
  readonly throttled: { readonly fault: () => Fault; readonly code: string };
  readonly misconfigured: { readonly fault: () => Fault; readonly code: string };
}

const EVENTS_OF_THE_CLOCK = 50;

export function destinationContract(contract: Contract): void {
  describe(`the contract of destinations: ${contract.name}`, () => {
    let stage: Stage;
    const opened: OpenDestination[] = [];

    beforeEach(async () => {
      stage = await contract.start();
    });
    afterEach(async () => {
      await Promise.all(opened.splice(0).map((destination) => destination.close()));
      await stage.close();
    });

    function open(limits: Partial<DeliveryLimits> = {}): OpenDestination {
      const destination = stage.open({ ...LIMITS, ...limits });
      opened.push(destination);
      return destination;
    }

    async function send(of: Delivery = fresh(), destination = open(), signal = neverAborted()): Promise<Sent> {
      const sent = await destination.send([of], signal);
      expect(sent).toHaveLength(1);
      return sent[0] as Sent;
    }

    // The stand-ins judge by the real clock.
    function fresh(): Delivery {
      const nowMs = Date.now();
      const { event } = delivery();
      return delivery({ ...event, timeMs: nowMs - EVENTS_OF_THE_CLOCK }, { nowMs });
    }

    test('an event that the vendor takes is accepted and counts once', async () => {
      expect((await send()).outcome).toMatchObject({ kind: 'accepted' });
      expect(stage.counted()).toBe(1);
      expect(stage.violations()).toEqual([]);
    });

    test.each(['refused', 'transient', 'throttled', 'misconfigured'] as const)(
      '%s is what the vendor says it is',
      async (kind) => {
        stage.faults.push(contract[kind].fault());
        expect((await send()).outcome).toMatchObject({ kind, code: contract[kind].code });
        expect(stage.counted()).toBe(0);
      },
    );

    test('a throttled account is held back for as long as Retry-After says', async () => {
      stage.faults.push(contract.throttled.fault());
      expect((await send()).outcome).toMatchObject({ kind: 'throttled', retryAfterMs: 2_000 });
    });

    test.each<[string, Fault]>([
      ['a page of HTML with 502', { do: 'html' }],
      ['a page of HTML with 200', { do: 'html', status: 200 }],
      ['half a JSON body', { do: 'garbage' }],
      ['an empty 200', { do: 'empty-200' }],
      ['a success that took nothing', { do: 'received-0' }],
      ['a redirect', { do: 'answer', reply: { status: 307, headers: { location: '/elsewhere' }, text: '' } }],
      ['a reset connection', { do: 'reset-before' }],
      ['a reset after the event was recorded', { do: 'reset-after-recording' }],
    ])('%s is never success, and may have been recorded', async (_name, fault) => {
      stage.faults.push(fault);
      expect((await send()).outcome).toMatchObject({ kind: 'transient', unknown: true });
      expect(stage.ledger).toHaveLength(1);
    });

    test('a vendor that never answers costs no more than the time-out', async () => {
      stage.faults.push({ do: 'hang' });
      const began = performance.now();
      const { outcome } = await send(fresh(), open({ totalTimeoutMs: 300 }));
      expect(outcome).toMatchObject({ kind: 'transient', code: 'http.timeout', unknown: true });
      expect(performance.now() - began).toBeLessThan(1_000);
    });

    test('a vendor that is not there was told nothing', async () => {
      const destination = open();
      await stage.close();
      expect((await send(fresh(), destination)).outcome).toMatchObject({
        kind: 'transient',
        code: 'http.refused',
        unknown: false,
      });
    });

    test('a stop while the vendor thinks is told apart from a time-out', async () => {
      stage.faults.push({ do: 'hang' });
      const stop = new AbortController();
      const sending = send(fresh(), open(), stop.signal);
      await expect.poll(() => stage.ledger.length).toBe(1);
      stop.abort();
      expect((await sending).outcome).toMatchObject({ kind: 'transient', code: 'http.aborted', unknown: true });
    });

    test('nothing leaves after a stop', async () => {
      expect((await send(fresh(), open(), AbortSignal.abort())).outcome).toMatchObject({ code: 'http.aborted' });
      expect(stage.ledger).toHaveLength(0);
    });

    test('the secret is in no address, and the stand-in keeps it nowhere', async () => {
      await send();
      expect(JSON.stringify(stage.ledger)).not.toContain(contract.secret);
      expect(stage.violations()).toEqual([]);
    });

    test('a retry after an unknown outcome says the same and counts once', async () => {
      const destination = open();
      const first = fresh();
      stage.faults.push({ do: 'reset-after-recording' });
      const { backfill } = await send(first, destination);
      const later = { ...first, nowMs: first.nowMs + 7_200_000, earlierUnknown: true, backfill };
      expect((await send(later, destination)).outcome).toMatchObject({ kind: 'accepted' });
      expect(stage.ledger[1]?.text).toBe(stage.ledger[0]?.text);
      expect(stage.counted()).toBe(1);
    });

    test('an event that has no name there is skipped without a request', async () => {
      const unnamed = fresh();
      const { outcome } = await send({ ...unnamed, event: { ...unnamed.event, name: 'select_promotion' } });
      expect(outcome).toMatchObject({ kind: 'skipped' });
      expect(stage.ledger).toHaveLength(0);
    });
  });
}

function neverAborted(): AbortSignal {
  return new AbortController().signal;
}
