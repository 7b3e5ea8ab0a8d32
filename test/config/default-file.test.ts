import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { keyPaths, valueAt, writePath } from '../../src/config/shape.ts';
import { configSchema, locateConfig, readConfig } from '../../src/config.ts';
import { destinations } from '../../src/destinations/index.ts';

const file = locateConfig(undefined, {});
const text = readFileSync(file, 'utf8');
// As an operator would: the `# ` in front of each key below the site is taken off.
const uncommented = text.replaceAll(/^( {4})# (\s*[a-zA-Z]+:)/gm, '$1$2');
const whole: unknown = parse(uncommented);
const schema = configSchema(destinations);
const env = {
  META_ACCESS_TOKEN: 'EAAlive7f3c',
  KLAVIYO_PRIVATE_KEY: 'pk_live_51b2',
  SHOPIFY_WEBHOOK_SECRET: 'shpss_0f6e',
  RECHARGE_CLIENT_SECRET: 'rc_77aa',
};
// What has no default: an example stands there.
const EXAMPLES =
  /^sites(\[0\](\.(id|(shopify|recharge)(\.secrets|\.domain)?|(meta|klaviyo)(\.datasetId|\.accessToken|\.privateKey)?))?)?$/;

describe('config/default.yaml', () => {
  it('runs as it stands, without a single secret', () => {
    const config = readConfig({ file, text, env: {}, destinations });
    expect(config.sites.map(({ id, destinations: ways }) => [id, ways.size])).toEqual([['shop', 0]]);
    expect(config.store.url).toBe('sqlite:./data/sluice.db');
  });

  it('runs with the blocks of its site uncommented', () => {
    const [site] = readConfig({ file, text: uncommented, env, destinations }).sites;
    expect([...(site?.destinations.keys() ?? [])]).toEqual(['meta', 'klaviyo']);
    expect(site?.purchases).toBe('webhook');
  });

  it('documents every key of the schema', () => {
    const missing = keyPaths(schema).filter((path) => valueAt(whole, path) === undefined);
    expect(missing.map(writePath)).toEqual([]);
  });

  it('shows the default of each key', () => {
    const bare = readConfig({ file, text: 'sites: [{ id: shop }]', env: {}, destinations });
    const shown = readConfig({ file, text, env: {}, destinations });
    expect(shown).toEqual(bare);
  });

  it('shows the default of each key of the commented blocks', () => {
    const required = keyPaths(schema).filter((path) => EXAMPLES.test(writePath(path)));
    const given = Object.fromEntries(required.map((path) => [writePath(path), valueAt(whole, path)]));
    const sparse = {
      id: 'shop',
      meta: { datasetId: given['sites[0].meta.datasetId'], accessToken: given['sites[0].meta.accessToken'] },
      klaviyo: { privateKey: given['sites[0].klaviyo.privateKey'] },
      shopify: { domain: given['sites[0].shopify.domain'], secrets: given['sites[0].shopify.secrets'] },
      recharge: { secrets: given['sites[0].recharge.secrets'] },
    };
    const [fromExamples] = readConfig({ file, text: JSON.stringify({ sites: [sparse] }), env, destinations }).sites;
    const [fromFile] = readConfig({ file, text: uncommented, env, destinations }).sites;
    expect(fromFile).toEqual(fromExamples);
  });
});
