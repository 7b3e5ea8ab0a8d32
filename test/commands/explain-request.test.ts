import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { registerExplain } from '../../src/commands/explain.ts';
import { prepareCommand } from './running.ts';

const AT = '2026-11-24T08:00:00Z';
const secret = (name: string) => `\${env:${name}}`;
const SITES = [
  '  - id: shop',
  '    origins: ["https://shop.example"]',
  `    serverTokens: ["${secret('META')}"]`,
  `    meta: { datasetId: "1234567890", accessToken: "${secret('META')}" }`,
  `    klaviyo: { privateKey: "${secret('KLAVIYO')}" }`,
  '  - id: outlet',
  '    origins: ["https://outlet.example"]',
];
const ONETRUST =
  'OptanonConsent=groups=C0001%3A1%2CC0004%3A1&version=202606.1.0; OptanonAlertBoxClosed=2026-11-23T09:00:00.000Z';

interface Sent {
  readonly line?: string;
  readonly headers?: readonly string[];
  readonly body?: unknown;
  /** How the lines of the head end. */
  readonly eol?: string;
}

function bench({
  line = 'POST /collect HTTP/1.1',
  headers = ['Origin: https://shop.example'],
  body,
  eol = '\r\n',
}: Sent) {
  const prepared = prepareCommand(registerExplain, { onEnd: onTestFinished, sites: SITES });
  const file = join(prepared.folder, 'request.http');
  const text = body === undefined || typeof body === 'string' ? (body ?? '') : JSON.stringify(body);
  writeFileSync(file, [line, 'Content-Type: application/json', ...headers, '', text].join(eol));
  const explain = (...args: readonly string[]) => prepared.run('explain', '--request', file, '--at', AT, ...args);
  return { explain, json: async (...args: readonly string[]) => JSON.parse((await explain('--json', ...args)).out) };
}

const purchase = (consent?: unknown) => ({ name: 'purchase', event_id: 'order-1001', ...(consent ? { consent } : {}) });

describe('explain --request', () => {
  it('reads cookies and headers as the server does, and shows its answer', async () => {
    const { json } = bench({ headers: ['Origin: https://shop.example', `Cookie: ${ONETRUST}`], body: purchase() });
    const found = await json('--country', 'DE');
    expect(found).toMatchObject({ request: 'POST /collect', answer: { status: 202 } });
    expect(JSON.parse(found.answer.body).events).toMatchObject([{ meta: 'permit', klaviyo: 'permit' }]);
    expect(found.answer.cookies.join()).toMatch(/_slc=/);
    expect(found.explanations).toMatchObject([
      {
        site: 'shop',
        region: 'regulated',
        signals: ['onetrust'],
        decisions: [{ verdict: 'permit' }, { verdict: 'permit' }],
      },
    ]);
  });

  it('judges body and cookies together: a refusal in either counts', async () => {
    const headers = ['Origin: https://shop.example', `Cookie: ${ONETRUST}`, 'Sec-GPC: 1'];
    const { explain } = bench({ headers, body: purchase({ gcs: 'G100' }) });
    const { out, code } = await explain('--country', 'DE');
    expect(code).toBe(0);
    expect(out).toMatch(/^request {2}POST \/collect\nanswer {3}202 /);
    expect(out).toMatch(/\nmeta: drop, storage\.denied\n/);
    expect(out).toMatch(/\n {2}FAILS {2}google ad_storage +required: granted by the visitor; found: denied\n/);
    expect(out).toMatch(/\n {2}= google: denied:storage\.denied\n {2}= gpc: none:optout\.gpc\n/);
    expect(out).toMatch(/\nnote: duplicates, withdrawals and erasures were not looked at/);
  });

  it('explains every event of a batch, and names those that the server refuses', async () => {
    const { json } = bench({ body: { events: [purchase(), { name: 'purchase', vlaue: 1 }, { name: 'view_item' }] } });
    const { answer, explanations } = await json('--country', 'US');
    expect(explanations.map(({ event }: { event: { name: string } }) => event.name)).toEqual(['purchase', 'view_item']);
    expect(JSON.parse(answer.body).rejected).toMatchObject([{ index: 1, code: 'event_invalid' }]);
  });

  it('explains a report of a new consent state', async () => {
    const { json } = bench({ line: 'POST /consent HTTP/1.1', body: { visitor_id: 'anna', consent: { gcs: 'G100' } } });
    const { answer, explanations } = await json('--country', 'DE');
    expect(JSON.parse(answer.body)).toMatchObject({ state: { meta: 'drop', klaviyo: 'drop' } });
    expect(explanations).toMatchObject([
      { event: null, decisions: [{ reason: 'storage.denied' }, { reason: 'storage.denied' }] },
    ]);
  });

  it('mends what an editor does to a saved message: line ends and length', async () => {
    const headers = ['Origin: https://shop.example', 'Content-Length: 3'];
    const { json } = bench({ headers, body: `${JSON.stringify(purchase())}\n`, eol: '\n' });
    expect(await json('--country', 'US')).toMatchObject({
      answer: { status: 202 },
      explanations: [{ region: 'opt_out' }],
    });
  });

  it('takes a header for nobody’s word: the country is what --country says', async () => {
    const { json } = bench({ headers: ['Origin: https://shop.example', 'CF-IPCountry: US'], body: purchase() });
    expect((await json()).explanations).toMatchObject([{ region: 'regulated', region_basis: 'unknown' }]);
    expect((await json('--country', 'US')).explanations).toMatchObject([{ region: 'opt_out' }]);
  });

  it('reads a server’s message by its token, whose cookies and country header are its own', async () => {
    const headers = ['Authorization: Bearer EAAlive7f3c', `Cookie: ${ONETRUST}`];
    const { json } = bench({ headers, body: { ...purchase(), country: 'JP' } });
    expect((await json('--country', 'DE')).explanations).toMatchObject([
      { event: { trust: 'server' }, region: 'open', region_basis: 'server_token', signals: [] },
    ]);
  });

  it('stands in for the page of a message without one, where --site names the site', async () => {
    const { json } = bench({ headers: [], body: purchase() });
    expect((await json('--site', 'shop')).explanations).toMatchObject([{ site: 'shop' }]);
    expect(await json()).toMatchObject({ answer: { status: 403 }, explanations: [] });
  });

  it.each<[string, Sent, number, string]>([
    [
      'an Origin that is not listed',
      { headers: ['Origin: https://elsewhere.example'], body: purchase() },
      403,
      'origin_not_allowed',
    ],
    ['broken JSON', { body: '{"name":' }, 400, 'invalid_json'],
    ['an unknown address', { line: 'POST /nowhere HTTP/1.1', body: purchase() }, 404, 'not_found'],
  ])('shows how the server refuses %s', async (_name, sent, status, code) => {
    const found = await bench(sent).json();
    expect(found).toMatchObject({ answer: { status }, explanations: [] });
    expect(JSON.parse(found.answer.body).code).toBe(code);
    expect(found.notes).toContain('nothing was decided');
  });

  it.each(['{"name":"purchase"}', 'POST /collect', ''])('refuses %j, which is no message', async (line) => {
    const { code, err } = await bench({ line }).explain();
    expect([code, err]).toEqual([2, expect.stringMatching(/no HTTP\/1\.1 message/)]);
  });
});
