import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { configHash } from '../src/config/hash.ts';
import { locateConfig } from '../src/config.ts';
import { brief, ENV, env, file, GOOD, openReader } from './config/reading.ts';

const { folder, read, mistakes } = openReader();
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('a good configuration', () => {
  it('gets the default of every key that it leaves out', () => {
    const config = read(GOOD);
    expect(config.listen.collect).toEqual({
      host: '0.0.0.0',
      port: 8080,
      paths: { collect: '/collect', consent: '/consent', script: '/sluice.js', data: ['/data'] },
    });
    expect(config.listen.ops).toEqual({ host: '127.0.0.1', port: 9090 });
    expect(config.retention.dropLinksMs).toBe(30 * 86_400_000);
    expect(config.retention.logMs / 86_400_000).toBeCloseTo(395.7, 1);
    expect(config.delivery.giveUpAfterMs).toEqual({ meta: 604_800_000, klaviyo: 604_800_000 });
    expect(config.delivery.keepDeadLettersMs).toBe(604_800_000);
    expect(config.sites[0]?.policy.ref).toMatch(/^default@[0-9a-f]{16}$/);
  });

  it('has its secrets resolved and never prints them', () => {
    const config = read(GOOD);
    expect(config.sites[0]?.serverTokens[0]?.reveal()).toBe('srv-9e51b27f3c');
    expect(config.sites[0]?.destinations.get('meta')).toMatchObject({ datasetId: '1234567890', apiVersion: 'v25.0' });
    const printed = JSON.stringify({ ...config, sites: config.sites.map((s) => [s, [...s.destinations]]) });
    for (const secret of Object.values(ENV)) expect(printed).not.toContain(secret);
  });

  it('reads a secret from a file without the line break at its end', () => {
    const path = join(folder, 'token');
    writeFileSync(path, 'EAAfromfile\n');
    const [site] = read(GOOD.replace(env('SERVER_TOKEN'), file(path))).sites;
    expect(site?.serverTokens[0]?.reveal()).toBe('EAAfromfile');
  });

  it.each([
    ['', 'browser'],
    ['    purchases: both\n', 'both'],
    [`    shopify: { domain: a.myshopify.com, secrets: ["${env('SERVER_TOKEN')}"] }\n`, 'webhook'],
  ])('%j lets purchases come from %s', (lines, purchases) => {
    expect(read(GOOD + lines).sites[0]?.purchases).toBe(purchases);
  });

  it('has a hash that follows the content and not the secrets, the file or the order of keys', () => {
    const hash = configHash(read(GOOD));
    expect(hash).toMatch(/^[0-9a-f]{64}$/);
    expect(configHash(read(GOOD, { META_ACCESS_TOKEN: 'EAAother' }))).toBe(hash);
    expect(configHash(read(`log: { level: info }\n${GOOD}`))).toBe(hash);
    expect(configHash(read(`log: { level: warn }\n${GOOD}`))).not.toBe(hash);
    expect(configHash(read(GOOD.replace('1234567890', '1234567891')))).not.toBe(hash);
  });

  it('takes a bare address as a network of one', () => {
    const { listen } = read(`listen: { trustedProxies: [10.0.0.0/8, 203.0.113.7, "2001:db8::1"] }\n${GOOD}`);
    expect(listen.trustedProxies).toEqual(['10.0.0.0/8', '203.0.113.7/32', '2001:db8::1/128']);
  });
});

