import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterAll, describe, expect, it } from 'vitest';
import { registerCheckConfig } from '../../src/commands/check-config.ts';

const folder = mkdtempSync(join(tmpdir(), 'sluice-check-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const env = (name: string) => `\${env:${name}}`;
const META = `    meta: { datasetId: "1234567890", accessToken: "${env('META')}" }\n`;
const KLAVIYO = `    klaviyo: { privateKey: "${env('KLAVIYO')}" }\n`;
const SITE = 'sites:\n  - id: shop\n    origins: ["https://shop.example"]\n';
const ENV = { META: 'EAAlive7f3c', KLAVIYO: 'pk_live_51b2' };

function check(text: string, ...args: readonly string[]) {
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
  program.parse(['check-config', '--config', file, ...args], { from: 'user' });
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

  it('never prints a secret', () => {
    const { out, err } = check(SITE + META + KLAVIYO, '--json');
    const bad = check(SITE + META.replace(env('META'), 'EAAliteral99'));
    for (const secret of [...Object.values(ENV), 'EAAliteral99'])
      expect(out + err + bad.out + bad.err).not.toContain(secret);
  });
});
