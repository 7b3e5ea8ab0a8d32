// The HTTP half and the whole server: configuration, keys, store thread, listeners, in this order; released in reverse.

import { createHash, createSecretKey, type KeyObject } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { databaseFile } from './config/database-file.ts';
import { locateConfig, processEnvironment, readConfig } from './config.ts';
import { carriersOf } from './consent/carriers.ts';
import { collectEvidence, countryHints, warmUp } from './consent/index.ts';
import { policyHints } from './consent/policy-hints.ts';
import { CannotRun } from './core/errors.ts';
import { deriveKeys, type Keys } from './core/identity.ts';
import type { Clock, Ids, Intake } from './core/ports.ts';
import type { Config } from './core/settings.ts';
import type { ThreadData } from './deliver.ts';
import { destinations } from './destinations/index.ts';
import { createCollectApp } from './http/app.ts';
import { controlSocketPath, createControlApp, listenOnSocket } from './http/control.ts';
import { createHttpMetrics, type HttpMetrics } from './http/metrics.ts';
import { createOpsApp } from './http/ops.ts';
import type { Script } from './http/script.ts';
import { listen } from './http/server.ts';
import { openKeys } from './keys.ts';
import { createLog, type Log } from './log.ts';
import { createConsentChange } from './pipeline/consent-change.ts';
import type { EvidenceParts } from './pipeline/evidence.ts';
import { createIngest } from './pipeline/ingest.ts';
import { type CountryOf, openRegionDatabase } from './region-database.ts';
import { browser } from './sources/browser.ts';
import { readConsentReport } from './sources/consent-report.ts';
import { createIds, systemClock } from './system.ts';
import { createIntakeClient } from './threads.ts';
import { VERSION } from './version.ts';

export interface RunningServer {
  readonly config: Config;
  /** Base addresses, without a slash at the end. */
  readonly urls: { readonly collect: string; readonly ops: string };
  /** Refuses what is new, answers what is under way, lets sends end, closes the store. */
  stop(): Promise<void>;
}

export interface ServerOptions {
  /** `--config`; else the environment, else the packaged default. */
  readonly configFile?: string | undefined;
  /** Called once when the server cannot go on: the process must end. */
  readonly onBroken: (reason: string) => void;
}

const ANSWER_GRACE_MS = 5000;
const STORE_STOP_GRACE_MS = 5000;

/**
 * Starts everything.
 * @throws CannotRun, or ConfigError with every mistake of the configuration
 */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const source = readSource(options.configFile);
  const config = readConfig({ ...source, env: processEnvironment(), destinations });
  const log = createLog({ level: config.log.level });
  const database = databaseFile(config);
  const keys = deriveKeys(openKeys({ file: config.keys.file, databaseExists: existsSync(database) }).master);
  const countryOf = config.region.database === null ? () => null : openRegionDatabase(config.region.database);
  for (const hint of new Set(config.sites.flatMap(({ policy }) => policyHints(policy)))) log.warn(hint);
  warmUp();
  const releases: (() => Promise<void>)[] = [];
  try {
    const thread = await startStoreThread(source, {
      maxWaiting: config.delivery.maxWaitingEvents,
      onBroken: options.onBroken,
    });
    releases.push(() => thread.stop(config.delivery.drainMs));
    const half: HttpHalf = { config, log, keys, thread, countryOf, clock: systemClock, ids: createIds() };
    const urls = await openListeners(half, releases);
    return { config, urls, stop: () => releaseAll(releases, log) };
  } catch (error) {
    await releaseAll(releases, log);
    throw error;
  }
}

async function releaseAll(releases: (() => Promise<void>)[], log: Log): Promise<void> {
  for (const release of releases.splice(0).reverse()) {
    try {
      await release();
    } catch (error) {
      log.error('a part of the server did not close', { error });
    }
  }
}

function readSource(option: string | undefined): { file: string; text: string } {
  const file = locateConfig(option, processEnvironment());
  try {
    return { file, text: readFileSync(file, 'utf8') };
  } catch (cause) {
    throw new CannotRun(`there is no configuration file ${file}: name one by --config FILE`, { cause });
  }
}

interface StoreThread {
  readonly intake: Intake;
  readonly epochKey: KeyObject;
  stop(drainMs: number): Promise<void>;
}

type ThreadMessage =
  | { readonly sluice: 'ready'; readonly epochKey: string }
  | { readonly sluice: 'failed'; readonly message: string }
  | { readonly sluice: 'stopped' | 'broken' };

function isThreadMessage(message: unknown): message is ThreadMessage {
  return typeof message === 'object' && message !== null && 'sluice' in message;
}

