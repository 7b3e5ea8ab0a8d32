// The store half: the database, the decision, the dispatcher. On SQLite it is a thread of the server; this file is the
// thread's entry and its composition root. Whatever is opened here is released in reverse.

import { parentPort, workerData } from 'node:worker_threads';
import { databaseFile } from './config/database-file.ts';
import { configHash } from './config/hash.ts';
import { processEnvironment, readConfig } from './config.ts';
import { signals, warmUp } from './consent/index.ts';
import { deriveKeys, type Keys } from './core/identity.ts';
import { createDecide } from './core/policy.ts';
import type { Clock, Destination, Ids, Intake, OpenDestination } from './core/ports.ts';
import { payloadBinding, unseal } from './core/seal.ts';
import type { Config, Site } from './core/settings.ts';
import { createDeliveryMetrics, type DeliveryMetrics } from './delivery-metrics.ts';
import { destinations } from './destinations/index.ts';
import { openKeys } from './keys.ts';
import { createLog, type Log } from './log.ts';
import type { Outlet } from './pipeline/attempt.ts';
import { createDispatcher, type DispatchEvents, type Dispatcher } from './pipeline/dispatch.ts';
import type { SiteRules } from './store/sqlite/context.ts';
import { openSqliteStore } from './store/sqlite.ts';
import type { Store } from './store/store.ts';
import { createIds, systemClock } from './system.ts';
import { serveIntake } from './threads.ts';
import { VERSION } from './version.ts';

export interface DeliveryHalf {
  readonly intake: Intake;
  /** The key of today's subject references, latin1. */
  readonly epochKey: string;
  /** Refuses what is new, lets what is under way end, closes the store. */
  stop(): Promise<void>;
}

export interface DeliveryOptions {
  readonly config: Config;
  readonly keys: Keys;
  readonly log: Log;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly onBroken: (error: unknown) => void;
}

/**
 * Opens the store and starts dispatching.
 * @throws CannotRun when the database cannot be used
 */
export async function startDelivery(options: DeliveryOptions): Promise<DeliveryHalf> {
  const { config, clock } = options;
  warmUp();
  const decide = createDecide(signals);
  const order = destinations.map(({ id }) => id);
  const store = await openSqliteStore({
    file: databaseFile(config),
    keys: options.keys,
    decide,
    sites: new Map(config.sites.map((site) => [site.id, rulesOf(site)])),
    destinations: order,
    clock,
    ids: options.ids,
    maxDueJobs: config.delivery.maxDueJobs,
    minFreeBytes: config.delivery.minFreeBytes,
    keepDeadLettersMs: config.delivery.keepDeadLettersMs,
    about: { version: VERSION, configuration: configHash(config) },
    onBroken: options.onBroken,
  });
  const metrics = createDeliveryMetrics(readingOf(store, order, clock));
  const outlets = openOutlets(config);
  const dispatcher = createDispatcher({
    outbox: store.outbox,
    destinations: order,
    outlet: (destination, site) => outlets.get(`${destination} ${site}`) ?? null,
    batching: (destination) => batchingOf(outlets, destination),
    unseal: (claim) => JSON.parse(unseal(options.keys.seal, claim.sealed, payloadBinding(claim.site, claim.sealId))),
    decide,
    clock,
    ids: options.ids,
    inFlight: config.delivery.inFlight,
    probeMs: config.delivery.probeMs,
    events: reportTo(options, { store, metrics }),
  });
  store.onCommit((events, durationMs) => {
    metrics.committed(events, durationMs);
    dispatcher.wake();
  });
  dispatcher.wake();
  return {
    intake: intakeOf(store, metrics),
    epochKey: store.epochKey.export().toString('latin1'),
    stop: () => stopAll(config, { store, dispatcher, outlets }),
  };
}

async function stopAll(
  config: Config,
  open: { store: Store; dispatcher: Dispatcher; outlets: ReadonlyMap<string, Outlet> },
): Promise<void> {
  open.store.refuseAll();
  await open.dispatcher.stop(config.delivery.drainMs);
  await Promise.allSettled([...open.outlets.values()].map((outlet) => outlet.open.close()));
  await open.store.close();
}

function rulesOf(site: Site): SiteRules {
  return {
    policy: site.policy,
    destinations: destinations.map((destination, place) => {
      const settings = site.destinations.get(destination.id);
      return {
        id: destination.id,
        place,
        configured: settings !== undefined,
        paused: false,
        maxAgeMs: destination.maxAgeMs,
        waitMs: settings === undefined ? 0 : destination.waitMs(settings),
        maps: (eventName) => settings !== undefined && destination.maps(eventName, settings),
        isTransactional: (eventName) =>
          settings !== undefined && destination.withoutConsent?.(eventName, settings) === true,
      };
    }),
  };
}

