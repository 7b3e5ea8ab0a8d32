import { writeFileSync } from 'node:fs';
import Database from 'better-sqlite3';
import { describe, expect, it, onTestFinished } from 'vitest';
import { registerVerifyLog } from '../../src/commands/verify-log.ts';
import { buildLog, type LogBuilder, logDay, logDelivery, logEvent } from '../log-builder.ts';
import { prepareCommand } from './running.ts';

async function bench(write: (log: LogBuilder) => void = (log) => logDay(log, 8)) {
  const prepared = prepareCommand(registerVerifyLog, { onEnd: onTestFinished });
  const log = await buildLog(prepared.database);
  write(log);
  log.close();
  return prepared;
}

function alter(file: string, text: string): void {
  const db = new Database(file);
  db.exec(`DROP TRIGGER log_entry_no_update; DROP TRIGGER log_entry_no_delete; ${text}`);
  db.close();
}

/** Klaviyo was attempted while Meta was still being retried. */
function outOfTurn(log: LogBuilder): void {
  const event = logEvent(log, { id: 'order-1' });
  logDelivery(log, event, { destination: 'meta', outcome: 'retrying', started: 2, code: 'http.500' });
  logDelivery(log, event, { destination: 'klaviyo', outcome: 'accepted', started: 3 });
}

describe('verify-log', () => {
  it('says that a healthy log is whole, and what that covers', async () => {
    const { run } = await bench();
    const { out, err, code } = await run('verify-log', '--order');
    expect([code, err]).toEqual([0, '']);
    expect(out).toMatch(/^the log is whole\n/);
    expect(out).toMatch(/entries \(1–\d+\) in \d+ batches/);
    expect(out).toMatch(/order of 12 attempts on 16 decisions; 0 permits have not ended yet/);
    expect(out).toMatch(/head [0-9a-f]{64}/);
  });

  it('prints one JSON object', async () => {
    const { run } = await bench();
    const { out, code } = await run('verify-log', '--order', '--json');
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ ok: true, first_seq: 1, violations: [], order: { attempts: 12 } });
    expect(JSON.parse((await run('verify-log', '--json')).out)).toMatchObject({ order: null });
  });

  it('names the place of what was altered, and exits with 1', async () => {
    const { run, database } = await bench();
    alter(database, 'UPDATE log_entry SET country = NULL WHERE seq = 7; DELETE FROM log_entry WHERE seq = 11');
    const { out, code } = await run('verify-log');
    expect(code).toBe(1);
    expect(out).toMatch(/violation: entry 7 does not match its leaf hash.*\[entry\.changed\]\n/);
    expect(out).toMatch(/violation: entry 11 is missing from batch \d+ \[entry\.missing\]\n/);
    expect(out).toMatch(/the log is NOT whole: 2 violations\n/);
    expect(JSON.parse((await run('verify-log', '--json')).out)).toMatchObject({
      ok: false,
      violation_count: 2,
      violations: [
        { code: 'entry.changed', first_seq: 7, last_seq: 7 },
        { code: 'entry.missing', first_seq: 11 },
      ],
    });
  });

  it('prints no more findings than a person reads, and counts the rest', async () => {
    const { run, database } = await bench((log) => logDay(log, 60));
    alter(database, `UPDATE log_entry SET trace_id = 'x'`);
    const { out } = await run('verify-log');
    expect(out.match(/^violation: /gm)).toHaveLength(50);
    expect(out).toMatch(/… and \d+ more\n/);
  });

  it('finds an attempt out of turn only where the order is asked for', async () => {
    const { run } = await bench(outOfTurn);
    expect((await run('verify-log')).code).toBe(0);
    const { out, code } = await run('verify-log', '--order');
    expect(code).toBe(1);
    expect(out).toMatch(/entry 4 \(klaviyo\) began at entry 3, before it was its turn/);
  });

  it('exits with 2 where it cannot check: no database, no database of ours, an unknown option', async () => {
    const none = prepareCommand(registerVerifyLog, { onEnd: onTestFinished });
    expect(await none.run('verify-log')).toMatchObject({ code: 2, out: '', err: expect.stringMatching(/no database/) });
    writeFileSync(none.database, 'text, and no database'.repeat(400));
    expect(await none.run('verify-log')).toMatchObject({ code: 2, err: expect.stringMatching(/is not a database/) });
    expect(await none.run('verify-log', '--no-such-flag')).toMatchObject({ code: 2 });
  });
});
