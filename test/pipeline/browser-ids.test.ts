import { describe, expect, it } from 'vitest';
import type { CollectedEvent } from '../../src/core/event.ts';
import { createBrowserIds } from '../../src/pipeline/browser-ids.ts';
import type { RequestContext } from '../../src/pipeline/evidence.ts';
import { countingIds, KEYS, NOW_MS, ORIGIN, site } from '../http/shop.ts';

const META = new Map([['meta', {}]]);
const FBP = 'fb.1.1763970000000.4711008150';
const FBC = 'fb.1.1763970000000.IwAR2xYz_aBc-Q';
const SEEN_MS = NOW_MS - 400;

interface Hit {
  readonly event?: Partial<CollectedEvent>;
  readonly cookies?: Readonly<Record<string, readonly string[]>>;
  readonly context?: Partial<RequestContext>;
  readonly visitor?: string;
}

/** A browser's hits, one after the other, at one running server. */
function opened(random = () => 0.25) {
  const find = createBrowserIds({ keys: KEYS, ids: { ...countingIds(), random } });
  return ({ event = {}, cookies = {}, context = {}, visitor = 'v-1' }: Hit = {}) =>
    find(
      {
        name: 'view_item',
        source: 'browser',
        trust: 'browser',
        eventId: 'e-1',
        timeMs: SEEN_MS,
        page: { url: `${ORIGIN}/kaffee` },
        client: { ip: '46.5.12.77', userAgent: 'Mozilla/5.0' },
        ...event,
      },
      {
        site: site({ destinations: META }),
        receivedMs: NOW_MS,
        origin: ORIGIN,
        carriersOf: () => [],
        cookie: (name) => cookies[name] ?? [],
        proxyCountry: 'DE',
        clientIp: null,
        ...context,
      },
      visitor === '' ? [] : [visitor],
    );
}
const hit = (of: Hit = {}) => opened()(of);
const landing = (query: string) => ({ page: { url: `${ORIGIN}/?${query}` } });
/** Numbers that differ, as random ones do. */
const counting = () => {
  let n = 0;
  return () => ++n / 1000;
};

describe('fbp', () => {
  it('is made where there is none: index, milliseconds, digits', () => {
    const { ids, cookies } = hit();
    expect(ids).toEqual({ fbp: `fb.1.${SEEN_MS}.536870912` });
    expect(cookies).toEqual({ fbp: ids?.fbp, fbc: null });
  });

  it.each([FBP, `${FBP}.AQQCAQMC`, `${FBP}.Bg`])('is kept as it is, and kept longer: %s', (fbp) => {
    expect(hit({ cookies: { _fbp: [fbp] } })).toEqual({ ids: { fbp }, cookies: { fbp, fbc: null } });
  });

  it.each(['fb.1.123.', 'fb.000000.123_1.test', '', `fb.1.17.${'9'.repeat(700)}`, 'x'])('is new for %j', (value) => {
    expect(hit({ cookies: { _fbp: [value] } }).ids?.fbp).toBe(`fb.1.${SEEN_MS}.536870912`);
  });

  it('of the page comes before the cookie\u2019s, and replaces it not', () => {
    const own = 'fb.1.1763970000001.99';
    expect(hit({ event: { ids: { fbp: own } }, cookies: { _fbp: [FBP] } })).toEqual({
      ids: { fbp: own },
      cookies: { fbp: null, fbc: null },
    });
    expect(hit({ event: { ids: { fbp: own } } }).cookies.fbp).toBe(own);
  });

  it('is one for hits of one visitor that come together, and two for two visitors', () => {
    const send = opened(counting());
    const first = send().ids?.fbp;
    expect(send({ event: { timeMs: SEEN_MS + 90 } }).ids?.fbp).toBe(first);
    expect(send({ visitor: 'v-2' }).ids?.fbp).not.toBe(first);
  });

  it('is one for hits that nothing names, of one page, one address and one browser', () => {
    const send = opened(counting());
    const first = send({ visitor: '' }).ids?.fbp;
    expect(send({ visitor: '', event: { name: 'page_view' } }).ids?.fbp).toBe(first);
    const others: Partial<CollectedEvent>[] = [
      { client: { ip: '46.5.12.78', userAgent: 'Mozilla/5.0' } },
      { client: { ip: '46.5.12.77', userAgent: 'Mozilla/5.0 (X11)' } },
      { page: { url: `${ORIGIN}/tee` } },
    ];
    for (const event of others) expect(send({ visitor: '', event }).ids?.fbp).not.toBe(first);
  });

  it('is another one when the moment is over and the cookie was not kept', () => {
    const send = opened(counting());
    const first = send().ids?.fbp;
    expect(send({ context: { receivedMs: NOW_MS + 5_000 } }).ids?.fbp).not.toBe(first);
  });

  it('is remembered of so many visitors and no more', () => {
    const send = opened(counting());
    const first = send({ visitor: 'v-0' }).ids?.fbp;
    for (let i = 1; i <= 20_000; i += 1) send({ visitor: `v-${i}` });
    expect(send({ visitor: 'v-0' }).ids?.fbp).not.toBe(first);
  });
});

