// Reads the Dockerfile without building it: what it promises about users, secrets, signals and the read-only root.

import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { readConfig } from '../src/config.ts';
import { destinations } from '../src/destinations/index.ts';

interface Instruction {
  readonly name: string;
  readonly text: string;
  /** From 0. */
  readonly stage: number;
}

function readInstructions(file: string): readonly Instruction[] {
  const lines = file
    .replace(/^\s*#.*\n/gm, '')
    .replace(/\\\n/g, ' ')
    .split('\n');
  let stage = -1;
  return lines
    .filter((line) => line.trim() !== '')
    .map((line) => {
      const [, name = '', text = ''] = /^([A-Z]+)\s+(.*)$/.exec(line) ?? [];
      if (name === 'FROM') stage++;
      return { name, text: text.replace(/\s+/g, ' ').trim(), stage };
    });
}

const instructions = readInstructions(readFileSync('Dockerfile', 'utf8'));
const LAST = instructions.at(-1)?.stage ?? 0;
const all = (name: string, stage?: number) =>
  instructions.filter((one) => one.name === name && (stage === undefined || one.stage === stage));
const final = (name: string) => all(name, LAST).map(({ text }) => text);
const environment = Object.fromEntries(
  final('ENV').flatMap((text) => text.split(' ').map((pair) => pair.split('=') as [string, string])),
);

describe('the Dockerfile', () => {
  it('builds in one stage and runs in another, on a Node of a fixed line', () => {
    expect(all('FROM').map(({ text }) => text)).toEqual(['node:24-slim AS build', 'node:24-slim']);
  });

  it('installs from the lock file, builds, and leaves the tools behind', () => {
    const steps = all('RUN', 0).map(({ text }) => (JSON.parse(text) as string[]).join(' '));
    expect(steps).toEqual(['npm ci', 'npm run build', 'npm prune --omit=dev']);
    const taken = final('COPY').filter((text) => text.startsWith('--from=build'));
    expect(taken.map((text) => text.split(' ')[1])).toEqual(['/app/package.json', '/app/node_modules', '/app/dist']);
  });

  it('copies only files that exist and that .dockerignore lets in', () => {
    const ignore = readFileSync('.dockerignore', 'utf8').split('\n');
    const copied = all('COPY').filter(({ text }) => !text.startsWith('--from='));
    const files = copied.flatMap(({ text }) => text.split(' ').slice(0, -1));
    expect(files.length).toBeGreaterThan(5);
    for (const path of files) expect([path, existsSync(path), ignore.includes(`!${path}`)]).toEqual([path, true, true]);
    expect(ignore.find((line) => line !== '' && !line.startsWith('#'))).toBe('*');
  });

  it('does not run as root, and says so by number', () => {
    expect(final('USER')).toEqual(['10001:10001']);
    const order = instructions.filter(({ stage }) => stage === LAST).map(({ name }) => name);
    expect(order.indexOf('USER')).toBeLessThan(order.indexOf('CMD'));
    expect(order.lastIndexOf('RUN')).toBeLessThan(order.indexOf('USER'));
  });

  it('writes to /data alone, which belongs to that user', () => {
    expect(final('VOLUME')).toEqual(['["/data"]']);
    expect(final('RUN').map((text) => JSON.parse(text))).toEqual([
      ['install', '-d', '-o', '10001', '-g', '10001', '-m', '0700', '/data'],
    ]);
    expect(environment['SQLITE_TMPDIR']).toBe('/data');
  });

  it('knows no secret at build time', () => {
    expect(all('ARG')).toEqual([]);
    expect(all('ADD')).toEqual([]);
    expect(Object.keys(environment).filter((name) => /TOKEN|SECRET|PASSWORD|PRIVATE/.test(name))).toEqual([]);
  });

  it('starts the server without a shell, so that it hears SIGTERM', () => {
    expect(JSON.parse(final('CMD')[0] ?? '')).toEqual(['node', 'dist/cli.js', 'serve']);
    expect(final('ENTRYPOINT')).toEqual([]);
    expect(final('STOPSIGNAL')).toEqual(['SIGTERM']);
  });

  it('asks for its health by Node itself, at the ops listener', () => {
    const [, command = ''] = /CMD (\[.*\])$/.exec(final('HEALTHCHECK')[0] ?? '') ?? [];
    const [node, flag, script] = JSON.parse(command) as string[];
    expect([node, flag]).toEqual(['node', '-e']);
    expect(script).toContain('http://127.0.0.1:9090/healthz');
  });

  it('sets variables that the configuration understands, and what they say holds', () => {
    const text = readFileSync('config/default.yaml', 'utf8');
    const config = readConfig({ file: 'config/default.yaml', text, env: environment, destinations });
    expect(config.store.url).toBe('sqlite:/data/sluice.db');
    expect(config.keys.file).toBe('/data/keys.json');
    const { collect, console, ops } = config.listen;
    expect([collect.host, console.host, ops.host]).toEqual(['0.0.0.0', '0.0.0.0', '0.0.0.0']);
    expect(final('EXPOSE')).toEqual([[collect.port, console.port, ops.port].join(' ')]);
  });
});
