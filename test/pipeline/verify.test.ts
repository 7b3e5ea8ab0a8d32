import { cpSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { batchHash, EMPTY_ENTRY, FIRST_PREVIOUS, leafHash } from '../../src/core/ledger.ts';
import type { Finding } from '../../src/pipeline/log-check.ts';
import { type VerifySummary, verifyLog } from '../../src/pipeline/verify.ts';
import { withLog } from '../../src/store/read.ts';
import { openStoredLog } from '../../src/store/stored-log.ts';
import { buildLog, CHAIN, logDay, logEvent, temporaryFolder } from '../log-builder.ts';

type Cell = string | number | Buffer | null;
type Row = Record<string, Cell>;

/** The number of the last row of each table. */
const last = { log_entry: 0, log_batch: 0 };
const ends: (() => void)[] = [];
const folder = temporaryFolder((clean) => ends.push(clean));
const healthy = join(folder, 'healthy.db');
const altered = join(folder, 'altered.db');
afterAll(() => {
  for (const end of ends) end();
});

beforeAll(async () => {
  const log = await buildLog(healthy);
  last.log_entry = logDay(log, 12);
  last.log_batch = Number(log.db.prepare('SELECT count(*) FROM log_batch').pluck().get());
  log.close();
});

async function check(file: string): Promise<{ findings: Finding[]; summary: VerifySummary }> {
  const findings: Finding[] = [];
  const summary = await withLog(file, (store) =>
    verifyLog(openStoredLog(store), { finding: (finding) => findings.push(finding) }),
  );
  return { findings, summary };
}

/** Checks a copy of the healthy log after somebody who owns the file had their way with it. */
async function checkAfter(change: (db: Database.Database) => void): Promise<readonly Finding[]> {
  cpSync(healthy, altered);
  const db = new Database(altered);
  for (const name of db.prepare("SELECT name FROM sqlite_schema WHERE type = 'trigger'").pluck().all()) {
    db.exec(`DROP TRIGGER ${name}`);
  }
  change(db);
  db.close();
  return (await check(altered)).findings;
}

const rowsOf = (db: Database.Database, table: string) => db.prepare(`SELECT * FROM ${table}`).all() as Row[];

function insert(db: Database.Database, table: string, row: Row): void {
  const names = Object.keys(row);
  db.prepare(`INSERT INTO ${table} (${names.join()}) VALUES (${names.map(() => '?').join()})`).run(
    ...Object.values(row),
  );
}

/** Whether a finding names an entry: alone or in a range, or one of its neighbours (a gap is seen from its edge). */
const names = (findings: readonly Finding[], seq: number) =>
  findings.some(
    ({ firstSeq, lastSeq }) => firstSeq !== null && lastSeq !== null && firstSeq - 1 <= seq && seq <= lastSeq + 1,
  );

/** Another value of the same type: a bit of it is flipped. */
function flip(value: Cell, type: string, bit: number): Cell {
  if (value === null) return type === 'INTEGER' ? bit : type === 'BLOB' ? Buffer.from([bit]) : String(bit);
  if (typeof value === 'number') return value ^ (1 << (bit % 8)) || -1;
  const bytes = Buffer.from(value);
  if (bytes.length === 0) return type === 'BLOB' ? Buffer.from([bit]) : String(bit);
  const at = bit % bytes.length;
  // Text stays text: of a letter of ASCII only the low bits are flipped.
  bytes[at] = (bytes[at] ?? 0) ^ (1 << (bit % (type === 'TEXT' ? 5 : 8)));
  return type === 'TEXT' ? bytes.toString('utf8') : bytes;
}

describe('a log that nobody touched', () => {
  it('is clean, and the summary says what was checked', async () => {
    const { findings, summary } = await check(healthy);
    expect(findings).toEqual([]);
    expect(summary).toMatchObject({
      entries: last.log_entry,
      batches: last.log_batch,
      firstSeq: 1,
      lastSeq: last.log_entry,
    });
    expect(summary.head).toMatch(/^[0-9a-f]{64}$/);
    expect(summary.evidence).toEqual({ checked: 24, erased: 0 });
    expect(summary.subjectLinks).toEqual({ checked: 24, erased: 0 });
  });

  it('is clean when it is empty', async () => {
    const file = join(temporaryFolder(onTestFinished), 'empty.db');
    (await buildLog(file)).close();
    expect(await check(file)).toMatchObject({ findings: [], summary: { entries: 0, batches: 0, head: null } });
  });

  it('is clean while a server writes: what is committed later is not looked at', async () => {
    const file = join(temporaryFolder(onTestFinished), 'live.db');
    const log = await buildLog(file);
    logDay(log, 3);
    const findings: Finding[] = [];
    const summary = await withLog(file, (store) => {
      const opened = openStoredLog(store);
      logDay(log, 3);
      logEvent(log, { id: 'not yet committed' });
      return verifyLog(opened, { finding: (finding) => findings.push(finding) });
    });
    log.close();
    expect(findings).toEqual([]);
    expect(summary.entries).toBe(16);
  });

  it('stays clean when evidence and subject links are erased, and counts them', async () => {
    const findings = await checkAfter((db) => db.exec('DELETE FROM evidence; DELETE FROM subject_link'));
    expect(findings).toEqual([]);
    expect((await check(altered)).summary).toMatchObject({
      evidence: { checked: 0, erased: 24 },
      subjectLinks: { checked: 0, erased: 24 },
    });
  });
});

describe('whoever changes one value is found', () => {
  const db = () => new Database(healthy, { readonly: true });
  const tables = {
    log_entry: { key: 'seq', place: (row: Row) => [Number(row['seq'])] },
    log_batch: { key: 'batch', place: (row: Row) => [Number(row['first_seq']), Number(row['last_seq'])] },
  } as const;

  it.each(['log_entry', 'log_batch'] as const)(
    'in any column of any row of %s, and the place is named',
    async (table) => {
      const source = db();
      const rows = rowsOf(source, table);
      const columns = source.pragma(`table_info(${table})`) as { name: string; type: string }[];
      source.close();
      const { key, place } = tables[table];
      for (const { name, type } of columns) {
        const filled = rows.filter((row) => row[name] !== null);
        await fc.assert(
          fc.asyncProperty(
            fc.constantFrom(...(filled.length > 0 ? filled : rows), ...rows),
            fc.nat(255),
            async (row, bit) => {
              const value = flip(row[name] ?? null, type, bit);
              const findings = await checkAfter((copy) => {
                // A number that is taken already would not be a change but an error.
                const moved = name === key ? 5000 + bit : value;
                copy.prepare(`UPDATE ${table} SET ${name} = ? WHERE ${key} = ?`).run(moved, row[key]);
              });
              expect(findings.length, `${table}.${name}`).toBeGreaterThan(0);
              expect(
                place(row).some((seq) => names(findings, seq)),
                `${table}.${name} of ${row[key]}`,
              ).toBe(true);
            },
          ),
          { numRuns: 20 },
        );
      }
    },
    120_000,
  );

  it.each([
    ['a text of the dictionary', `UPDATE dictionary SET text = 'consent.not_required' WHERE text = 'consent.granted'`],
    ['a kind of the dictionary', `UPDATE dictionary SET kind = 'reasons' WHERE text = 'consent.granted'`],
    ['the number of a text', `UPDATE dictionary SET id = id + 1000 WHERE text = 'purchase' OR text = 'meta'`],
    ['the chain', `UPDATE chain SET id = 'another'`],
    ['a second chain', `INSERT INTO chain VALUES ('another')`],
    ['the content of a policy', `UPDATE policy SET content = replace(content, 'C0004', 'C0001')`],
    ['the name of a policy', `UPDATE policy SET ref = 'default@0000000000000000'`],
    ['no policy at all', `DELETE FROM policy`],
    ['the body of evidence', `UPDATE evidence SET body = replace(body, ':1', ':0') WHERE id = 2`],
    ['the salt of evidence', `UPDATE evidence SET salt = x'00' WHERE id = 2`],
    ['the commitment of evidence', `UPDATE evidence SET commitment = x'00' WHERE id = 2`],
    [
      'the refs of a subject',
      `UPDATE subject_link SET refs = (SELECT refs FROM subject_link LIMIT 1) WHERE event_seq > 2`,
    ],
    ['the salt of a subject', `UPDATE subject_link SET salt = x'00' WHERE event_seq > 2`],
    ['a subject of an entry that has none', `UPDATE subject_link SET event_seq = 1 WHERE event_seq = 2`],
  ])('%s', async (_what, statement) => {
    expect(await checkAfter((copy) => copy.exec(statement))).not.toEqual([]);
  });
});

describe('whoever changes the order or the number of rows is found', () => {
  const rowOf = (table: keyof typeof last) => fc.integer({ min: 1, max: last[table] });

  it('entries that were deleted', async () => {
    await fc.assert(
      fc.asyncProperty(rowOf('log_entry'), async (seq) => {
        const findings = await checkAfter((db) => db.prepare('DELETE FROM log_entry WHERE seq = ?').run(seq));
        expect(findings).toContainEqual(
          expect.objectContaining({ code: 'entry.missing', firstSeq: seq, lastSeq: seq }),
        );
      }),
      { numRuns: 15 },
    );
  });

  it('batches that were deleted', async () => {
    await fc.assert(
      fc.asyncProperty(rowOf('log_batch'), async (batch) => {
        const findings = await checkAfter((db) => db.prepare('DELETE FROM log_batch WHERE batch = ?').run(batch));
        expect(findings.map(({ code }) => code)).toEqual(expect.arrayContaining(['entry.unsealed']));
      }),
      { numRuns: 15 },
    );
  });

  it('the last batch deleted without its entries, and the last entry without its batch', async () => {
    const headless = await checkAfter((db) => db.prepare('DELETE FROM log_batch WHERE batch = ?').run(last.log_batch));
    expect(headless.map(({ code }) => code)).toEqual(['entry.unsealed']);
    const cut = await checkAfter((db) => db.prepare('DELETE FROM log_entry WHERE seq = ?').run(last.log_entry));
    expect(cut.map(({ code }) => code)).toEqual(['entry.missing']);
  });

  it.each([
    ['log_entry', 'seq'],
    ['log_batch', 'batch'],
  ] as const)('two rows of %s that changed places', async (table, key) => {
    const number = rowOf(table);
    await fc.assert(
      fc.asyncProperty(number, number, async (a, b) => {
        fc.pre(a !== b);
        const findings = await checkAfter((db) => {
          const [first, second] = [a, b].map((one) => rowsOf(db, table).find((row) => row[key] === one) ?? {});
          db.prepare(`DELETE FROM ${table} WHERE ${key} IN (?, ?)`).run(a, b);
          insert(db, table, { ...first, [key]: b });
          insert(db, table, { ...second, [key]: a });
        });
        expect(findings.length).toBeGreaterThan(0);
        if (table === 'log_entry') expect(names(findings, a) && names(findings, b)).toBe(true);
        else expect([a, b].every((one) => findings.some(({ batch }) => batch === one))).toBe(true);
      }),
      { numRuns: 15 },
    );
  });

  it.each([1, 2, 1000])('an entry added %d behind the end', async (add) => {
    const findings = await checkAfter((db) =>
      insert(db, 'log_entry', { ...rowsOf(db, 'log_entry').at(-1), seq: last.log_entry + add }),
    );
    expect(names(findings, last.log_entry + add)).toBe(true);
  });

  it('an entry whose leaf was computed anew: the root tells, and the root computed anew: the hash tells', async () => {
    const forge = (db: Database.Database) => {
      const stored = db.prepare('SELECT * FROM log_entry WHERE seq = 1').get() as Row;
      const entry = {
        ...EMPTY_ENTRY,
        chain: CHAIN,
        seq: 1,
        kind: 5,
        at_ms: Number(stored['at_ms']),
        decision_chain: null,
      };
      const leaf = leafHash({ ...entry, detail: '{"version":"0.2.0"}' });
      db.prepare('UPDATE log_entry SET detail = ?, leaf = ? WHERE seq = 1').run('{"version":"0.2.0"}', leaf);
      return leaf;
    };
    const byRoot = await checkAfter(forge);
    expect(byRoot.map(({ code }) => code)).toEqual(['batch.wrong_root']);
    const byHash = await checkAfter((db) => db.prepare('UPDATE log_batch SET root = ? WHERE batch = 1').run(forge(db)));
    expect(byHash.map(({ code }) => code)).toEqual(['batch.changed']);
    const byLink = await checkAfter((db) => {
      const root = forge(db);
      const hash = batchHash({ previous: FIRST_PREVIOUS, root, firstSeq: 1, lastSeq: 1, chain: CHAIN });
      db.prepare('UPDATE log_batch SET root = ?, hash = ? WHERE batch = 1').run(root, hash);
    });
    expect(byLink).toMatchObject([{ code: 'batch.not_linked', batch: 2 }]);
  });
});
