import request from 'supertest';
import { describe, expect, it } from 'vitest';
import { Problem } from '../../src/core/errors.ts';
import { DROP, EVENT, expectProblem, NOW_MS, ORIGIN, openShop, post } from './shop.ts';

describe('POST /collect', () => {
  it('answers what became of an event', async () => {
    const shop = openShop();
    const res = await post(shop, EVENT);
    expect(res.status).toBe(202);
    expect(res.body).toEqual({
      accepted: 1,
      events: [
        {
          event_id: 'e-1',
          meta: 'permit',
          klaviyo: 'permit',
          reasons: { meta: 'consent.granted', klaviyo: 'consent.granted' },
        },
      ],
      rejected: [],
    });
    expect(shop.intake.candidates[0]).toMatchObject({
      site: 'shop',
      source: 'browser',
      trust: 'browser',
      receivedMs: NOW_MS,
    });
  });

  it('marks a duplicate', async () => {
    const shop = openShop();
    shop.intake.accepts = () => ({ duplicate: true, verdicts: DROP });
    expect((await post(shop, EVENT)).body.events[0]).toMatchObject({ duplicate: true, meta: 'drop' });
  });

  it('takes the good events of a batch and names the bad ones', async () => {
    const shop = openShop();
    const res = await post(shop, { events: [EVENT, { name: 7 }, { ...EVENT, event_id: 'e-2' }] });
    expect(res.status).toBe(202);
    expect(res.body.accepted).toBe(2);
    expect(res.body.events.map((one: { event_id: string }) => one.event_id)).toEqual(['e-1', 'e-2']);
    expect(res.body.rejected).toEqual([{ index: 1, code: 'event_invalid', message: expect.any(String) }]);
  });

  it.each([
    ['nothing valid', { events: [{ name: 7 }] }, 'event_invalid'],
    ['no event', { events: [] }, 'event_invalid'],
    ['an unknown key', { ...EVENT, curency: 'EUR' }, 'event_invalid'],
    ['too many events', { events: Array(51).fill(EVENT) }, 'too_many_events'],
    ['broken JSON', '{"name":', 'invalid_json'],
    ['no body', '', 'invalid_json'],
    ['an escaped NUL', '{"name":"x","event_id":"a\\u0000"}', 'invalid_json'],
    ['a number beyond a double', '{"name":"x","value":1e400}', 'event_invalid'],
    ['NaN', '{"name":"x","value":NaN}', 'invalid_json'],
    ['30,000 levels', '['.repeat(30_000) + ']'.repeat(30_000), 'event_invalid'],
    ['3,000 levels', `{"name":"x","properties":${'{"a":'.repeat(3000)}1${'}'.repeat(3000)}}`, 'event_invalid'],
    ['a polluting key', '{"name":"x","properties":{"__proto__":{"a":1}}}', 'event_invalid'],
  ])('refuses %s', async (_, body, code) => {
    const shop = openShop();
    expectProblem(await post(shop, body), 400, code);
    expect(shop.intake.candidates).toEqual([]);
    expect(shop.logged).toEqual([]);
  });

  it('takes a backslash before u0000 for text', async () => {
    expect((await post(openShop(), '{"name":"x","coupon":"a\\\\u0000"}')).status).toBe(202);
  });

  it('of duplicate keys counts the last', async () => {
    const shop = openShop();
    const res = await post(shop, '{"name":"a","event_id":"first","event_id":"last"}');
    expect(res.body.events[0].event_id).toBe('last');
  });

  it.each([
    ['a lone continuation byte', [0x41, 0x80]],
    ['an overlong slash', [0xc0, 0xaf]],
    ['a surrogate', [0xed, 0xa0, 0x80]],
    ['a raw NUL', [0x00]],
    ['Latin-1', [0xe9, 0x41]],
  ])('refuses a text with %s', async (_, bytes) => {
    const shop = openShop();
    const body = Buffer.concat([Buffer.from('{"name":"x","coupon":"'), Buffer.from(bytes), Buffer.from('"}')]);
    const req = request(shop.app).post('/collect').set({ Origin: ORIGIN, 'Content-Type': 'text/plain' });
    expectProblem(await req.send(body), 400, 'invalid_json');
  });

  it('refuses a byte order mark', async () => {
    expectProblem(await post(openShop(), `\ufeff${JSON.stringify(EVENT)}`), 400, 'invalid_json');
  });

  it('answers 503 with Retry-After when the store accepts nothing', async () => {
    const shop = openShop();
    shop.intake.accepts = () => {
      throw new Problem('unavailable', 'the disk is full');
    };
    const res = await post(shop, EVENT);
    expectProblem(res, 503, 'unavailable');
    expect(Number(res.headers['retry-after'])).toBeGreaterThan(0);
    expect(res.headers['access-control-allow-origin']).toBe(ORIGIN);
  });

  it('logs an unexpected error once and says nothing of it', async () => {
    const shop = openShop();
    shop.intake.accepts = () => {
      throw new Error('jane@example.com');
    };
    const res = await post(shop, EVENT);
    expectProblem(res, 500, 'internal');
    expect(res.text).not.toContain('jane');
    expect(shop.logged).toHaveLength(1);
  });

  it('while stopping answers 503 and ends the connection', async () => {
    const shop = openShop({ draining: () => true });
    for (const path of ['/collect', '/consent']) {
      const res = await post(shop, EVENT, {}, path);
      expectProblem(res, 503, 'unavailable');
      expect(res.headers['retry-after']).toBe('5');
      expect(res.headers['connection']).toBe('close');
    }
    expect((await request(shop.app).get('/healthz')).status).toBe(200);
  });
});

describe('the body', () => {
  const padded = (bytes: number) => {
    const text = JSON.stringify(EVENT);
    return text.slice(0, -1) + ' '.repeat(bytes - text.length) + text.slice(-1);
  };

  it('may have exactly the limit', async () => {
    const shop = openShop({ limits: { bodyBytes: 2048 } });
    expect((await post(shop, padded(2048))).status).toBe(202);
    expectProblem(await post(shop, padded(2049)), 413, 'body_too_large');
    expectProblem(await post(shop, padded(2049), {}, '/consent'), 413, 'body_too_large');
  });

  it.each([
    'application/json',
    'application/json; charset=utf-8',
    'text/plain',
    'text/plain;charset=UTF-8',
    'TEXT/PLAIN',
  ])('may be %s', async (type) => {
    expect((await post(openShop(), EVENT, { 'Content-Type': type })).status).toBe(202);
  });

  it.each([
    'multipart/form-data; boundary=x',
    'text/plain2',
    'text/html',
    'application/x-www-form-urlencoded',
    'garbage',
  ])('may not be %s', async (type) => {
    expectProblem(await post(openShop(), EVENT, { 'Content-Type': type }), 415, 'unsupported_media_type');
  });

  it.each(['gzip', 'br', 'compress', 'gzip, gzip', 'x-custom'])('may not be encoded as %s', async (encoding) => {
    const res = await post(openShop(), EVENT, { 'Content-Encoding': encoding });
    expectProblem(res, 415, 'unsupported_media_type');
  });
});