function startStoreThread(
  source: { file: string; text: string },
  { maxWaiting, onBroken }: { maxWaiting: number; onBroken: (reason: string) => void },
): Promise<StoreThread> {
  const data: ThreadData = { sluice: 'store thread', ...source };
  // From src/ and from dist/ alike.
  const entry = new URL(import.meta.url.endsWith('.ts') ? './deliver.ts' : './deliver.js', import.meta.url);
  const worker = new Worker(entry, { workerData: data });
  const intake = createIntakeClient(worker, maxWaiting);
  return new Promise((resolve, reject) => {
    let isStopping = false;
    const exited = new Promise<void>((done) => worker.once('exit', () => done()));
    worker.on('error', (error) => (isStopping ? undefined : onBroken(`the store thread failed: ${error.message}`)));
    worker.on('exit', () => (isStopping ? undefined : onBroken('the store thread ended')));
    worker.on('message', (message: unknown) => {
      if (!isThreadMessage(message)) return;
      if (message.sluice === 'ready') {
        const epochKey = createSecretKey(Buffer.from(message.epochKey, 'latin1'));
        resolve({
          intake,
          epochKey,
          stop(drainMs) {
            isStopping = true;
            worker.postMessage({ sluice: 'stop' });
            return endWithin(exited, drainMs + STORE_STOP_GRACE_MS, worker);
          },
        });
      }
      if (message.sluice === 'broken') onBroken('the store thread can no longer be trusted');
      if (message.sluice === 'failed') {
        isStopping = true;
        reject(new CannotRun(message.message));
      }
    });
  });
}

async function endWithin(exited: Promise<void>, ms: number, worker: Worker): Promise<void> {
  const bound = setTimeout(() => void worker.terminate(), ms);
  await exited;
  clearTimeout(bound);
}

interface HttpHalf {
  readonly config: Config;
  readonly log: Log;
  readonly keys: Keys;
  readonly thread: StoreThread;
  readonly countryOf: CountryOf;
  readonly clock: Clock;
  readonly ids: Ids;
}

async function openListeners(half: HttpHalf, releases: (() => Promise<void>)[]): Promise<RunningServer['urls']> {
  const { config, log, thread } = half;
  const metrics = createHttpMetrics(VERSION);
  let isDraining = false;
  const draining = () => isDraining;

  const control = await listenOnSocket(
    createControlApp({ intake: thread.intake, log }),
    controlSocketPath(databaseFile(config)),
  );
  releases.push(() => control.close());
  const opsApp = createOpsApp({ intake: thread.intake, metrics, draining, log });
  const ops = await listen(opsApp, config.listen.ops, config.limits);
  releases.push(() => ops.close(ANSWER_GRACE_MS));
  const collect = await listen(collectApp(half, { metrics, draining }), config.listen.collect, config.limits);
  releases.push(async () => {
    isDraining = true;
    await collect.close(ANSWER_GRACE_MS);
  });
  log.info('listening', { listener: 'collect', host: config.listen.collect.host, port: collect.port });
  log.info('listening', { listener: 'ops', host: config.listen.ops.host, port: ops.port });
  return { collect: urlOf(config.listen.collect.host, collect.port), ops: urlOf(config.listen.ops.host, ops.port) };
}

function urlOf(host: string, port: number): string {
  const reachable =
    host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '[::1]' : host.includes(':') ? `[${host}]` : host;
  return `http://${reachable}:${port}`;
}

function collectApp(
  { config, log, keys, thread, countryOf, clock, ids }: HttpHalf,
  { metrics, draining }: { metrics: HttpMetrics; draining: () => boolean },
) {
  const { intake } = thread;
  const evidence: EvidenceParts = {
    keys,
    epochKey: () => thread.epochKey,
    collectEvidence,
    hintsOf: countryHints,
    countryOf,
  };
  const script = readScript();
  return createCollectApp({
    config,
    source: browser,
    readConsentReport,
    ingest: createIngest({ ...evidence, intake, ids }),
    changeConsent: createConsentChange({ ...evidence, intake }),
    carriersOf,
    script: () => script,
    metrics,
    clock,
    ids,
    draining,
    log,
  });
}

/** The storefront script that the build made; null in a checkout that was not built. */
function readScript(): Script | null {
  const file = new URL('../dist/storefront/sluice.js', import.meta.url);
  if (!existsSync(file)) return null;
  const body = readFileSync(file);
  return { body, etag: `"${createHash('sha256').update(body).digest('base64url').slice(0, 27)}"` };
}
