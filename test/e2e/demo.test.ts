import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Browser } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { launchBrowser } from '../browser.ts';

const CLI = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));

// A headless browser says that it is one, and is dropped as the robot that it is.
const USER_AGENT =
  'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36';

interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<number | null>;
  /** Where it makes its temporary folder. */
  readonly folder: string;
  stdout: string;
  stderr: string;
}

const started: Running[] = [];
afterEach(async () => {
  for (const { child, ended, folder } of started.splice(0)) {
    child.kill('SIGINT');
    await ended;
    rmSync(folder, { recursive: true, force: true });
  }
});

/** `sluice demo`, its environment free of settings that would reach the server. */
function demo(...options: readonly string[]): Running {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-e2e-'));
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('SLUICE_')));
  const child = spawn(process.execPath, [CLI, 'demo', ...options], {
    env: { ...env, TMPDIR: folder },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const running: Running = {
    child,
    ended: new Promise((resolve) => child.once('close', resolve)),
    folder,
    stdout: '',
    stderr: '',
  };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    running.stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    running.stderr += text;
  });
  started.push(running);
  return running;
}

describe('sluice demo --once', () => {
  test('ends with exit 0 and a table in which Meta comes before Klaviyo', async () => {
    const run = demo('--once');
    expect(await run.ended, run.stderr + run.stdout).toBe(0);
    const sent = [...run.stdout.matchAll(/meta \+(\d+) ms (?:\S.*)?→ klaviyo \+(\d+) ms \(sent\)/g)];
    expect(sent.length).toBeGreaterThanOrEqual(3);
    for (const [, meta, klaviyo] of sent) expect(Number(klaviyo)).toBeGreaterThanOrEqual(Number(meta));
    expect(run.stdout).toMatch(/klaviyo \+1[5-9]\d\d ms \(deferred\)\n +→ meta \+\d+ ms\n/);
    expect(run.stdout).toContain('the log is whole');
    expect(run.stdout).not.toContain('\u001b');
    expect(readdirSync(run.folder)).toEqual([]);
  });

  test('prints the rows as JSON, and nothing else on stdout', async () => {
    const run = demo('--once', '--json');
    expect(await run.ended, run.stderr).toBe(0);
    const result = JSON.parse(run.stdout);
    expect(result).toMatchObject({ ok: true, broken_promises: [], verify_log: { findings: [], open: 0 } });
    expect(result.rows).toHaveLength(11);
    expect(result.rows[0]).toMatchObject({ visitor: 'Lena', country: 'DE', region: 'regulated' });
  });

  test('leaves nothing behind when it is interrupted, and says that it was', async () => {
    const run = demo();
    await until(() => run.stderr.includes('buys a mug'));
    expect(readdirSync(run.folder)).toEqual([expect.stringMatching(/^sluice-demo-/)]);
    run.child.kill('SIGINT');
    expect(await run.ended).toBe(1);
    expect(run.stderr).toContain('interrupted before its checks had ended');
    expect(readdirSync(run.folder)).toEqual([]);
  });
});

describe('the shop page of sluice demo', () => {
  let browser: Browser | null = null;
  beforeAll(async () => {
    browser = await launchBrowser();
  });
  afterAll(() => browser?.close());

  test('sends nothing before the banner is answered, and what was bought after it was accepted', async (context) => {
    if (browser === null) return context.skip();
    const run = demo();
    await until(() => run.stdout.includes('its log'));
    const shop = addressOf(run, 'shop page');
    const page = await browser.newPage({ userAgent: USER_AGENT });
    const mistakes: string[] = [];
    page.on('pageerror', (error) => mistakes.push(error.message));
    page.on('console', (line) => (line.type() === 'error' ? mistakes.push(line.text()) : undefined));
    await page.goto(shop);
    const newest = page.locator('#activity li').first();

    await page.getByRole('button', { name: 'Buy' }).click();
    await newest.getByText('meta: drop, consent.absent').waitFor();

    await page.getByRole('button', { name: 'Accept all' }).click();
    await page.getByRole('button', { name: 'Buy' }).click();
    await newest.getByText(/left: meta \+\d+ ms → klaviyo \+\d+ ms \(sent\)/).waitFor();

    await page.getByRole('button', { name: 'Reject all' }).click();
    await page.getByRole('button', { name: 'Buy' }).click();
    await newest.getByText('meta: drop, storage.denied').waitFor();
    expect(await newest.textContent()).toContain('left: nothing');
    expect(mistakes).toEqual([]);
    await page.close();

    run.child.kill('SIGINT');
    expect(await run.ended, run.stderr).toBe(0);
    expect(readdirSync(run.folder)).toEqual([]);
  });
});

function addressOf({ stdout }: Running, name: string): string {
  return new RegExp(`${name} +(\\S+)`).exec(stdout)?.[1] ?? '';
}

async function until(isTrue: () => boolean): Promise<void> {
  await expect.poll(isTrue, { timeout: 15_000, interval: 50 }).toBe(true);
}
