// P6 on a disk that is really full: nothing is accepted, nothing is sent, and it goes on by itself when there is room.

import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startFakeKlaviyo } from '../../src/demo/fake-klaviyo.ts';
import { startFakeMeta } from '../../src/demo/fake-meta.ts';
import { oneTrustCookie } from '../consent-samples.ts';
import { type FaultServer, faultServer } from './server.ts';

const BLOCK = 4096;
const disk = mountSmallDisk();

/** A file system of 8 MiB, where this machine lets us make one. */
function mountSmallDisk(): string | null {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-disk-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m,mode=0700', 'tmpfs', folder], { stdio: 'pipe' });
    return folder;
  } catch (error) {
    rmdirSync(folder);
    process.stdout.write(
      `skipped: the full disk (mounting a tmpfs needs root: ${error instanceof Error ? error.message.split('\n')[0] : ''})\n`,
    );
    return null;
  }
}

describe.skipIf(disk === null)('a full disk', () => {
  const folder = disk ?? '';
  const ballast = join(folder, 'ballast');
  let meta: Awaited<ReturnType<typeof startFakeMeta>>;
  let klaviyo: Awaited<ReturnType<typeof startFakeKlaviyo>>;
  let server: FaultServer;

  beforeAll(async () => {
    meta = await startFakeMeta({ datasets: { 1234567890: 'EAAtoken' } });
    klaviyo = await startFakeKlaviyo({ meta, key: 'pk_key' });
    server = await faultServer(
      { meta: meta.url, klaviyo: klaviyo.url },
      { store: join(folder, 'sluice.db'), delivery: { minFreeBytes: 0 } },
    );
    await server.start();
  });

  afterAll(async () => {
    await server.end();
    await Promise.all([meta.close(), klaviyo.close()]);
    execFileSync('umount', ['-l', folder], { stdio: 'pipe' });
    rmdirSync(folder);
  });

  test('503 with a code, not ready, nothing sent; then 202 again without a restart', { timeout: 60_000 }, async () => {
    expect((await server.post('/collect', eventOf('before'))).status).toBe(202);
    fill();
    const refusedIds: string[] = [];
    let answer = await server.post('/collect', eventOf('first'));
    // What is left of the file's last pages may still take a few.
    for (let n = 0; answer.status === 202 && n < 2000; n += 1)
      answer = await server.post('/collect', eventOf(randomUUID()));
    expect(answer).toMatchObject({ status: 503, body: { code: 'unavailable' } });
    expect(await server.ready()).toBe(503);
    for (let n = 0; n < 20; n += 1) {
      const id = `refused ${n}`;
      refusedIds.push(id);
      expect((await server.post('/collect', eventOf(id))).status).toBe(503);
    }
    rmSync(ballast);
    await until(async () => (await server.ready()) === 200);
    expect((await server.post('/collect', eventOf('after'))).status).toBe(202);
    await until(async () => klaviyo.acceptedFor('after').length === 1);
    for (const id of refusedIds) expect(meta.attemptsFor(id)).toEqual([]);
    expect((await server.cli('verify-log', '--order')).code).toBe(0);
  });

  function fill(): void {
    const { bavail, bsize } = statfsSync(folder);
    writeFileSync(ballast, Buffer.alloc(bavail * bsize - BLOCK));
    for (let free = statfsSync(folder); free.bavail > 0; free = statfsSync(folder)) {
      writeFileSync(ballast, Buffer.alloc(free.bavail * free.bsize), { flag: 'a' });
    }
  }
});

/** Asks again as soon as there is an answer. */
async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setImmediate(resolve));
}

function eventOf(id: string) {
  return {
    name: 'begin_checkout',
    event_id: id,
    visitor_id: `visitor ${id}`,
    value: 59.9,
    currency: 'EUR',
    user: { email: `${id.replaceAll(' ', '-')}@example.com` },
    consent: oneTrustCookie({ atMs: Date.now() - 3_600_000, groups: { C0001: 1, C0004: 1 } }),
  };
}
