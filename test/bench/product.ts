// The product under test: the built `serve` with a configuration and a data folder of its own, looked at from outside.

import type { ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { type Core, end, ended, startNode } from './child.ts';
import { monotonicMs } from './task.ts';
import { SITES } from './traffic.ts';

export interface Place {
  /** Holds dist/ and config/. */
  readonly root: string;
  /** Data folders are made below it. */
  readonly base: string;
  /** CPU profiles of the product's threads go there. */
  readonly profiles: string | null;
}

export interface ProductSettings {
  readonly meta: string;
  readonly klaviyo: string;
  /** Keys of `delivery:` that differ from the defaults. */
  readonly delivery: Readonly<Record<string, unknown>>;
  /** How long Klaviyo waits for Meta. */
  readonly maxWaitMs: number;
}

/** A data folder with a configuration file in it. */
export interface Setup {
  readonly folder: string;
  readonly configFile: string;
  readonly databaseFile: string;
  readonly env: NodeJS.ProcessEnv;
  remove(): void;
}

/** What `${env:…}` of the configuration stands for; no other variable reaches the product but PATH. */
const SECRETS = {
  META_ACCESS_TOKEN: 'bench-meta-token',
  ...Object.fromEntries(SITES.map(({ id }, i) => [klaviyoKeyName(i), `pk_bench_${id}`])),
};

// A key of its own for each shop: the pace is the account's.
function klaviyoKeyName(number: number): string {
  return `KLAVIYO_PRIVATE_KEY_${number}`;
}

/** Makes a data folder; ports are the system's choice. */
export function createSetup(place: Place, settings: ProductSettings): Setup {
  mkdirSync(place.base, { recursive: true });
  const folder = mkdtempSync(join(place.base, 'data-'));
  const configFile = join(folder, 'sluice.yaml');
  const databaseFile = join(folder, 'sluice.db');
  // JSON is YAML.
  writeFileSync(configFile, JSON.stringify(configOf(folder, databaseFile, settings), null, 2));
  const env = { PATH: process.env['PATH'], ...SECRETS };
  return { folder, configFile, databaseFile, env, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

function configOf(folder: string, databaseFile: string, settings: ProductSettings): object {
  const own = { host: '127.0.0.1', port: 0 };
  return {
    listen: { collect: own, console: own, ops: own, trustedProxies: ['127.0.0.1/32'] },
    region: { header: 'CF-IPCountry' },
    store: { url: `sqlite:${databaseFile}` },
    keys: { file: join(folder, 'keys.json') },
    limits: { ratePerClientPerMinute: 1_000_000_000 },
    delivery: settings.delivery,
    sites: SITES.map(({ id, origin }, i) => ({
      id,
      origins: [origin],
      meta: { datasetId: String(1_234_567_890 + i), accessToken: `\${env:META_ACCESS_TOKEN}`, baseUrl: settings.meta },
      klaviyo: {
        privateKey: `\${env:${klaviyoKeyName(i)}}`,
        baseUrl: settings.klaviyo,
        maxWaitMs: settings.maxWaitMs,
      },
    })),
  };
}

export type ReadMetric = (name: string, labels?: Readonly<Record<string, string>>) => number;

export interface Product {
  readonly pid: number;
  readonly port: number;
  /** From the start of the process to the first 200 of /readyz. */
  readonly readyMs: number;
  /** Reads all metrics once: the result gives the sum of one over the series whose labels match. */
  metrics(): Promise<ReadMetric>;
  stop(): Promise<void>;
}

const READY_LIMIT_MS = 60_000;
const STOP_GRACE_MS = 30_000;
const POLL_MS = 5;

/** Starts the product and waits until it is ready. @throws Error when it ends, or is not ready within a minute */
export async function startProduct(place: Place, setup: Setup, core: Core): Promise<Product> {
  const profile = place.profiles === null ? [] : ['--cpu-prof', `--cpu-prof-dir=${place.profiles}`];
  const startMs = monotonicMs();
  const args = [...profile, join(place.root, 'dist/cli.js'), 'serve', '--config', setup.configFile];
  const child = startNode(args, { core, cwd: setup.folder, env: setup.env });
  const ports = await portsOf(child);
  const ops = `http://127.0.0.1:${ports.ops}`;
  while (!(await isReady(ops))) {
    if (child.exitCode !== null || monotonicMs() - startMs > READY_LIMIT_MS)
      throw new Error('the product is not ready');
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  return {
    pid: child.pid ?? 0,
    port: ports.collect,
    readyMs: monotonicMs() - startMs,
    async metrics() {
      const text = await readText(`${ops}/metrics`);
      return (name, labels = {}) => sumOf(text, name, labels);
    },
    stop: () => end(child, STOP_GRACE_MS),
  };
}

async function isReady(ops: string): Promise<boolean> {
  const answer = await fetch(`${ops}/readyz`);
  await answer.arrayBuffer();
  return answer.status === 200;
}

async function readText(url: string): Promise<string> {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`${url} answered ${answer.status}`);
  return answer.text();
}

/** The ports that the product's log names. */
async function portsOf(child: ChildProcess): Promise<{ readonly collect: number; readonly ops: number }> {
  const ports = new Map<string, number>();
  const found = new Promise<void>((resolve) => {
    let rest = '';
    child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) noteListener(line, ports);
      if (ports.has('collect') && ports.has('ops')) resolve();
    });
  });
  let bound: NodeJS.Timeout | null = null;
  const late = new Promise<void>((resolve) => {
    bound = setTimeout(resolve, READY_LIMIT_MS);
  });
  await Promise.race([found, ended(child), late]);
  if (bound !== null) clearTimeout(bound);
  const [collect, ops] = [ports.get('collect'), ports.get('ops')];
  if (collect === undefined || ops === undefined) throw new Error('the product did not start');
  return { collect, ops };
}

function noteListener(line: string, ports: Map<string, number>): void {
  if (!line.includes('"message":"listening"')) {
    // What the product calls an error belongs to the run.
    if (line.includes('"level":"error"')) process.stderr.write(`product: ${line}\n`);
    return;
  }
  const { listener, port }: { listener: unknown; port: unknown } = JSON.parse(line);
  ports.set(String(listener), Number(port));
}

function sumOf(text: string, name: string, labels: Readonly<Record<string, string>>): number {
  const wanted = Object.entries(labels).map(([key, value]) => `${key}="${value}"`);
  let sum = 0;
  for (const line of text.split('\n')) {
    const [, series = '', inner = '', value = '0'] = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
    if (series === name && wanted.every((label) => inner.includes(label))) sum += Number(value);
  }
  return sum;
}

/** Events with a decision in the log: what must equal the events that were acknowledged. */
export function storedEvents(setup: Setup): number {
  const db = new Database(setup.databaseFile, { readonly: true, fileMustExist: true });
  try {
    return Number(db.prepare('SELECT count(DISTINCT event_seq) FROM log_entry WHERE kind = 1').pluck().get());
  } finally {
    db.close();
  }
}