describe('fbc', () => {
  const made = (click: string) => `fb.1.${SEEN_MS}.${click}`;

  it.each<[string, Partial<CollectedEvent>]>([
    ['the address', landing('utm_source=fb&fbclid=IwAR0_a-B')],
    ['the event', { ids: { fbclid: 'IwAR0_a-B' } }],
    ['the page before, of the shop', { page: { url: `${ORIGIN}/tee`, referrer: `${ORIGIN}/?fbclid=IwAR0_a-B` } }],
    ['the page before, without scheme', { page: { referrer: 'www.shop.example?fbclid=IwAR0_a-B' } }],
    [
      'the address before the page before it',
      {
        page: { url: `${ORIGIN}/?fbclid=IwAR0_a-B`, referrer: `${ORIGIN}/?fbclid=older` },
      },
    ],
  ])('is made of the click of %s', (_from, event) => {
    const { ids, cookies } = hit({ event });
    expect(ids?.fbc).toBe(made('IwAR0_a-B'));
    expect(cookies.fbc).toBe(ids?.fbc);
  });

  it.each<[string, Partial<CollectedEvent>]>([
    ['nowhere', {}],
    ['an empty parameter', landing('fbclid=')],
    ['a parameter that is no click id', landing('fbclid=a%20b%3Bc')],
    ['a parameter without end', landing(`fbclid=${'x'.repeat(501)}`)],
    ['a page of another site', { page: { referrer: 'https://notshop.example/?fbclid=abc' } }],
    ['an address behind the fragment', { page: { url: `${ORIGIN}/#?fbclid=abc` } }],
  ])('is not invented of %s', (_from, event) => {
    expect(hit({ event }).ids).not.toHaveProperty('fbc');
    expect(hit({ event }).cookies.fbc).toBeNull();
  });

  it('keeps the time of its first sight while the click is the same, appendix and all', () => {
    for (const fbc of [FBC, `${FBC}.AQQCAQMC`, `${FBC}.Bg`]) {
      const { ids, cookies } = hit({ event: landing('fbclid=IwAR2xYz_aBc-Q'), cookies: { _fbc: [fbc] } });
      expect([ids?.fbc, cookies.fbc]).toEqual([fbc, fbc]);
    }
  });

  it('is new for another click, also where it differs in case alone', () => {
    const { ids, cookies } = hit({ event: landing('fbclid=IwAR2xYz_aBc-q'), cookies: { _fbc: [FBC] } });
    expect([ids?.fbc, cookies.fbc]).toEqual([made('IwAR2xYz_aBc-q'), made('IwAR2xYz_aBc-q')]);
  });

  it('of two cookies of one name is the one of the click, else the first', () => {
    const _fbc = ['fb.1.1763970000000.first', FBC];
    expect(hit({ event: landing('fbclid=IwAR2xYz_aBc-Q'), cookies: { _fbc } }).ids?.fbc).toBe(FBC);
    expect(hit({ cookies: { _fbc } }).ids?.fbc).toBe('fb.1.1763970000000.first');
  });

  it.each(['fb.1.123', 'fb1.1.123.abc', 'fb.1.123aa.abc', 'fb.1.123.a;b', 'fb.1.123.a b', 'fb.1.123.a"b'])(
    'that cannot be one counts as none: %s',
    (value) => {
      expect(hit({ event: { ids: { fbc: value } } }).ids).not.toHaveProperty('fbc');
    },
  );

  it('is as old as its event, and no older than Meta takes any', () => {
    const event = { ...landing('fbclid=abc'), timeMs: NOW_MS - 3_600_000 };
    expect(hit({ event }).ids?.fbc).toBe(`fb.1.${NOW_MS - 3_600_000}.abc`);
    expect(hit({ event: { ...event, timeMs: NOW_MS - 8 * 86_400_000 } }).ids?.fbc).toBe(`fb.1.${NOW_MS}.abc`);
  });
});

describe('the index', () => {
  it.each<[string | null, string, number]>([
    ['shop.example', 'https://www.shop.example', 1],
    ['www.shop.example', 'https://www.shop.example', 2],
    ['shop.example.co.uk', 'https://shop.example.co.uk', 3],
    [null, 'https://www.shop.example', 2],
    [null, 'http://localhost:3000', 0],
    [null, 'http://127.0.0.1:3000', 0],
    [null, 'http://[::1]:3000', 0],
  ])('counts the dots of the domain %s of %s: %i', (cookieDomain, origin, index) => {
    const { ids } = hit({ context: { site: site({ destinations: META, cookieDomain }), origin } });
    expect(ids?.fbp).toMatch(new RegExp(`^fb\\.${index}\\.`));
  });
});

describe('nothing is read and nothing is made', () => {
  const cookies = { _fbp: [FBP], _fbc: [FBC] };
  const event = { ids: { kx: 'k-1' }, ...landing('fbclid=abc') };

  it.each<[string, Hit]>([
    ['for a server', { event: { ...event, trust: 'server' }, context: { origin: null } }],
    ['where the answer cannot set a cookie', { event, context: { origin: null } }],
    [
      'where Meta gets nothing at all',
      { event, context: { site: site({ destinations: new Map([['klaviyo', {}]]) }) } },
    ],
  ])('%s', (_where, of) => {
    expect(hit({ ...of, cookies })).toEqual({ ids: { kx: 'k-1' }, cookies: { fbp: null, fbc: null } });
  });

  it('of what belongs to others: their ids stay', () => {
    expect(hit({ event: { ids: { kx: 'k-1' } } }).ids).toMatchObject({ kx: 'k-1' });
  });
});