describe('mistakes', () => {
  it('are reported all at once, each with line, key and the nearest right key', () => {
    const text = `listn:
  collect: { port: 1 }
log: { level: inof }
limits:
  batchEvnts: 10
  bodyBytes: 12.5
sites:
  - id: Shop
    orgins: []
    meta:
      datasetId: 1234567890
      acessToken: "\${env:META_ACCESS_TOKEN}"
      batch: { max: 5000 }
`;
    expect(mistakes(text).map(brief)).toEqual([
      [1, 'listn', 'listen'],
      [3, 'log.level', 'info'],
      [5, 'limits.batchEvnts', 'batchEvents'],
      [6, 'limits.bodyBytes', null],
      [8, 'sites[0].id', null],
      [9, 'sites[0].orgins', 'origins'],
      [10, 'sites[0].meta.accessToken', null],
      [11, 'sites[0].meta.datasetId', null],
      [12, 'sites[0].meta.acessToken', 'accessToken'],
      [13, 'sites[0].meta.batch.max', null],
    ]);
  });

  it('name the home of a key that stands at the wrong place', () => {
    expect(mistakes(`trustedProxies: [10.0.0.0/8]\n${GOOD}`).map(brief)).toEqual([
      [1, 'trustedProxies', 'listen.trustedProxies'],
    ]);
  });

  it('print as file, line, key, sentence and guess', () => {
    const file = join(folder, 'sluice.yaml');
    expect(() => read(`lgo: {}\n${GOOD}`)).toThrow(`${file}:1 lgo: is not a known key (did you mean log?)`);
  });

  it.each([
    ['an empty file', '', 'sites', 'is required'],
    ['a list', '- a', '', 'must be a map of keys, not a list'],
    ['no sites', 'sites: []', 'sites', 'must hold at least 1'],
    [
      'everybody as proxy',
      `listen: { trustedProxies: true }\n${GOOD}`,
      'listen.trustedProxies',
      'must not be everybody',
    ],
    [
      'all of IPv4',
      `listen: { trustedProxies: [0.0.0.0/0] }\n${GOOD}`,
      'listen.trustedProxies[0]',
      'must not be everybody',
    ],
    [
      'all of IPv6',
      `listen: { trustedProxies: ["::/0"] }\n${GOOD}`,
      'listen.trustedProxies[0]',
      'must not be everybody',
    ],
    ['no network', `listen: { trustedProxies: [10.0.0.0/33] }\n${GOOD}`, 'listen.trustedProxies[0]', 'CIDR'],
    [
      'a host for a port',
      `listen: { ops: { port: "9090" } }\n${GOOD}`,
      'listen.ops.port',
      'must be a number, not text',
    ],
    [
      'a port twice',
      `listen: { ops: { host: 0.0.0.0, port: 80 }, collect: { host: 127.0.0.1, port: 80 } }\n${GOOD}`,
      'listen.ops.port',
      'is taken by listen.collect',
    ],
    ['a role without its store', `role: collect\n${GOOD}`, 'role', 'need a postgres:// store'],
    [
      'postgres',
      `store: { url: "postgres://u:hunter2@db/x" }\n${GOOD}`,
      'store.url',
      'not supported by this version yet',
    ],
    ['a store of nowhere', `store: { url: "mysql://db" }\n${GOOD}`, 'store.url', 'must be sqlite:PATH'],
    [
      'a bare number as a length of time',
      `retention: { log: 30 }\n${GOOD}`,
      'retention.log',
      'must be text, not a number',
    ],
    ['an unknown unit', `retention: { log: 30w }\n${GOOD}`, 'retention.log', 'must be a length of time'],
    [
      'a slow first retry',
      `delivery: { retryScheduleMs: [90000] }\n${GOOD}`,
      'delivery.retryScheduleMs',
      'within a minute',
    ],
    [
      'a request without bound',
      `delivery: { totalTimeoutMs: 60000 }\n${GOOD}`,
      'delivery.totalTimeoutMs',
      'at most 20000',
    ],
    ['an unknown policy', `${GOOD}    policy: defualt\n`, 'sites[0].policy', 'no policy of this name'],
    ['a missing policy file', `${GOOD}    policy: ./strict.yaml\n`, 'sites[0].policy', 'there is no policy file'],
    [
      'a cookie domain with a dot in front',
      `${GOOD}    cookieDomain: .shop.example\n`,
      'sites[0].cookieDomain',
      'must be a domain',
    ],
    ['an empty section', `listen:\n${GOOD}`, 'listen', 'must be a map of keys, not empty'],
  ])('%s is refused', (_name, text, key, message) => {
    const found = mistakes(text);
    expect(found.map((mistake) => mistake.key)).toEqual([key]);
    expect(found[0]?.message).toContain(message);
  });

  it.each([
    ['https://shop.example/', 'https://shop.example'],
    ['https://Shop.example', 'https://shop.example'],
    ['https://shop.example:443', 'https://shop.example'],
    ['shop.example', 'https://shop.example'],
    ['https://shop.example/de', 'https://shop.example'],
    ['ftp://shop.example', null],
    ['*', null],
    ['https://*.shop.example', null],
    ['null', 'https://null'],
  ])('the origin %s is no exact origin', (text, nearest) => {
    const found = mistakes(GOOD.replace('["https://shop.example"]', JSON.stringify([text])));
    expect(found.map(brief)).toEqual([[3, 'sites[0].origins[0]', nearest]]);
  });

  it('tell of sites that cannot be told apart: by id, by origin, by token', () => {
    const second = GOOD.split('\n').slice(1).join('\n');
    expect(mistakes(GOOD + second).map(brief)).toEqual([
      [7, 'sites[1].id', null],
      [8, 'sites[1].origins[0]', null],
      [9, 'sites[1].serverTokens[0]', null],
    ]);
  });
});

describe('the file', () => {
  it('is the option, else SLUICE_CONFIG, else the packaged one', () => {
    expect(locateConfig('a.yaml', { SLUICE_CONFIG: 'b.yaml' })).toBe('a.yaml');
    expect(locateConfig(undefined, { SLUICE_CONFIG: 'b.yaml' })).toBe('b.yaml');
    expect(locateConfig(undefined, {})).toMatch(/[/]config[/]default\.yaml$/);
  });
});
