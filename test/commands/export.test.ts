import { describe, expect, it, onTestFinished } from 'vitest';
import { registerExport } from '../../src/commands/export.ts';
import { buildLog, logDay, logDelivery, logEvent, START_MS } from '../log-builder.ts';
import { prepareCommand } from './running.ts';

async function bench(days = 8) {
  const prepared = prepareCommand(registerExport, { onEnd: onTestFinished });
  const log = await buildLog(prepared.database);
  logDay(log, days);
  log.close();
  return prepared;
}

const rowsIn = (text: string): Record<string, unknown>[] =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));

describe('export', () => {
  it('prints every decision as a line of JSON, in the order of the log', async () => {
    const { run } = await bench();
    const { out, err, code } = await run('export', 'decisions');
    expect([code, err]).toEqual([0, '']);
    const rows = rowsIn(out);
    expect(rows).toHaveLength(16);
    expect(Object.keys(rows[0] ?? {})).toEqual(
      (
        'seq time site source event_id event_name destination verdict reason region region_basis signals ' +
        'purposes_required purposes_granted policy_id trust subject_ref chain'
      ).split(' '),
    );
    expect(out.endsWith('}\n')).toBe(true);
  });

  it('prints every delivery, and only permitted ones have any', async () => {
    const { run } = await bench();
    const decisions = rowsIn((await run('export', 'decisions')).out);
    const deliveries = rowsIn((await run('export', 'deliveries', '--format', 'ndjson')).out);
    expect(deliveries.length).toBeGreaterThan(10);
    for (const { decision_seq, event_id } of deliveries) {
      expect(decisions.find(({ seq }) => seq === decision_seq)).toMatchObject({ verdict: 'permit', event_id });
    }
  });

  it('filters by time and site; a site that is not there prints nothing', async () => {
    const { run } = await bench();
    const after = new Date(START_MS + 20).toISOString();
    const [early, late] = [
      await run('export', 'decisions', '--to', after),
      await run('export', 'decisions', '--from', after),
    ];
    expect(rowsIn(early.out).length * rowsIn(late.out).length).toBeGreaterThan(0);
    expect(rowsIn(early.out).length + rowsIn(late.out).length).toBe(16);
    expect(rowsIn((await run('export', 'decisions', '--from', '2026-11-24', '--to', '2026-11-25')).out)).toHaveLength(
      16,
    );
    expect(await run('export', 'decisions', '--site', 'nosuch')).toEqual({ out: '', err: '', code: 0 });
  });

  it.each([
    [['nonsense'], /Allowed choices are decisions, deliveries/],
    [[], /missing required argument/],
    [['decisions', '--from', 'yesterday'], /--from must be a date or a time with its zone/],
    [['decisions', '--to', '2026-11-24T08:00:00'], /--to must be a date or a time with its zone/],
    [['decisions', '--from', '2026-12-01', '--to', '2026-11-01'], /--from is later than --to/],
    [['decisions', '--format', 'xml'], /Allowed choices are ndjson, csv/],
    [['decisions', '--no-such-flag'], /unknown option/],
  ])('refuses %j with a sentence and exit code 2', async (args, sentence) => {
    const { run } = await bench(1);
    const { out, err, code } = await run('export', ...args);
    expect([code, out]).toEqual([2, '']);
    expect(err).toMatch(sentence);
  });

  it.each(['decisions', 'deliveries'])(
    'prints %s as CSV with the columns of the contract, lists and signals as JSON',
    async (what) => {
      const { run } = await bench();
      const { out, code } = await run('export', what, '--format', 'csv');
      expect(code).toBe(0);
      const [head, ...lines] = out.trim().split('\n');
      const rows = rowsIn((await run('export', what)).out);
      expect(head).toBe(Object.keys(rows[0] ?? {}).join(','));
      expect(lines).toHaveLength(rows.length);
    },
  );

  it('quotes away what a spreadsheet would run', async () => {
    const prepared = prepareCommand(registerExport, { onEnd: onTestFinished });
    const log = await buildLog(prepared.database);
    logEvent(log, { id: '=cmd|calc' });
    log.close();
    const { out } = await prepared.run('export', 'decisions', '--format', 'csv');
    expect(out).toContain("'=cmd|calc");
    expect(out).not.toMatch(/(^|,)"?[=+@]/m);
  });

  it('has nothing to print without a database, and says what to do', async () => {
    const { run } = prepareCommand(registerExport, { onEnd: onTestFinished });
    expect(await run('export', 'decisions')).toMatchObject({
      code: 2,
      err: expect.stringMatching(/no database at .*sluice serve/),
    });
  });

  it('works beside a server that is writing', async () => {
    const { run, database } = prepareCommand(registerExport, { onEnd: onTestFinished });
    const log = await buildLog(database);
    const event = logEvent(log, { id: 'order-1' });
    logDelivery(log, event, { destination: 'meta', outcome: 'accepted', started: 2 });
    log.commit();
    logDelivery(log, event, { destination: 'klaviyo', outcome: 'accepted', started: 3 });
    const { out, code } = await run('export', 'deliveries');
    log.close();
    expect([code, rowsIn(out).length]).toEqual([0, 1]);
  });
});
