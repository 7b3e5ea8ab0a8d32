import request from 'supertest';
import { describe, expect, it } from 'vitest';
import { Secret } from '../../src/core/settings.ts';
import { EVENT, expectProblem, ORIGIN, openShop, post, type Shop, TOKEN } from './shop.ts';

describe('the site', () => {
  it.each([
    'https://shop.example.evil.test',
    'https://evilshop.example',
    'http://shop.example',
    'https://shop.example:8443',
    'https://shop.example/',
    'https://SHOP.example',
    'https://shop.example.',
    'https://shop.example, https://shop.example',
    'null',
    '',
  ])('is not found by the Origin %j', async (origin) => {
    const shop = openShop();
    const res = await post(shop, EVENT, { Origin: origin });
    expectProblem(res, 403, 'origin_not_allowed');
    expect(res.headers['access-control-allow-origin']).toBeUndefined();
    expect(shop.intake.candidates).toEqual([]);
  });

  it('is not found without Origin and token', async () => {
    const res = await request(openShop().app).post('/collect').set('Content-Type', 'text/plain').send('{}');
    expectProblem(res, 403, 'origin_not_allowed');
  });

  it('is found by a server\u2019s token, whose cookies and headers are its own', async () => {
    const shop = openShop();
    const res = await request(shop.app)
      .post('/collect')
      .set({ Authorization: `Bearer ${TOKEN}`, 'Content-Type': 'application/json' })
      .set({ 'CF-IPCountry': 'US', 'Sec-GPC': '1', Cookie: '_slc=v-9; usprivacy=1YYN' })
      .send(JSON.stringify({ name: 'purchase', country: 'JP' }));
    expect(res.status).toBe(202);
    expect(res.headers['set-cookie']).toBeUndefined();
    expect(shop.intake.candidates[0]).toMatchObject({
      trust: 'server',
      region: { country: 'JP', basis: 'server_token' },
      evidence: '[]',
      visitorRefs: [],
    });
  });

  it.each(['Bearer wrong', 'Bearer', 'bearer  ', `Bearer ${TOKEN} x`, `Bearer ${TOKEN}x`])(
    'is refused for the token %j',
    async (authorization) => {
      const res = await post(openShop(), EVENT, { Authorization: authorization });
      expectProblem(res, 401, 'token_invalid');
      expect(res.headers['www-authenticate']).toBe('Bearer');
    },
  );

  it('takes each of several tokens, the scheme in any case', async () => {
    const shop = openShop({ site: { serverTokens: [new Secret('old-1'), new Secret('new-2')] } });
    for (const token of ['old-1', 'new-2']) {
      expect((await post(shop, EVENT, { Authorization: `bearer ${token}` })).status).toBe(202);
    }
  });

  it('leaves another scheme to the Origin: staging shops have passwords', async () => {
    expect((await post(openShop(), EVENT, { Authorization: 'Basic abc' })).status).toBe(202);
  });
});

describe('CORS', () => {
  it('echoes the listed Origin on answers and problems', async () => {
    for (const body of [EVENT, { name: 7 }]) {
      const { headers } = await post(openShop(), body, { Origin: 'https://www.shop.example' });
      expect(headers['access-control-allow-origin']).toBe('https://www.shop.example');
      expect(headers['access-control-allow-credentials']).toBe('true');
      expect(headers['vary']).toMatch(/origin/i);
    }
  });

  it('answers a preflight', async () => {
    const res = await request(openShop().app)
      .options('/collect')
      .set({ Origin: ORIGIN, 'Access-Control-Request-Method': 'POST', 'Access-Control-Request-Headers': 'x-evil' });
    expect(res.status).toBe(204);
    expect(res.headers).toMatchObject({
      'access-control-allow-origin': ORIGIN,
      'access-control-allow-credentials': 'true',
      'access-control-allow-methods': 'POST',
      'access-control-allow-headers': 'content-type',
    });
  });

  it.each(['https://evil.test', 'null'])('refuses the preflight of %s', async (origin) => {
    const res = await request(openShop().app).options('/consent').set('Origin', origin);
    expectProblem(res, 403, 'origin_not_allowed');
    expect(res.headers['access-control-allow-origin']).toBeUndefined();
  });
});

