// Klaviyo's Events API: after Meta, told in each event how Meta ended, so that a flow can begin when the event is there.
// https://developers.klaviyo.com/en/reference/events_api_overview

import { setTimeout as sleep } from 'node:timers/promises';
import type { Outcome } from '../core/delivery.ts';
import { sha256Hex } from '../core/identity.ts';
import type { Delivery, DeliveryLimits, Destination, OpenDestination, Sent } from '../core/ports.ts';
import { openClient } from './http.ts';
import { type KlaviyoDocument, metricOf, toKlaviyoEvent } from './klaviyo-event.ts';
import { checkKlaviyo } from './klaviyo-online.ts';
import { type KlaviyoWay, postDocument } from './klaviyo-request.ts';
import { type KlaviyoSettings, klaviyoSettings } from './klaviyo-settings.ts';
import { createSendWindow, type SendWindow } from './klaviyo-window.ts';
import type { Checkable } from './online.ts';

export const klaviyo: Destination<KlaviyoSettings> & Checkable<KlaviyoSettings> = {
  id: 'klaviyo',
  settings: klaviyoSettings,
  maxAgeMs: null,
  maps: (eventName, settings) => metricOf(eventName, settings) !== null,
  withoutConsent: (eventName, { transactional }) => transactional.includes(eventName),
  waitMs: ({ maxWaitMs }) => maxWaitMs,
  open(settings, limits): OpenDestination {
    const client = openClient(settings.baseUrl, limits);
    const window = windowOf(settings, limits);
    return {
      // The bulk endpoint fails a whole request for one repeated unique_id: events go one by one.
      batchMax: 1,
      send: async (deliveries, signal) => {
        const sent: Sent[] = [];
        for (const delivery of deliveries) {
          sent.push(await send(delivery, { client, settings, signal, window, nowMs: delivery.nowMs }));
        }
        return sent;
      },
      close: () => client.close(),
    };
  },
  check: checkKlaviyo,
};

// Sites of one account share its limits. One program opens all its destinations with the same limits object, so that this
// holds the windows of that program for as long as it runs, and of no other one.
const WINDOWS = new WeakMap<DeliveryLimits, Map<string, SendWindow>>();

function windowOf({ baseUrl, privateKey }: KlaviyoSettings, limits: DeliveryLimits): SendWindow {
  const windows = WINDOWS.get(limits) ?? new Map<string, SendWindow>();
  WINDOWS.set(limits, windows);
  const account = sha256Hex(`${baseUrl} ${privateKey.reveal()}`);
  const window = windows.get(account) ?? createSendWindow();
  windows.set(account, window);
  return window;
}

interface Way extends KlaviyoWay {
  readonly window: SendWindow;
}

// An order's lines follow it one by one. Where one of them fails the whole is sent again: what Klaviyo has, it knows by
// its unique_id.
async function send(delivery: Delivery, way: Way): Promise<Sent> {
  const event = toKlaviyoEvent(delivery, way.settings);
  if ('skipped' in event) return { outcome: { kind: 'skipped', code: event.skipped }, backfill: delivery.backfill };
  const { documents, backfill } = event;
  let outcome: Outcome = { kind: 'skipped', code: 'klaviyo.not_mapped' };
  for (const [index, document] of documents.entries()) {
    outcome = await postInWindow(document, way);
    if (outcome.kind === 'accepted') continue;
    // The order itself was taken, whatever became of its line.
    if (outcome.kind === 'transient' && index > 0) outcome = { ...outcome, unknown: true };
    break;
  }
  return { outcome, backfill };
}

/** A pause of this length is kept here; a longer one would stand between the look at the consent and the send. */
const LONGEST_WAIT_MS = 1_000;

async function postInWindow(document: KlaviyoDocument, way: Way): Promise<Outcome> {
  const { window, signal } = way;
  const untilMs = performance.now() + LONGEST_WAIT_MS;
  for (let waitMs = window.take(performance.now()); waitMs > 0; waitMs = window.take(performance.now())) {
    if (performance.now() + waitMs > untilMs) return windowFull(waitMs);
    // An abort ends the wait, and the client says what it comes to.
    await sleep(waitMs, undefined, { signal }).catch(() => undefined);
    if (signal.aborted) break;
  }
  const posted = await postDocument(document, way);
  window.learn(posted.headers, performance.now());
  if (posted.outcome.kind === 'throttled') window.rest(posted.outcome.retryAfterMs, performance.now());
  return posted.outcome;
}

function windowFull(waitMs: number): Outcome {
  return {
    kind: 'throttled',
    httpStatus: null,
    code: 'klaviyo.window_full',
    traceId: null,
    retryAfterMs: waitMs,
  };
}
