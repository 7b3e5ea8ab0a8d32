import request from 'supertest';
import { describe, expect, it } from 'vitest';
import { createOpsApp } from '../../src/http/ops.ts';
import { ORIGIN, openShop } from './shop.ts';

const { app } = openShop();

describe('the public listener', () => {
  it.each([
    'GET /',
    'GET /metrics',
    'GET /readyz',
    'GET /admin',
    'GET /.env',
    'GET /.git/config',
    'GET /.well-known/sluice/checkpoint',
    'GET /g/collect',
    'POST /g/collect',
    'POST /data',
    'POST /webhooks/shopify/shop',
    'POST /pixel/shopify/shop',
    'POST //collect',
    'POST /collect/',
    'POST /COLLECT',
    'POST /collect;x',
    'POST /collect%2f',
    'POST /%63ollect',
    'POST /collect.json',
    'POST /collect%00',
    'POST /consent/x',
    'GET /sluice.js.map',
    'GET /healthz/',
  ])('has nothing at %s', async (line) => {
    const [method, path = ''] = line.split(' ');
    const res = await (method === 'GET' ? request(app).get(path) : request(app).post(path)).set('Origin', ORIGIN);
    expect([res.status, res.body.code]).toEqual([404, 'not_found']);
    expect(res.headers['content-type']).toBe('application/problem+json');
  });

  it.each([
    ['get', '/collect', 'POST, OPTIONS'],
    ['put', '/collect', 'POST, OPTIONS'],
    ['delete', '/consent', 'POST, OPTIONS'],
    ['patch', '/collect', 'POST, OPTIONS'],
    ['trace', '/collect', 'POST, OPTIONS'],
    ['propfind', '/collect', 'POST, OPTIONS'],
    ['post', '/healthz', 'GET, HEAD'],
    ['post', '/sluice.js', 'GET, HEAD'],
  ] as const)('knows no %s %s', async (method, path, allow) => {
    const res = await request(app)[method](path).set('Origin', ORIGIN);
    expect([res.status, res.body.code, res.headers['allow']]).toEqual([405, 'method_not_allowed', allow]);
  });

  it('is alive in the same few bytes', async () => {
    const [one, two] = await Promise.all([request(app).get('/healthz'), request(app).get('/healthz')]);
    expect(one.status).toBe(200);
    expect(one.text).toBe(two.text);
    expect(one.text.length).toBeLessThan(100);
  });

  it('says nothing of itself and lets nothing be kept', async () => {
    for (const res of [await request(app).get('/healthz'), await request(app).get('/nothing')]) {
      expect(res.headers['x-powered-by']).toBeUndefined();
      expect(res.headers['etag']).toBeUndefined();
      expect(res.headers['cache-control']).toBe('no-store');
      expect(res.headers['x-content-type-options']).toBe('nosniff');
      expect(res.headers['cross-origin-resource-policy']).toBe('cross-origin');
    }
  });

  it('takes configured paths literally', async () => {
    const shop = openShop();
    expect((await request(shop.app).post('/collect?site[__proto__]=x&%').set('Origin', ORIGIN)).status).toBe(415);
  });
});

describe('the storefront script', () => {
  it('is cacheable by a strong ETag', async () => {
    const res = await request(app).get('/sluice.js');
    expect(res.status).toBe(200);
    expect(res.text).toBe('/* sluice */');
    expect(res.headers['content-type']).toBe('text/javascript; charset=utf-8');
    expect(res.headers['cache-control']).toMatch(/^public, max-age=3600, stale-while-revalidate=/);
    expect(res.headers['etag']).toBe('"abc123"');
  });

  it.each(['"abc123"', 'W/"abc123"', '"old", "abc123"', '*'])('is not sent again to who has %s', async (etag) => {
    const res = await request(app).get('/sluice.js').set('If-None-Match', etag);
    expect([res.status, res.text, res.headers['etag']]).toEqual([304, '', '"abc123"']);
  });

  it('is sent to who has another', async () => {
    expect((await request(app).get('/sluice.js').set('If-None-Match', '"old"')).status).toBe(200);
  });

  it('is not there where it was not built', async () => {
    expect((await request(openShop({ script: () => null }).app).get('/sluice.js')).status).toBe(404);
  });
});

describe('the ops listener', () => {
  const open = (draining = false) => {
    const shop = openShop();
    const { metrics, intake } = shop;
    return {
      ...shop,
      ops: createOpsApp({ intake, metrics, draining: () => draining, log: { error: () => undefined } }),
    };
  };

  it('is ready while the store is', async () => {
    const { ops, intake } = open();
    expect((await request(ops).get('/readyz')).status).toBe(200);
    intake.ready = { ready: false, why: 'the disk is full' };
    const res = await request(ops).get('/readyz');
    expect([res.status, res.body.detail]).toEqual([503, 'the disk is full']);
    expect(res.headers['retry-after']).toBeTruthy();
  });

  it('is not ready while stopping, and alive', async () => {
    const { ops } = open(true);
    expect((await request(ops).get('/readyz')).status).toBe(503);
    expect((await request(ops).get('/healthz')).status).toBe(200);
  });

  it('shows both halves\u2019 metrics', async () => {
    const { ops, app: collect } = open();
    await request(collect)
      .post('/collect')
      .set({ Origin: ORIGIN, 'Content-Type': 'text/plain' })
      .send('{"events":[{"name":"x"},{"name":7}]}');
    await request(collect).get('/.env?mail=jane@example.com');
    const { text, headers } = await request(ops).get('/metrics');
    expect(headers['content-type']).toMatch(/^text\/plain/);
    for (const line of [
      'sluice_events_received_total{site="shop",source="browser"} 2',
      'sluice_events_rejected_total{code="event_invalid"} 1',
      'sluice_decisions_total{site="shop",destination="meta",verdict="permit",reason="consent.granted"} 1',
      'sluice_http_requests_total{route="collect",code="202"} 1',
      'sluice_http_requests_total{route="other",code="404"} 1',
      `sluice_build_info{version="0.0.0-test",node="${process.version}"} 1`,
      'sluice_log_seq 7',
    ]) {
      expect(text.split('\n')).toContain(line);
    }
    expect(text).toContain('process_cpu_seconds_total');
    expect(text).not.toContain('jane');
  });

  it.each(['/collect', '/consent', '/sluice.js', '/'])('has nothing at %s', async (path) => {
    expect((await request(open().ops).get(path)).status).toBe(404);
  });

  it('knows GET alone', async () => {
    expect((await request(open().ops).post('/metrics')).status).toBe(405);
  });
});