describe('the connection', () => {
  const sent = async (headers: Record<string, string>, proxies?: string[]) => {
    const shop = openShop(proxies ? { proxies } : {});
    expect((await post(shop, EVENT, headers)).status).toBe(202);
    return shop.intake.candidates[0];
  };

  it.each([
    [{ 'CF-IPCountry': 'us' }, { country: 'US', basis: 'proxy_header' }],
    [{ 'CF-IPCountry': 'UK' }, { country: 'GB', basis: 'proxy_header' }],
    [{ 'CF-IPCountry': 'US, DE' }, { country: null, basis: 'unknown' }],
    [{ 'CF-IPCountry': 'T1' }, { country: null, basis: 'unknown' }],
    [{ 'X-Country-Code': 'US' }, { country: null, basis: 'unknown' }],
    [{}, { country: null, basis: 'unknown' }],
  ])('with %j is in %j', async (headers, region) => {
    expect((await sent(headers as Record<string, string>))?.region).toEqual(region);
  });

  it('shows no country where the peer is no trusted proxy', async () => {
    for (const proxies of [[], ['203.0.113.0/24']]) {
      expect((await sent({ 'CF-IPCountry': 'US' }, proxies))?.region.basis).toBe('unknown');
    }
  });

  it('tightens by what the visitor\u2019s own signals say', async () => {
    const headers = { 'CF-IPCountry': 'US' };
    const shop = openShop();
    await post(shop, { ...EVENT, user: { country: 'DE' } }, headers);
    expect(shop.intake.candidates[0]?.region).toEqual({ country: 'DE', basis: 'proxy_header' });
  });

  it('carries consent in cookies and Sec-GPC', async () => {
    const candidate = await sent({ 'Sec-GPC': '1', Cookie: 'OptanonConsent=groups%3DC0004%3A0; x=1' });
    const signals = JSON.parse(candidate?.evidence ?? '[]').flatMap(Object.keys);
    expect(signals).toEqual(expect.arrayContaining(['gpc', 'onetrust']));
  });
});

describe('the rate limit', () => {
  const from = (shop: Shop, ip: string, headers: Record<string, string> = {}, path = '/collect') =>
    post(shop, path === '/collect' ? EVENT : { consent: {} }, { 'X-Forwarded-For': ip, ...headers }, path);

  it('refuses one client beyond it, and no other', async () => {
    const shop = openShop({ limits: { ratePerClientPerMinute: 2 } });
    for (let i = 0; i < 2; i += 1) expect((await from(shop, '93.184.50.1')).status).toBe(202);
    const res = await from(shop, '93.184.50.1');
    expectProblem(res, 429, 'rate_limited');
    expect(Number(res.headers['retry-after'])).toBeGreaterThan(0);
    expect((await from(shop, '93.184.50.1', {}, '/consent')).status).toBe(429);
    expect((await from(shop, '93.184.50.2')).status).toBe(202);
    expect(shop.intake.candidates).toHaveLength(3);
    expect(await shop.metrics.text()).toContain('sluice_events_rejected_total{code="rate_limited"} 1');
  });

  it('counts an IPv6 /64 as one client', async () => {
    const shop = openShop({ limits: { ratePerClientPerMinute: 1 } });
    expect((await from(shop, '2a00:1450:4001:81b::1')).status).toBe(202);
    expect((await from(shop, '2a00:1450:4001:81b:ffff::2')).status).toBe(429);
    expect((await from(shop, '2a00:1450:4001:81c::1')).status).toBe(202);
  });

  it('is not for servers with a token', async () => {
    const shop = openShop({ limits: { ratePerClientPerMinute: 1 } });
    for (let i = 0; i < 3; i += 1) {
      expect((await from(shop, '93.184.50.1', { Authorization: `Bearer ${TOKEN}` })).status).toBe(202);
    }
  });
});
