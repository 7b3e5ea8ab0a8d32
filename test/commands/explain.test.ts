import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { registerExplain } from '../../src/commands/explain.ts';
import { prepareCommand } from './running.ts';

const AT = '2026-11-24T08:00:00Z';
const GROUPS = { granted: 'C0001:1,C0004:1', refused: 'C0001:1,C0004:0' };

const oneTrust = (groups: string) => ({
  onetrust: `groups=${groups}&datestamp=Mon+Nov+23+2026+10:00:00+GMT%2B0100&version=202602.1.0`,
  onetrust_closed: '2026-11-23T09:00:00.000Z',
});

function bench(event: unknown, sites?: readonly string[]) {
  const prepared = prepareCommand(registerExplain, { onEnd: onTestFinished, ...(sites ? { sites } : {}) });
  const file = join(prepared.folder, 'event.json');
  writeFileSync(file, typeof event === 'string' ? event : JSON.stringify(event));
  const explain = (...args: readonly string[]) => prepared.run('explain', file, '--at', AT, ...args);
  return { explain, json: async (...args: readonly string[]) => JSON.parse((await explain('--json', ...args)).out) };
}

const purchase = (consent: unknown, more: object = {}) => ({
  name: 'purchase',
  event_id: 'order-1001',
  consent,
  ...more,
});

describe('explain', () => {
  it('prints the decision of each destination with its sentence, and one line for each rule', async () => {
    const { explain } = bench(purchase(oneTrust(GROUPS.refused)));
    const { out, err, code } = await explain('--country', 'DE');
    expect([code, err]).toEqual([0, '']);
    expect(out).toMatch(/^event {4}purchase order-1001, from a browser\n/);
    expect(out).toMatch(/\nregion {3}regulated: DE \(proxy_header\)\n/);
    expect(out).toMatch(
      /\nmeta: drop, category\.denied\n {2}The category that this destination belongs to was refused\.\n/,
    );
    expect(out).toMatch(/\n {2}FAILS {2}onetrust group C0004 +required: granted; found: \S+\n/);
    expect(out).toMatch(/\nnote: duplicates, withdrawals and erasures were not looked at/);
  });

  it('permits what is granted, and prints the same as JSON', async () => {
    const { json } = bench(purchase(oneTrust(GROUPS.granted)));
    const found = await json('--country', 'DE');
    expect(found).toMatchObject({
      region: 'regulated',
      region_basis: 'proxy_header',
      site: 'shop',
      signals: ['onetrust'],
    });
    expect(found.decisions).toMatchObject([
      { destination: 'meta', verdict: 'permit', reason: 'consent.granted', signals: { onetrust: 'granted' } },
      { destination: 'klaviyo', verdict: 'permit', reason: 'consent.granted' },
    ]);
    for (const { rules } of found.decisions) {
      expect(rules.length).toBeGreaterThan(0);
      for (const rule of rules) expect(rule).toMatchObject({ holds: true, signal: 'onetrust' });
    }
  });

  it.each<[string, readonly string[], object, string, string]>([
    ['no country is regulated', [], {}, 'regulated', 'consent.absent'],
    ['the US needs no consent', ['--country', 'US'], {}, 'opt_out', 'consent.not_required'],
    ['the US honours GPC', ['--country', 'us'], { consent: { gpc: true } }, 'opt_out', 'optout.gpc'],
    [
      "a server's event names its own country",
      ['--country', 'DE'],
      { country: 'US' },
      'opt_out',
      'consent.not_required',
    ],
    ["a client's hint tightens", ['--country', 'US'], { user: { country: 'FR' } }, 'regulated', 'consent.absent'],
  ])('%s', async (_what, args, more, region, reason) => {
    const { json } = bench({ name: 'purchase', ...more });
    expect(await json(...args)).toMatchObject({ region, decisions: [{ reason }, { reason }] });
  });

  it('names facts about the event before its consent', async () => {
    const webhook = '    shopify: { domain: shop.myshopify.com, secrets: ["$' + '{env:META}"] }';
    const klaviyo = '    klaviyo: { privateKey: "$' + '{env:KLAVIYO}" }';
    const { json } = bench(purchase(oneTrust(GROUPS.granted)), ['  - id: shop', klaviyo, webhook]);
    const { decisions } = await json('--country', 'DE');
    expect(decisions).toMatchObject([
      { reason: 'destination.not_configured', consent_reason: 'consent.granted' },
      { reason: 'event.superseded', consent_reason: 'consent.granted' },
    ]);
    const old = bench(purchase(oneTrust(GROUPS.granted), { time: '2026-11-01T08:00:00Z' }));
    expect((await old.json('--country', 'DE')).decisions[0]).toMatchObject({
      destination: 'meta',
      reason: 'event.too_old',
    });
  });

  it('asks for the site where there are several, and for one that is there', async () => {
    const { explain, json } = bench({ name: 'page_view' }, ['  - id: shop', '  - id: outlet']);
    expect(await explain()).toMatchObject({
      code: 2,
      err: expect.stringMatching(/name one by --site \(shop, outlet\)/),
    });
    expect(await explain('--site', 'attic')).toMatchObject({ code: 2, err: expect.stringMatching(/no site attic/) });
    expect(await json('--site', 'outlet')).toMatchObject({ site: 'outlet' });
  });

  it.each<[string, unknown, readonly string[], RegExp]>([
    ['no JSON', '{"name":', [], /does not hold JSON/],
    ['no event', '[]', [], /event_invalid/],
    ['an unknown key', { name: 'purchase', vlaue: 3 }, [], /vlaue is not known; the nearest known key is value/],
    ['a wrong country', { name: 'purchase' }, ['--country', 'Germany'], /--country must be/],
    ['a wrong address', { name: 'purchase' }, ['--ip', '300.1.1.1'], /--ip must be/],
    ['a wrong time', { name: 'purchase' }, ['--at', 'noon'], /--at must be/],
  ])('refuses %s with a sentence and exit code 2', async (_what, event, args, sentence) => {
    const { code, out, err } = await bench(event).explain(...args);
    expect([code, out]).toEqual([2, '']);
    expect(err).toMatch(sentence);
  });

  it('says so when the file is not there', async () => {
    const { run } = prepareCommand(registerExplain, { onEnd: onTestFinished });
    expect(await run('explain', '/nowhere/event.json')).toMatchObject({
      code: 2,
      err: expect.stringMatching(/cannot be read/),
    });
  });
});
