import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import request from 'supertest';
import { describe, expect, it } from 'vitest';
import type { DeadLetter } from '../../src/core/ports.ts';
import { controlSocketPath, createControlApp, listenOnSocket } from '../../src/http/control.ts';
import { recordingIntake } from './shop.ts';

const LETTER: DeadLetter = {
  id: 7,
  site: 'shop',
  destination: 'meta',
  eventId: 'ord-1001',
  eventName: 'purchase',
  acceptedMs: Date.parse('2026-11-24T08:00:00Z'),
  attempts: 12,
  code: 'meta.100.2804003',
};

function open() {
  const intake = recordingIntake();
  intake.letters = [LETTER];
  return { intake, app: createControlApp({ intake, log: { error: () => undefined } }) };
}

const retry = (app: Parameters<typeof request>[0], body: unknown) =>
  request(app).post('/dead-letters/retry').set('Content-Type', 'application/json').send(JSON.stringify(body));

describe('the control door', () => {
  it('lists dead letters', async () => {
    expect((await request(open().app).get('/dead-letters')).body).toEqual({ deadLetters: [LETTER] });
  });

  it.each([[[7, 9], 2] as const, ['all', 1] as const])('queues %j anew', async (ids, queued) => {
    const { app, intake } = open();
    expect((await retry(app, { ids })).body).toEqual({ queued });
    expect(intake.retried).toEqual([ids]);
  });

  it.each([{}, [], { ids: 'some' }, { ids: ['7'] }, { ids: [1.5] }, null])('refuses %j', async (body) => {
    const { app, intake } = open();
    expect((await retry(app, body)).body.code).toBe('event_invalid');
    expect(intake.retried).toEqual([]);
  });

  it('has nothing else', async () => {
    expect((await request(open().app).get('/healthz')).status).toBe(404);
    expect((await request(open().app).get('/dead-letters/retry')).status).toBe(405);
  });
});

describe('the control socket', () => {
  it('is beside the database, or in the temporary folder where that path is too long', () => {
    expect(controlSocketPath('/var/lib/sluice/sluice.db')).toBe('/var/lib/sluice/control.sock');
    const long = controlSocketPath(`/${'x'.repeat(100)}/sluice.db`);
    expect(long.startsWith(join(tmpdir(), 'sluice-'))).toBe(true);
    expect(long).not.toBe(controlSocketPath(`/${'y'.repeat(100)}/sluice.db`));
  });

  it('is the owner\u2019s alone and replaces what a killed process left', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'sluice-control-'));
    const path = join(folder, 'control.sock');
    writeFileSync(path, '');
    const socket = await listenOnSocket(open().app, path);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const status = await new Promise((resolve, reject) => {
      const req = httpRequest({ socketPath: path, path: '/dead-letters', headers: { Host: 'sluice' } }, (res) => {
        res.resume();
        resolve(res.statusCode);
      });
      req.on('error', reject).end();
    });
    expect(status).toBe(200);
    await socket.close();
    rmSync(folder, { recursive: true });
  });
});
