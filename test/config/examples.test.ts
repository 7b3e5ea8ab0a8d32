import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { parse } from 'yaml';
import { readConfig } from '../../src/config.ts';
import { identifyPolicy, policyFile } from '../../src/core/policy-file.ts';
import { destinations } from '../../src/destinations/index.ts';

const folder = (name: string) => fileURLToPath(new URL(`../../config/${name}`, import.meta.url));
const filesIn = (name: string) => readdirSync(folder(name)).filter((file) => file.endsWith('.yaml'));

const ENV = {
  META_ACCESS_TOKEN: 'EAAexample7f3c',
  META_ACCESS_TOKEN_US: 'EAAexample8a4d',
  KLAVIYO_PRIVATE_KEY: 'pk_example_51b2',
  KLAVIYO_PRIVATE_KEY_US: 'pk_example_62c3',
  SLUICE_SERVER_TOKEN: 'a-server-token-of-32-characters-x',
};

/** Reads an example with its secret files standing in a folder of the test. */
function readExample(name: string) {
  const secrets = mkdtempSync(join(tmpdir(), 'sluice-examples-'));
  onTestFinished(() => rmSync(secrets, { recursive: true }));
  writeFileSync(join(secrets, 'shopify_webhook'), 'shpss_example_9d21\n');
  const file = join(folder('examples'), name);
  const text = readFileSync(file, 'utf8').replaceAll('/run/secrets/', `${secrets}/`);
  return readConfig({ file, text, env: ENV, destinations });
}

describe('the example configurations', () => {
  it('are minimal and production', () => {
    expect(filesIn('examples')).toEqual(['minimal.yaml', 'production.yaml']);
  });

  it('minimal sends to Meta, then to Klaviyo, under the default policy', () => {
    const { sites } = readExample('minimal.yaml');
    expect(sites.map(({ id, policy, destinations: ways }) => [id, policy.id, [...ways.keys()]])).toEqual([
      ['shop', 'default', ['meta', 'klaviyo']],
    ]);
  });

  it('production takes purchases from the webhook where Shopify is set, and has a policy for each site', () => {
    const { sites, region, listen } = readExample('production.yaml');
    expect(sites.map(({ id, policy, purchases }) => [id, policy.id, purchases])).toEqual([
      ['shop-eu', 'default', 'webhook'],
      ['shop-us', 'us-opt-out', 'browser'],
    ]);
    expect([region.header, listen.trustedProxies]).toEqual(['CF-IPCountry', ['10.0.0.0/8']]);
  });

  it.each(filesIn('examples'))('%s holds no secret', (name) => {
    const text = readFileSync(join(folder('examples'), name), 'utf8');
    for (const line of text.split('\n')) {
      if (/(accessToken|privateKey|secrets|serverTokens):/.test(line)) expect(line).toMatch(/\$\{(env|file):/);
    }
  });
});

describe('the packaged policies', () => {
  it('are these', () => {
    expect(filesIn('policies')).toEqual([
      'default.yaml',
      'google-consent-mode.yaml',
      'onetrust-only.yaml',
      'strict.yaml',
      'us-opt-out.yaml',
    ]);
  });

  it.each(filesIn('policies'))('%s is complete, bears its file’s name and names our destinations alone', (file) => {
    const policy = identifyPolicy(policyFile.parse(parse(readFileSync(join(folder('policies'), file), 'utf8'))));
    expect(`${policy.id}.yaml`).toBe(file);
    expect(policy.ref).toMatch(/^[a-z-]+@[0-9a-f]{16}$/);
    expect(Object.keys(policy.destinations)).toEqual(destinations.map(({ id }) => id));
  });
});
