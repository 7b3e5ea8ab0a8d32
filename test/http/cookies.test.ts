import type { Response } from 'supertest';
import { describe, expect, it } from 'vitest';
import { DROP, EVENT, expectProblem, NOW_MS, openShop, PERMIT, post, TOKEN } from './shop.ts';

describe('cookies', () => {
  const cookiesOf = (res: Response) => (res.headers['set-cookie'] ?? []) as unknown as string[];
  const DELETED = 'Max-Age=0; Domain=shop.example; Path=/; Secure; SameSite=Lax';

  it('store the visitor after a grant', async () => {
    const res = await post(openShop(), { ...EVENT, visitor_id: 'v 1;é' });
    expect(cookiesOf(res)).toEqual([
      '_slc=v%201%3B%C3%A9; Max-Age=34560000; Domain=shop.example; Path=/; Secure; SameSite=Lax; HttpOnly',
    ]);
  });

  it('are refreshed where the visitor comes with the cookie alone, and read back as they were set', async () => {
    const shop = openShop();
    const [first] = cookiesOf(await post(shop, { ...EVENT, visitor_id: 'v 1;é' }));
    const again = await post(shop, { name: 'page_view' }, { Cookie: first?.split(';')[0] ?? '' });
    expect(cookiesOf(again)[0]).toBe(first);
    expect(shop.intake.candidates[1]?.visitorRefs).toEqual(shop.intake.candidates[0]?.visitorRefs);
  });

  it('name a visitor who has no name yet', async () => {
    const [cookie] = cookiesOf(await post(openShop(), { name: 'page_view' }));
    expect(cookie).toMatch(/^_slc=[0-9a-f-]{36}; /);
  });

  it('of Meta are set beside it, readable by its pixel, for 90 days', async () => {
    const shop = openShop({ site: { destinations: new Map([['meta', {}]]) } });
    const landing = { ...EVENT, page: { url: 'https://shop.example/?fbclid=IwAR0_a-B' } };
    const cookies = cookiesOf(await post(shop, landing));
    const rest = 'Max-Age=7776000; Domain=shop.example; Path=/; Secure; SameSite=Lax';
    expect(cookies.slice(1)).toEqual([
      `_fbp=fb.1.${NOW_MS}.1073741824; ${rest}`,
      `_fbc=fb.1.${NOW_MS}.IwAR0_a-B; ${rest}`,
    ]);
    const header = cookies.map((cookie) => cookie.split(';')[0]).join('; ');
    expect(cookiesOf(await post(shop, { name: 'page_view' }, { Cookie: header })).slice(1)).toEqual(cookies.slice(1));
    shop.intake.accepts = () => ({ duplicate: false, verdicts: DROP });
    expect(cookiesOf(await post(shop, landing))).toEqual([]);
  });

  it('are not set without consent, nor for half a character', async () => {
    const shop = openShop();
    expect(cookiesOf(await post(shop, '{"name":"x","visitor_id":"\\ud800"}'))).toEqual([]);
    shop.intake.accepts = () => ({ duplicate: false, verdicts: DROP });
    expect(cookiesOf(await post(shop, EVENT))).toEqual([]);
  });

  it('belong to the host where no domain is configured', async () => {
    const res = await post(openShop({ site: { cookieDomain: null } }), EVENT);
    expect(cookiesOf(res)[0]).not.toContain('Domain');
  });

  it.each([
    ['all', DROP, ['_slc', '_fbp', '_fbc', '_dcid']],
    ['Meta\u2019s', [...DROP.slice(0, 1), ...PERMIT.slice(1)], ['_fbp', '_fbc']],
    ['none', PERMIT, []],
  ])('%s are deleted by the answer to /consent', async (_, verdicts, names) => {
    const shop = openShop();
    shop.intake.changed = () => ({ verdicts, cancelled: 3 });
    const res = await post(shop, { visitor_id: 'v-1', consent: {} }, { Cookie: '_slc=v-2' }, '/consent');
    expect(res.status).toBe(202);
    expect(res.body).toEqual({ state: { meta: verdicts[0]?.verdict, klaviyo: verdicts[1]?.verdict }, cancelled: 3 });
    expect(cookiesOf(res)).toEqual(names.map((name) => `${name}=; ${DELETED}`));
    expect(shop.intake.changes[0]?.visitors).toHaveLength(2);
  });

  it('are no business of a server\u2019s /consent', async () => {
    const res = await post(openShop(), { consent: {} }, { Authorization: `Bearer ${TOKEN}` }, '/consent');
    expect(res.status).toBe(202);
    expect(cookiesOf(res)).toEqual([]);
  });
});

describe('POST /consent', () => {
  it.each([
    ['no consent', {}],
    ['an unknown key', { consent: {}, visitor: 'v' }],
    ['a list', []],
    ['text as consent', { consent: 'denied' }],
    ['a deep consent', JSON.parse(`{"consent":${'['.repeat(40)}${']'.repeat(40)}}`)],
  ])('refuses %s', async (_, body) => {
    const shop = openShop();
    expectProblem(await post(shop, body, {}, '/consent'), 400, 'event_invalid');
    expect(shop.intake.changes).toEqual([]);
  });
});
