import { copyFileSync, existsSync, readdirSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, it, onTestFinished } from 'vitest';
import { CannotRun } from '../../src/core/errors.ts';
import { type DecisionRow, type DeliveryRow, type LogFilter, openQueries } from '../../src/store/queries.ts';
import { openForReading, withLog } from '../../src/store/read.ts';
import {
  buildLog,
  bytesOf,
  CHAIN,
  type LogBuilder,
  logDay,
  logDelivery,
  logEvent,
  POLICY,
  temporaryFolder,
} from '../log-builder.ts';

const newFile = () => join(temporaryFolder(onTestFinished), 'sluice.db');

function collect<K extends 'decisions' | 'deliveries'>(file: string, what: K, filter: LogFilter = {}) {
  return withLog(file, async (store) => {
    const rows: (K extends 'decisions' ? DecisionRow : DeliveryRow)[] = [];
    for await (const page of (await openQueries(store))[what](filter)) rows.push(...(page as typeof rows));
    return rows;
  });
}

const AT_MS = Date.UTC(2026, 10, 24, 9, 30);

async function oneSale(): Promise<LogBuilder> {
  const log = await buildLog(newFile());
  const event = logEvent(log, { id: 'order-1001', atMs: AT_MS, klaviyo: 'drop' });
  log.commit();
  logDelivery(log, event, { destination: 'meta', outcome: 'retrying', started: 2, code: 'http.500' });
  logDelivery(log, event, { destination: 'meta', outcome: 'accepted', started: 3, attempt: 2 });
  log.close();
  return log;
}

describe('decisions', () => {
  it('come in the exact shape of the contract', async () => {
    const { file } = await oneSale();
    expect((await collect(file, 'decisions'))[0]).toStrictEqual({
      seq: 1,
      time: '2026-11-24T09:30:00.000Z',
      site: 'shop',
      source: 'browser',
      event_id: 'order-1001',
      event_name: 'purchase',
      destination: 'meta',
      verdict: 'permit',
      reason: 'consent.granted',
      region: 'regulated',
      region_basis: 'proxy_header',
      signals: { onetrust: 'granted' },
      purposes_required: [1, 3, 4],
      purposes_granted: [1, 3, 4],
      policy_id: POLICY.ref,
      trust: 'browser',
      subject_ref: `01${bytesOf('visitor order-1001', 16).toString('hex')}`,
      chain: CHAIN,
    });
    expect((await collect(file, 'decisions'))[1]).toMatchObject({
      destination: 'klaviyo',
      verdict: 'drop',
      signals: { onetrust: 'denied:category.denied' },
      purposes_granted: [],
    });
  });

  it('have no subject once the link was erased', async () => {
    const { file } = await oneSale();
    const db = new Database(file);
    db.exec('DELETE FROM subject_link');
    db.close();
    expect((await collect(file, 'decisions')).map((row) => row.subject_ref)).toEqual([null, null]);
  });

  it('of a damaged log end with the place instead of an invented word', async () => {
    const { file } = await oneSale();
    const db = new Database(file);
    db.exec('DROP TRIGGER log_entry_no_update; UPDATE log_entry SET reason = 4711 WHERE seq = 2');
    db.close();
    await expect(collect(file, 'decisions')).rejects.toThrow('entry 2 of the log names a reason that does not exist');
  });
});

describe('deliveries', () => {
  it('come in the exact shape of the contract, with the event of their decision', async () => {
    const { file } = await oneSale();
    const rows = await collect(file, 'deliveries');
    expect(rows[1]).toStrictEqual({
      seq: 4,
      time: expect.stringMatching(/Z$/),
      site: 'shop',
      event_id: 'order-1001',
      event_name: 'purchase',
      destination: 'meta',
      outcome: 'accepted',
      attempt: 2,
      http_status: 200,
      code: null,
      trace_id: expect.stringMatching(/^A/),
      decision_seq: 1,
      decision_chain: CHAIN,
      started_seq: 3,
      chain: CHAIN,
    });
    expect(rows.map(({ outcome, code }) => [outcome, code])).toEqual([
      ['retrying', 'http.500'],
      ['accepted', null],
    ]);
  });
});

