import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { registerCheckConfig } from '../../src/commands/check-config.ts';
import { type FakeKlaviyo, startFakeKlaviyo } from '../../src/demo/fake-klaviyo.ts';
import { type FakeMeta, startFakeMeta } from '../../src/demo/fake-meta.ts';

const folder = mkdtempSync(join(tmpdir(), 'sluice-check-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const env = (name: string) => `\${env:${name}}`;
const META = `    meta: { datasetId: "1234567890", accessToken: "${env('META')}" }\n`;
const KLAVIYO = `    klaviyo: { privateKey: "${env('KLAVIYO')}" }\n`;
const SITE = 'sites:\n  - id: shop\n    origins: ["https://shop.example"]\n';
const metaAt = (url: string) => META.replace('datasetId', `baseUrl: "${url}", datasetId`);
const klaviyoAt = (url: string) => KLAVIYO.replace('privateKey', `baseUrl: "${url}", privateKey`);
const ENV = { META: 'EAAlive7f3c', KLAVIYO: 'pk_live_51b2' };

let graph: FakeMeta;
let events: FakeKlaviyo;
beforeEach(async () => {
  graph = await startFakeMeta({ datasets: { 1234567890: ENV.META } });
  events = await startFakeKlaviyo({ key: ENV.KLAVIYO });
});
afterEach(() => Promise.all([graph.close(), events.close()]));

function prepare(text: string) {
  const file = join(folder, 'sluice.yaml');
  writeFileSync(file, text);
  const seen = { out: '', err: '', code: -1, file };
  const program = new Command().exitOverride();
  registerCheckConfig(program, {
    stdout: (more) => {
      seen.out += more;
    },
    stderr: (more) => {
      seen.err += more;
    },
    exit: (code) => {
      seen.code = code;
    },
    env: ENV,
    cwd: folder,
    color: false,
  });
  return { program, seen, line: ['check-config', '--config', file] };
}

function check(text: string, ...args: readonly string[]) {
  const { program, seen, line } = prepare(text);
  program.parse([...line, ...args], { from: 'user' });
  return seen;
}

async function checkOnline(text: string, ...args: readonly string[]) {
  const { program, seen, line } = prepare(text);
  await program.parseAsync([...line, '--online', ...args], { from: 'user' });
  return seen;
}

describe('check-config', () => {
  it('says what a good configuration comes to, and exits with 0', () => {
    const { out, code, file } = check(SITE + META + KLAVIYO);
    expect(code).toBe(0);
    expect(out.split('\n')).toEqual([
      `${file} is good`,
      '  listeners: collect 0.0.0.0:8080, console 127.0.0.1:8081, ops 127.0.0.1:9090',
      expect.stringMatching(
        /^ {2}site shop: 1 origin, policy default@[0-9a-f]{16}, purchases from browser, meta then klaviyo$/,
      ),
      '',
    ]);
  });

  it('names every mistake on a line of its own, and exits with 2', () => {
    const { out, err, code, file } = check(`lgo: {}\n${SITE}${META.replace('datasetId', 'dataSet')}`);
    expect([code, out]).toEqual([2, '']);
    expect(err.split('\n')).toEqual([
      `${file}:1 lgo: is not a known key (did you mean log?)`,
      `${file}:5 sites[0].meta.datasetId: is required`,
      `${file}:5 sites[0].meta.dataSet: is not a known key (did you mean datasetId?)`,
      '3 mistakes',
      '',
    ]);
  });

  it('prints the same as JSON', () => {
    const good = check(SITE + META, '--json');
    expect(JSON.parse(good.out)).toMatchObject({ ok: true, sites: [{ id: 'shop', destinations: ['meta'] }] });
    const bad = check('sites: 1', '--json');
    expect(bad.code).toBe(2);
    expect(JSON.parse(bad.out)).toMatchObject({ ok: false, mistakes: [{ line: 1, key: 'sites' }] });
  });

  it('exits with 2 where there is no file', () => {
    const { err, code } = check(SITE, '--config', join(folder, 'none.yaml'));
    expect(code).toBe(2);
    expect(err).toContain('there is no configuration file');
  });

  it.each([
    ['a TCF banner without Additional Consent', SITE + META, 'vendor.not_disclosed'],
    ['a test event code', SITE + META.replace('datasetId', 'testEventCode: TEST77, datasetId'), 'testEventCode is set'],
    ['Klaviyo without Meta', SITE + KLAVIYO, 'klaviyo is configured without meta'],
    ['no destination', SITE, 'no destination is configured'],
    ['nobody who may send', 'sites: [{ id: shop }]', 'neither origins nor serverTokens'],
    [
      'a region header that nobody may set',
      `region: { header: CF-IPCountry }\n${SITE}${META}`,
      'listen.trustedProxies',
    ],
  ])('hints at %s', (_what, text, hint) => {
    const { err, code } = check(text);
    expect(code).toBe(0);
    expect(err).toContain('hint: ');
    expect(err).toContain(hint);
  });

  it('asks each destination online, and sends nothing that counts', async () => {
    const { out, code } = await checkOnline(SITE + metaAt(graph.url) + klaviyoAt(events.url));
    expect(code).toBe(0);
    expect(out.split('\n').slice(3)).toEqual([
      '  site shop, meta, dataset 1234567890: accepted: Meta accepts the token, the dataset and v25.0',
      '  site shop, klaviyo, private key: accepted: Klaviyo accepts the key, its scope and revision 2026-07-15',
      '',
    ]);
    expect([graph.accepted(), events.accepted()]).toEqual([[], []]);
  });

  it('exits with 1 where a destination refuses, and says why', async () => {
    const wrong = metaAt(graph.url).replace('1234567890', '999');
    const { out, code } = await checkOnline(SITE + wrong + klaviyoAt(events.url), '--json');
    expect(code).toBe(1);
    expect(JSON.parse(out).online).toMatchObject([
      { site: 'shop', destination: 'meta', subject: 'dataset 999', verdict: 'refused', code: 'meta.100.33' },
      { site: 'shop', destination: 'klaviyo', subject: 'private key', verdict: 'accepted', code: null },
    ]);
  });

  it('asks nobody while the file itself is wrong', async () => {
    const { code } = await checkOnline(`lgo: {}\n${SITE}${metaAt(graph.url)}`);
    expect(code).toBe(2);
    expect(graph.ledger).toEqual([]);
  });

  it('never prints a secret', () => {
    const { out, err } = check(SITE + META + KLAVIYO, '--json');
    const bad = check(SITE + META.replace(env('META'), 'EAAliteral99'));
    for (const secret of [...Object.values(ENV), 'EAAliteral99'])
      expect(out + err + bad.out + bad.err).not.toContain(secret);
  });
});