function openOutlets(config: Config): ReadonlyMap<string, Outlet> {
  const outlets = new Map<string, Outlet>();
  for (const site of config.sites) {
    for (const destination of destinations) {
      const settings = site.destinations.get(destination.id);
      if (settings === undefined) continue;
      const open = destination.open(settings, config.delivery);
      const isTransactional = (eventName: string) => destination.withoutConsent?.(eventName, settings) === true;
      outlets.set(`${destination.id} ${site.id}`, {
        ...outletOf({ config, site, destination, open }),
        isTransactional,
      });
    }
  }
  return outlets;
}

function batchingOf(outlets: ReadonlyMap<string, Outlet>, destination: string): { max: number; lingerMs: number } {
  const own = [...outlets].filter(([key]) => key.startsWith(`${destination} `)).map(([, outlet]) => outlet.open);
  return {
    max: Math.max(1, ...own.map(({ batchMax }) => batchMax)),
    lingerMs: Math.max(0, ...own.map(({ lingerMs }) => lingerMs ?? 0)),
  };
}

function outletOf(of: {
  config: Config;
  site: Site;
  destination: Destination;
  open: OpenDestination;
}): Omit<Outlet, 'isTransactional'> {
  const { delivery } = of.config;
  return {
    policy: of.site.policy,
    maxAgeMs: of.destination.maxAgeMs,
    isPaused: false,
    retry: {
      scheduleMs: delivery.retryScheduleMs,
      maxRetryAfterMs: delivery.maxRetryAfterMs,
      giveUpAfterMs: delivery.giveUpAfterMs[of.destination.id] ?? Number.POSITIVE_INFINITY,
    },
    open: of.open,
  };
}

function readingOf(store: Store, order: readonly string[], clock: Clock) {
  return {
    destinations: order,
    queue: store.queue,
    nowMs: clock,
    newestSeq: () => store.outbox.newestSeq(),
  };
}

function intakeOf(store: Store, metrics: DeliveryMetrics): Intake {
  return {
    accept: store.accept,
    changeConsent: store.changeConsent,
    health: store.health,
    metrics: () => metrics.text(),
    deadLetters: store.deadLetters,
    retryDeadLetters: store.retryDeadLetters,
  };
}

function reportTo(
  { log, onBroken }: DeliveryOptions,
  { store, metrics }: { store: Store; metrics: DeliveryMetrics },
): DispatchEvents {
  return {
    delivered: ({ claim, outcome, durationMs, sinceAcceptMs }) =>
      metrics.delivered({ site: claim.site, destination: claim.destination, outcome, durationMs, sinceAcceptMs }),
    paused: (destination, site, code) =>
      log.error('destination paused: its configuration is refused; events are kept and tried again', {
        destination,
        site,
        code,
      }),
    resumed: (destination, site) => log.info('destination works again: its events are sent', { destination, site }),
    failing(destination, isFailing) {
      store.setFailing(destination, isFailing);
      log.warn(isFailing ? 'destination is failing' : 'destination works again', { destination });
    },
    orderViolation(claim) {
      metrics.orderViolation();
      log.error('order violation: a send was stopped', {
        destination: claim.destination,
        site: claim.site,
        decision_seq: claim.decisionSeq,
      });
    },
    failed: (claim, error) =>
      log.error('an event could not be sent because of an error of ours', {
        destination: claim.destination,
        site: claim.site,
        decision_seq: claim.decisionSeq,
        error,
      }),
    broken: onBroken,
  };
}

/** What the HTTP thread hands to the store thread. */
export interface ThreadData {
  readonly sluice: 'store thread';
  readonly file: string;
  readonly text: string;
}

async function runThread(port: NonNullable<typeof parentPort>, data: ThreadData): Promise<void> {
  const config = readConfig({ file: data.file, text: data.text, env: processEnvironment(), destinations });
  const log = createLog({ level: config.log.level });
  const keys = deriveKeys(openKeys({ file: config.keys.file, databaseExists: true }).master);
  const onBroken = (error: unknown) => {
    log.error('the store thread ends: its state can no longer be trusted', { error });
    port.postMessage({ sluice: 'broken' });
  };
  const half = await startDelivery({ config, keys, log, clock: systemClock, ids: createIds(), onBroken });
  serveIntake(port, half.intake);
  port.on('message', (message) => {
    if (message?.sluice !== 'stop') return;
    half.stop().then(() => {
      port.postMessage({ sluice: 'stopped' });
      port.close();
    }, onBroken);
  });
  port.postMessage({ sluice: 'ready', epochKey: half.epochKey });
}

const isThread = (data: unknown): data is ThreadData =>
  typeof data === 'object' && data !== null && 'sluice' in data && data.sluice === 'store thread';

if (parentPort !== null && isThread(workerData)) {
  const port = parentPort;
  runThread(port, workerData).catch((error: unknown) => {
    port.postMessage({
      sluice: 'failed',
      message: error instanceof Error ? error.message : String(error),
      canRun: error instanceof Error && error.name !== 'CannotRun',
    });
    port.close();
  });
}
