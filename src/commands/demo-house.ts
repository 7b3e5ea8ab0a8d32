// Everything that the demonstration runs, in one process: stand-ins, sample shop, configuration, server, and its log to read.

import { databaseFile } from '../config/database-file.ts';
import { type FakeKlaviyo, startFakeKlaviyo } from '../demo/fake-klaviyo.ts';
import { type FakeMeta, startFakeMeta } from '../demo/fake-meta.ts';
import { type LoggedEvent, requestsOf } from '../demo/row.ts';
import { isScripted } from '../demo/scenario.ts';
import { DATASET, type DemoFolder, makeDemoFolder, SITE } from '../demo/settings.ts';
import { type Activity, type DemoShop, startDemoShop } from '../demo/shop.ts';
import { describeSteps } from '../demo/table.ts';
import { type RunningServer, startServer } from '../serve.ts';
import { createIds, systemClock } from '../system.ts';
import { type DemoLog, openDemoLog } from './demo-log.ts';

export interface DemoHouse {
  readonly meta: FakeMeta;
  readonly klaviyo: FakeKlaviyo;
  readonly shop: DemoShop;
  readonly folder: DemoFolder;
  readonly server: RunningServer;
  readonly log: DemoLog;
}

/** Typical are 300 to 800 ms; less is enough to see who waits for whom. */
export const META_LATENCY_MS = 120;
const KLAVIYO_LATENCY_MS = 20;
const SHOWN_EVENTS = 20;

/**
 * Opens the house.
 * @param releases gets what closes each part, in the order of opening, also when a later part fails
 * @param onBroken called when the server cannot go on
 */
export async function openDemoHouse(
  releases: (() => unknown)[],
  onBroken: (reason: string) => void,
): Promise<DemoHouse> {
  const ids = createIds();
  const secrets = { metaToken: `EAADemo${ids.uuid().replaceAll('-', '')}`, klaviyoKey: `pk_demo_${ids.uuid()}` };
  const meta = await startFakeMeta({ datasets: { [DATASET]: secrets.metaToken }, latencyMs: META_LATENCY_MS });
  releases.push(() => meta.close());
  const klaviyo = await startFakeKlaviyo({ key: secrets.klaviyoKey, meta, latencyMs: KLAVIYO_LATENCY_MS });
  releases.push(() => klaviyo.close());
  const shop = await startDemoShop(systemClock);
  releases.push(() => shop.close());
  const folder = makeDemoFolder({ origin: shop.url, metaUrl: meta.url, klaviyoUrl: klaviyo.url }, secrets);
  releases.push(() => folder.remove());
  const server = await startServer({ configFile: folder.configFile, onBroken });
  releases.push(() => server.stop());
  const log = await openDemoLog(databaseFile(server.config));
  releases.push(() => log.close());
  const house = { meta, klaviyo, shop, folder, server, log };
  shop.open({
    collectUrl: server.urls.collect,
    metricsUrl: `${server.urls.ops}/metrics`,
    site: SITE,
    activity: () => activityOf(house),
  });
  return house;
}

/** What the person in front of the shop page did, newest first. */
async function activityOf(house: Pick<DemoHouse, 'log' | 'meta' | 'klaviyo'>): Promise<readonly Activity[]> {
  const own = (await house.log.events()).filter(({ eventId }) => !isScripted(eventId));
  return own
    .slice(-SHOWN_EVENTS)
    .reverse()
    .map((event) => ({
      eventName: event.eventName,
      acceptedMs: event.acceptedMs,
      decisions: event.decisions,
      steps: describeSteps(requestsOf(event, house)),
      ends: endsOf(event),
    }));
}

function endsOf({ deliveries }: LoggedEvent): readonly string[] {
  return deliveries
    .filter(({ outcome }) => outcome !== 'accepted' && outcome !== 'retrying')
    .map(({ destination, outcome, code }) => `${destination} ${outcome}${code === null ? '' : `: ${code}`}`);
}
