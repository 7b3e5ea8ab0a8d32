// The real Chromium that tests drive: unpacked once from its npm package, started without any traffic of its own.

import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { inflate } from '@sparticuz/chromium';
import { type Browser, chromium } from 'playwright-core';

// The package's own list turns off web security, and with it the CORS rules that these tests are about.
const ARGS = [
  '--no-sandbox', // tests may run as root
  '--no-zygote',
  '--disable-dev-shm-usage',
  '--disable-gpu',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-domain-reliability',
  '--disable-sync',
  '--no-first-run',
  '--no-pings',
  '--host-resolver-rules=MAP *.example 127.0.0.1, EXCLUDE 127.0.0.1',
];

/**
 * Starts Chromium. Where it cannot start the reason is printed and null returned, so that the tests count as skipped;
 * under CI=true that is an error.
 */
export async function launchBrowser(): Promise<Browser | null> {
  try {
    const folder = await unpackChromium();
    return await chromium.launch({
      executablePath: join(folder, 'chromium'),
      args: ARGS,
      env: { ...process.env, LD_LIBRARY_PATH: libraryPath(folder) },
    });
  } catch (error) {
    if (process.env['CI'] === 'true') throw error;
    process.stderr.write(
      `skipped: Chromium cannot start (${error instanceof Error ? error.message : String(error)})\n`,
    );
    return null;
  }
}

// Libraries of the machine first; the package's own fill in where a slim image has none.
function libraryPath(folder: string): string {
  const own = process.env['LD_LIBRARY_PATH'];
  return [...(own ? [own] : []), '/usr/lib/x86_64-linux-gnu', join(folder, 'al2023', 'lib')].join(':');
}

const PACKAGE = dirname(dirname(createRequire(import.meta.url).resolve('@sparticuz/chromium')));

/** The folder with the unpacked browser. Test files run at once: each unpacks aside, the first to finish puts it in place. */
async function unpackChromium(): Promise<string> {
  const { version }: { version: string } = JSON.parse(readFileSync(join(PACKAGE, 'package.json'), 'utf8'));
  const folder = join(tmpdir(), `sluice-chromium-${version}`);
  if (existsSync(folder)) return folder;
  const aside = mkdtempSync(`${folder}-`);
  await inflateInto(aside);
  try {
    renameSync(aside, folder);
  } catch {
    rmSync(aside, { recursive: true, force: true });
  }
  return folder;
}

// The package unpacks into the system's folder for temporary files and nowhere else.
async function inflateInto(folder: string): Promise<void> {
  const before = process.env['TMPDIR'];
  process.env['TMPDIR'] = folder;
  try {
    const archives = ['chromium.br', 'fonts.tar.br', 'swiftshader.tar.br', 'al2023.tar.br'];
    await Promise.all(archives.map((archive) => inflate(join(PACKAGE, 'bin', archive))));
  } finally {
    if (before === undefined) delete process.env['TMPDIR'];
    else process.env['TMPDIR'] = before;
  }
}
