// The built server as a child process: started, spoken to, killed without warning, started again on the same folder.

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
export const ORIGIN = 'https://shop.example';

export interface Answer {
  readonly status: number;
  readonly body: unknown;
}

export interface ServerChange {
  readonly store?: string;
  readonly delivery?: Readonly<Record<string, unknown>>;
}

export interface FaultServer {
  readonly folder: string;
  start(): Promise<void>;
  /** SIGKILL; resolves when the process is gone. */
  kill(): Promise<void>;
  /** SIGTERM; resolves with the exit code. */
  stop(): Promise<number | null>;
  post(path: string, body: unknown): Promise<Answer>;
  ready(): Promise<number>;
  metric(name: string, labels?: string): Promise<number>;
  cli(...args: string[]): Promise<{ code: number | null; stdout: string; stderr: string }>;
  end(): Promise<void>;
}

/** Prepares a server between two upstreams; nothing runs before `start`. */
export async function faultServer(
  upstreams: { meta: string; klaviyo: string },
  change: ServerChange = {},
): Promise<FaultServer> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-fault-'));
  const [collect, ops, unused] = await freePorts(3);
  const file = join(folder, 'sluice.yaml');
  writeFileSync(join(folder, 'token'), 'EAAtoken', { mode: 0o600 });
  writeFileSync(join(folder, 'key'), 'pk_key', { mode: 0o600 });
  writeFileSync(file, JSON.stringify(configOf({ folder, collect, ops, unused, upstreams, change })));
  let child: ChildProcess | null = null;

  const server: FaultServer = {
    folder,
    async start() {
      const own = spawn(process.execPath, [join(ROOT, 'dist/cli.js'), 'serve', '--config', file], {
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      child = own;
      let output = '';
      own.stdout.on('data', (chunk) => (output += chunk));
      own.stderr.on('data', (chunk) => (output += chunk));
      // Each listener says one line; the ops listener's is the last.
      await new Promise<void>((resolve, reject) => {
        own.stdout.on('data', () => output.includes('"listener":"ops"') && resolve());
        own.once('exit', (code) => reject(new Error(`the server ended with ${code}: ${output}`)));
      });
    },
    async kill() {
      await endOf(child, 'SIGKILL');
      child = null;
    },
    async stop() {
      const code = await endOf(child, 'SIGTERM');
      child = null;
      return code;
    },
    async post(path, body) {
      const response = await fetch(`http://127.0.0.1:${collect}${path}`, {
        method: 'POST',
        headers: {
          'content-type': 'text/plain',
          origin: ORIGIN,
          'user-agent': 'Mozilla/5.0 (X11; Linux x86_64) Firefox/145.0',
        },
        body: JSON.stringify(body),
      });
      return { status: response.status, body: await response.json() };
    },
    ready: async () => (await fetch(`http://127.0.0.1:${ops}/readyz`)).status,
    async metric(name, labels = '') {
      const text = await (await fetch(`http://127.0.0.1:${ops}/metrics`)).text();
      const lines = text.split('\n').filter((line) => line.startsWith(name) && line.includes(labels));
      return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
    },
    cli: (...args) => run([join(ROOT, 'dist/cli.js'), ...args, '--config', file]),
    async end() {
      await server.kill();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  return server;
}

interface Parts {
  readonly folder: string;
  readonly collect: number | undefined;
  readonly ops: number | undefined;
  readonly unused: number | undefined;
  readonly upstreams: { meta: string; klaviyo: string };
  readonly change: ServerChange;
}

function configOf({ folder, collect, ops, unused, upstreams, change }: Parts) {
  return {
    listen: {
      collect: { host: '127.0.0.1', port: collect },
      ops: { host: '127.0.0.1', port: ops },
      console: { host: '127.0.0.1', port: unused },
    },
    store: { url: `sqlite:${change.store ?? join(folder, 'sluice.db')}` },
    keys: { file: join(folder, 'keys.json') },
    limits: { ratePerClientPerMinute: 1_000_000 },
    delivery: { retryScheduleMs: [50, 100, 200], ...change.delivery },
    sites: [
      {
        id: 'shop',
        origins: [ORIGIN],
        cookieDomain: 'shop.example',
        meta: { datasetId: '1234567890', accessToken: `\${file:${folder}/token}`, baseUrl: upstreams.meta },
        klaviyo: {
          privateKey: `\${file:${folder}/key}`,
          baseUrl: upstreams.klaviyo,
          events: { begin_checkout: 'started_checkout_ready', purchase: 'post_purchase_ready' },
        },
      },
    ],
  };
}

function endOf(child: ChildProcess | null, signal: NodeJS.Signals): Promise<number | null> {
  if (child === null || child.exitCode !== null) return Promise.resolve(child?.exitCode ?? null);
  return new Promise((resolve) => {
    child.removeAllListeners('exit');
    child.once('exit', (code) => resolve(code));
    child.kill(signal);
  });
}

function run(args: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args);
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk) => (stdout += chunk));
    child.stderr.on('data', (chunk) => (stderr += chunk));
    child.once('close', (code) => resolve({ code, stdout, stderr }));
  });
}

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  await Promise.all(
    servers.map((server) => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()))),
  );
  const ports = servers.map((server) => {
    const address = server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  });
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
