// Meta's Conversions API: first in the order, so that every other destination can be told how it ended.
// https://developers.facebook.com/docs/marketing-api/conversions-api/using-the-api

import type { Outcome } from '../core/delivery.ts';
import type { Delivery, Destination, OpenDestination, Sent } from '../core/ports.ts';
import { metaEventName } from './event-names.ts';
import { openClient } from './http.ts';
import { createDatasets, type PostToAll } from './meta-datasets.ts';
import { type MetaEvent, type MetaShape, toMetaEvent } from './meta-event.ts';
import { checkMeta } from './meta-online.ts';
import { datasetsOf, type Way } from './meta-request.ts';
import { type MetaSettings, metaSettings } from './meta-settings.ts';
import type { Checkable } from './online.ts';

/** "Up to 7 days before you send an event to Meta": one that is older costs the whole request. */
const MAX_AGE_MS = 7 * 86_400_000;

export const meta: Destination<MetaSettings> & Checkable<MetaSettings> = {
  id: 'meta',
  settings: metaSettings,
  maxAgeMs: MAX_AGE_MS,
  maps: (eventName, { events }) => metaEventName(eventName, events) !== null,
  waitMs: () => 0,
  open(settings, limits): OpenDestination {
    const client = openClient(settings.baseUrl, limits);
    const postToAll = createDatasets(datasetsOf(settings));
    return {
      batchMax: settings.batch.max,
      lingerMs: settings.batch.lingerMs,
      send(deliveries, signal) {
        const nowMs = deliveries[0]?.nowMs ?? 0;
        return send(deliveries, { shape: settings, postToAll, way: { client, signal, nowMs } });
      },
      close: () => client.close(),
    };
  },
  check: checkMeta,
};

interface Sending {
  readonly shape: MetaShape;
  readonly postToAll: PostToAll;
  readonly way: Way;
}

async function send(deliveries: readonly Delivery[], { shape, postToAll, way }: Sending): Promise<readonly Sent[]> {
  const built = deliveries.map((delivery) => toMetaEvent(delivery, shape));
  const events = built.filter((event): event is MetaEvent => !('skipped' in event));
  const posted = events.length === 0 ? [] : await postToAll(events, way);
  let next = 0;
  return built.map((event) => {
    const outcome: Outcome | undefined = 'skipped' in event ? { kind: 'skipped', code: event.skipped } : posted[next++];
    if (outcome === undefined) throw new Error('an event was built and not posted');
    return { outcome, backfill: false };
  });
}
