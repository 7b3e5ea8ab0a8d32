// The storefront script in a real Chromium, against a shop and a collector on two hosts.

import { gzipSync } from 'node:zlib';
import type { BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { browserEvent } from '../../src/core/event.ts';
import { launchBrowser } from '../browser.ts';
import { bundleScript, openShop, type Shop, SILENT_CMP, STUB, tcfStub } from './shop.ts';

// What the functions below find in the page they run in; the test itself has no DOM.
declare const window: {
  sluice?: ((...call: readonly unknown[]) => void) & { on?: true };
  fetch: typeof fetch;
};
declare const document: EventTarget & { readonly cookie: string; readonly title: string };
declare const indexedDB: { databases(): Promise<readonly unknown[]> };

const script = await bundleScript();
const browser = await launchBrowser();
afterAll(() => browser?.close());

it('is smaller than 3,000 bytes compressed, of the 5,000 that a shop is promised at most', () => {
  expect(gzipSync(script, { level: 9 }).length).toBeLessThan(3_000);
});

describe.skipIf(browser === null)('the storefront script in Chromium', () => {
  let shop: Shop;
  let context: BrowserContext;
  let page: Page;
  let errors: string[];

  beforeEach(async () => {
    if (browser === null) return;
    shop = await openShop(script);
    context = await browser.newContext();
    page = await context.newPage();
    errors = [];
    page.on('pageerror', (error) => errors.push(error.message));
  });
  afterEach(async () => {
    await context.close();
    await shop.close();
    expect(errors).toEqual([]);
  });

  const tag = (more = '') => `<script async src="${shop.collector('/sluice.js')}" data-site="shop"${more}></script>`;
  /** A page that has the stub, what comes before the script, and the script. */
  async function visit(before = '', path = '/cart?step=1#top'): Promise<void> {
    shop.html = `${STUB}${before}${tag()}`;
    await page.goto(shop.page(path));
  }
  const call = (...args: readonly unknown[]) => page.evaluate((given) => window.sluice?.(...given), args);

  it('reports the page view and what the stub held, in order and in one simple request, claiming no consent', async () => {
    await visit(`<script>sluice('track', 'view_item', { value: 29.95, currency: 'EUR', colour: 'green' })</script>`);
    const [post] = await shop.received(1);
    expect(post?.path).toBe('/collect');
    expect(post?.host).toContain('collect.shop.example');
    expect(post?.headers['content-type']).toMatch(/^text\/plain/);
    expect(post?.headers.origin).toBe(new URL(shop.page()).origin);
    expect(shop.preflights).toEqual([]);
    const [view, item] = post?.body.events ?? [];
    expect(view).toMatchObject({ name: 'page_view', page: { url: shop.page('/cart?step=1'), title: 'Cart' } });
    expect(item).toMatchObject({ name: 'view_item', value: 29.95, currency: 'EUR', properties: { colour: 'green' } });
    for (const event of [view, item]) {
      expect(browserEvent.safeParse(event).error).toBeUndefined();
      expect(event).not.toHaveProperty('consent');
    }
    expect(view.event_id).not.toBe(item.event_id);
    expect(Math.abs(Date.parse(view.time) - Date.now())).toBeLessThan(60_000);
  });

  it('asks the browser to finish the request when the page is gone', async () => {
    await page.addInitScript(() => {
      const real = window.fetch;
      window.fetch = (url, init) => real(`${url}?keepalive=${init?.keepalive}`, init);
    });
    await visit();
    const [post] = await shop.received(1);
    expect(post?.path).toBe('/collect?keepalive=true');
  });

  it('lets the server keep the visitor by its own cookie and stores nothing itself', async () => {
    await visit();
    await shop.received(1);
    await call('track', 'add_to_cart', { value: 29.95, currency: 'EUR' });
    const [, second] = await shop.received(2);
    expect(second?.headers.cookie).toContain('_slc=visitor-1');
    const kept = await page.evaluate(async () => ({
      cookies: document.cookie,
      local: localStorage.length,
      session: sessionStorage.length,
      databases: (await indexedDB.databases()).length,
    }));
    expect(kept).toEqual({ cookies: '', local: 0, session: 0, databases: 0 });
  });

  it('asks the TCF API at the moment of each event', async () => {
    await visit(tcfStub({ tcString: '', eventStatus: 'cmpuishown', gdprApplies: true }));
    await shop.received(1);
    await page.evaluate(() => {
      Object.assign(window, {
        tcData: { tcString: 'CQAnswered', addtlConsent: '2~89~dv.', eventStatus: 'useractioncomplete' },
      });
    });
    await call('track', 'begin_checkout');
    const [before, after] = await shop.received(2);
    expect(before?.body).not.toHaveProperty('consent');
    expect(after?.body.consent).toEqual({ tcf: 'CQAnswered', additional_consent: '2~89~dv.' });
  });

  it('sends the cookies of OneTrust as they stand', async () => {
    const groups = 'datestamp=Fri+Nov+20+2026&groups=C0001%3A1%2CC0004%3A1';
    await visit(`<script>
      document.cookie = 'OptanonConsent=${groups}; path=/';
      document.cookie = 'OptanonAlertBoxClosed=2026-11-20T09:15:00.000Z; path=/';
    </script>`);
    const [post] = await shop.received(1);
    expect(post?.body.consent).toEqual({ onetrust: groups, onetrust_closed: '2026-11-20T09:15:00.000Z' });
  });

  it('says when the browser sends Global Privacy Control', async () => {
    await page.addInitScript(() => Object.defineProperty(navigator, 'globalPrivacyControl', { value: true }));
    await visit();
    const [post] = await shop.received(1);
    expect(post?.body.consent).toEqual({ gpc: true });
  });

  it('waits three seconds for a CMP that does not answer, and no longer', async () => {
    await page.clock.install({ time: '2026-11-24T08:00:00Z' });
    await page.clock.pauseAt('2026-11-24T08:01:00Z');
    await visit(SILENT_CMP);
    await page.waitForFunction(() => window.sluice?.on === true);
    await page.clock.runFor(2_900);
    expect(shop.posts).toEqual([]);
    await page.clock.runFor(200);
    const [post] = await shop.received(1);
    expect(post?.body.name).toBe('page_view');
  });

  it('loses no event when the page is left while the CMP is still silent', async () => {
    await visit(SILENT_CMP);
    await call('track', 'add_to_cart', { transaction_id: 'cart-7' });
    shop.html = '';
    await page.goto(shop.page('/checkout'));
    const posts = await shop.received(1);
    expect(posts).toHaveLength(1);
    expect(posts[0]?.body.events.map((event: { name: string }) => event.name)).toEqual(['page_view', 'add_to_cart']);
  });

  it('sends without the answer of a CMP that throws', async () => {
    await visit(`<script>window.__tcfapi = () => { throw new Error('not ready'); };</script>`);
    const [post] = await shop.received(1);
    expect(post?.body.name).toBe('page_view');
  });

  it('tries twice again with the same id when the collector breaks off, and never disturbs the page', async () => {
    await page.clock.install();
    shop.answer = () => 'broken';
    let tries = 0;
    page.on('requestfailed', () => tries++);
    for (const waitMs of [0, 1_000, 5_000]) {
      const failed = page.waitForEvent('requestfailed');
      if (waitMs === 0) await visit();
      else await page.clock.runFor(waitMs);
      await failed;
    }
    await page.clock.runFor(60_000);
    expect(tries).toBe(3);
    expect(new Set(shop.posts.map((post) => post.body.event_id)).size).toBe(1);
    expect(await page.evaluate(() => document.title)).toBe('Cart');
  });

  it.each([
    [503, 2],
    [429, 2],
    [400, 1],
    [403, 1],
  ])('after a %i sends %i time(s)', async (status, times) => {
    await page.clock.install();
    shop.answer = () => (shop.posts.length === 0 ? status : 202);
    const answered = page.waitForResponse((response) => response.request().method() === 'POST');
    await visit();
    await (await answered).finished();
    await page.clock.runFor(10_000);
    await shop.received(times);
    await page.clock.runFor(60_000);
    expect(shop.posts.map((post) => post.body.event_id)).toEqual(Array(times).fill(shop.posts[0]?.body.event_id));
  });

  it('reports a changed consent and a withdrawal to /consent, with the evidence of the moment', async () => {
    await visit(tcfStub({ tcString: 'CQGranted', eventStatus: 'tcloaded' }));
    await shop.received(1);
    await call('consent');
    await shop.received(2);
    await call('withdraw');
    const [, consent, withdrawal] = await shop.received(3);
    expect([consent?.path, withdrawal?.path]).toEqual(['/consent', '/consent']);
    expect(consent?.body).toEqual({ consent: { tcf: 'CQGranted' } });
    expect(withdrawal?.body).toEqual({ consent: { tcf: 'CQGranted', gcs: 'G100' } });
    expect(withdrawal?.headers.cookie).toContain('_slc=visitor-1');
  });

  it.each(['async', 'type="module"'])('finds the collector beside a script %s, below the same prefix', async (kind) => {
    shop.html = `<script ${kind} src="/s1/sluice.js" data-site="shop"></script>`;
    await page.goto(shop.page());
    const [post] = await shop.received(1);
    expect([post?.path, post?.host]).toEqual(['/s1/collect', new URL(shop.page()).host]);
  });

  it('obeys data-endpoint, and takes /consent from beside it', async () => {
    shop.html = tag(` data-endpoint="${shop.page('/in/events')}"`);
    await page.goto(shop.page());
    await shop.received(1);
    await call('withdraw');
    expect((await shop.received(2)).map((post) => post.path)).toEqual(['/in/events', '/in/consent']);
  });

  it('counts one page view where the tag stands twice', async () => {
    shop.html = `${STUB}${tag()}${tag()}`;
    await page.goto(shop.page(), { waitUntil: 'load' });
    await call('track', 'search', { search_term: 'shoes' });
    await shop.received(2);
    expect(shop.posts.map((post) => post.body.name)).toEqual(['page_view', 'search']);
  });

  it('does not count a page that is only loaded ahead of time', async () => {
    await page.addInitScript(() => Object.defineProperty(document, 'prerendering', { value: true, writable: true }));
    await visit();
    await page.waitForFunction(() => window.sluice?.on === true);
    expect(shop.posts).toEqual([]);
    await page.evaluate(() => {
      Object.assign(document, { prerendering: false });
      document.dispatchEvent(new Event('prerenderingchange'));
    });
    const [post] = await shop.received(1);
    expect(post?.body.name).toBe('page_view');
  });

  it('shrugs at calls that mean nothing and at values that no JSON can hold', async () => {
    await visit();
    await shop.received(1);
    await page.evaluate(() => {
      const circular: Record<string, unknown> = {};
      circular['self'] = circular;
      window.sluice?.('track', 'view_item', circular);
      window.sluice?.('track', 'view_item', { value: 10n });
      window.sluice?.('track', { name: 'view_item' });
      window.sluice?.('nonsense');
      window.sluice?.();
      window.sluice?.('track', 'search', { search_term: 'shoes' });
    });
    const posts = await shop.received(2);
    expect(posts.map((post) => post.body.name)).toEqual(['page_view', 'search']);
  });

  it('sends what the page handed over at that moment, not what it made of it later', async () => {
    await visit();
    await shop.received(1);
    await page.evaluate(() => {
      const cart = { items: [{ item_id: 'TEE-M' }] };
      window.sluice?.('track', 'add_to_cart', cart);
      cart.items.length = 0;
    });
    const [, post] = await shop.received(2);
    expect(post?.body.items).toEqual([{ item_id: 'TEE-M' }]);
  });

  it('survives a page that replaced fetch by something that throws', async () => {
    await visit();
    await shop.received(1);
    await page.evaluate(() => {
      const real = window.fetch;
      window.fetch = () => {
        window.fetch = real;
        throw new TypeError('blocked');
      };
    });
    await call('track', 'search');
    await call('track', 'sign_up');
    const [, post] = await shop.received(2);
    expect(post?.body.name).toBe('sign_up');
  });

  it('names events by a UUID on a secure page and by as many random digits on any other', async () => {
    await visit();
    const [plain] = await shop.received(1);
    expect(plain?.body.event_id).toMatch(/^[0-9a-f]{32}$/);
    const secure = await openShop(script, 'shop.localhost');
    secure.html = `<script async src="${secure.collector('/sluice.js')}" data-site="shop"></script>`;
    await page.goto(secure.page());
    const [post] = await secure.received(1);
    expect(post?.body.event_id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    await secure.close();
  });
});