describe('filters', () => {
  it('from is included, to is not', async () => {
    const log = await buildLog(newFile());
    for (const minute of [0, 1, 2]) logEvent(log, { id: `order-${minute}`, atMs: AT_MS + minute * 60_000 });
    log.close();
    const ids = async (filter: LogFilter) => [
      ...new Set((await collect(log.file, 'decisions', filter)).map((row) => row.event_id)),
    ];
    expect(await ids({ fromMs: AT_MS + 60_000 })).toEqual(['order-1', 'order-2']);
    expect(await ids({ toMs: AT_MS + 60_000 })).toEqual(['order-0']);
    expect(await ids({ fromMs: AT_MS + 60_000, toMs: AT_MS + 120_000 })).toEqual(['order-1']);
  });

  it('site chooses the decisions and deliveries of one site; one that is not there has none', async () => {
    const log = await buildLog(newFile());
    for (const site of ['shop', 'outlet']) {
      const event = logEvent(log, { id: `order-${site}`, site });
      logDelivery(log, event, { destination: 'meta', outcome: 'accepted', started: event.klaviyo });
    }
    log.close();
    for (const what of ['decisions', 'deliveries'] as const) {
      expect(new Set((await collect(log.file, what, { site: 'outlet' })).map((row) => row.site))).toEqual(
        new Set(['outlet']),
      );
      expect(await collect(log.file, what, { site: 'nosuch' })).toEqual([]);
    }
  });

  it('more than one page is read without a gap or a double', async () => {
    const log = await buildLog(newFile());
    logDay(log, 3000);
    log.close();
    const seqs = (await collect(log.file, 'decisions')).map((row) => row.seq);
    expect(seqs).toHaveLength(6000);
    expect(seqs).toEqual([...new Set(seqs)].sort((a, b) => a - b));
  });
});

describe('a database is opened for reading', () => {
  it('while a server writes: what was committed is there, also words that are new', async () => {
    const log = await buildLog(newFile());
    const rows = await withLog(log.file, async (store) => {
      const queries = await openQueries(store);
      logEvent(log, { id: 'order-1' });
      log.commit();
      logEvent(log, { id: 'order-2' });
      const found: DecisionRow[] = [];
      for await (const page of queries.decisions({})) found.push(...page);
      return found;
    });
    log.close();
    expect(rows.map((row) => row.event_id)).toEqual(['order-1', 'order-1']);
  });

  it('beside a server that was killed', async () => {
    const log = await buildLog(newFile());
    logDay(log, 1);
    const copy = newFile();
    // A copy of files in use is what a kill leaves behind: a write-ahead log that nobody has moved home.
    for (const end of ['', '-wal']) copyFileSync(`${log.file}${end}`, `${copy}${end}`);
    log.close();
    expect(await collect(copy, 'decisions')).toHaveLength(2);
  });

  it('and leaves the folder as it was', async () => {
    const { file } = await oneSale();
    const before = readdirSync(join(file, '..'));
    await collect(file, 'decisions');
    expect(readdirSync(join(file, '..'))).toEqual(before);
    const store = openForReading(file);
    onTestFinished(() => store.close());
    expect(() => store.sqlite.exec('DELETE FROM evidence')).toThrow(/readonly/);
  });

  it.each<[string, RegExp, (file: string, log: LogBuilder) => void]>([
    ['of something else', /not a database of Sluice/, (file) => alter(file, 'PRAGMA application_id = 1')],
    [
      'of a newer version',
      /newer Sluice/,
      (file) => alter(file, `INSERT INTO kysely_migration VALUES ('9999-later', '2027')`),
    ],
    ['of an older version', /older Sluice/, (file) => alter(file, 'DELETE FROM kysely_migration')],
    ['that is no database', /is not a database/, (file) => writeFileSync(file, 'not a database, but text'.repeat(100))],
    ['that is empty', /not a database of Sluice/, (file) => truncateSync(file)],
    ['that was cut off', /damaged/, (file) => truncateSync(file, 8192)],
  ])('but not one %s: the sentence says so', async (_what, sentence, spoil) => {
    const log = await oneSale();
    spoil(log.file, log);
    await expect(collect(log.file, 'decisions')).rejects.toThrow(sentence);
    await expect(collect(log.file, 'decisions')).rejects.toBeInstanceOf(CannotRun);
  });

  it('but none is made where there is none', async () => {
    const file = newFile();
    expect(() => openForReading(file)).toThrow(/there is no database at .*sluice serve/);
    expect(existsSync(file)).toBe(false);
    expect(() => openForReading(join(file, '..'))).toThrow(/is not a file/);
  });
});

function alter(file: string, text: string): void {
  const db = new Database(file);
  db.exec(text);
  db.close();
}
