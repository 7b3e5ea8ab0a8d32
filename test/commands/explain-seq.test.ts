import { copyFileSync } from 'node:fs';
import Database from 'better-sqlite3';
import { describe, expect, it, onTestFinished } from 'vitest';
import { registerExplain } from '../../src/commands/explain.ts';
import type { Candidate } from '../../src/core/ports.ts';
import { openSqliteStore } from '../../src/store/sqlite.ts';
import { oneTrustCookie } from '../consent-samples.ts';
import { START_MS, storeWorld } from '../store/world.ts';
import { prepareCommand } from './running.ts';

const refusal = oneTrustCookie({ atMs: START_MS - 1000, groups: { C0001: 1, C0004: 0 } });

/** A log that the store wrote about these candidates, each with a decision for Meta and one for Klaviyo; then `tamper`. */
async function logged(candidates: (world: ReturnType<typeof storeWorld>) => readonly Candidate[], tamper?: string) {
  const world = storeWorld(openSqliteStore);
  onTestFinished(() => world.end());
  const store = await world.open();
  for (const candidate of candidates(world)) await store.accept([candidate]);
  await world.close();
  const prepared = prepareCommand(registerExplain, { onEnd: onTestFinished });
  copyFileSync(world.file, prepared.database);
  const db = new Database(prepared.database);
  const seqs = db.prepare('SELECT seq FROM log_entry WHERE kind = 1 ORDER BY seq').pluck().all().map(Number);
  if (tamper !== undefined) db.exec(tamper);
  db.close();
  return { seqs, explain: (...args: readonly string[]) => prepared.run('explain', ...args) };
}

describe('explain --seq', () => {
  it('performs each logged decision again, from the log alone, and comes to the same', async () => {
    const { seqs, explain } = await logged((world) => [
      world.candidate({ event: 'a' }),
      world.candidate({ event: 'a' }),
      world.candidate({ event: 'b', visitor: 'ben', consent: refusal }),
      world.candidate({ event: 'c', visitor: 'carl', consent: null }),
      world.candidate({ event: 'd', objections: [{ code: 'event.superseded', destination: '*' }] }),
      world.candidate({ event: 'e', timeMs: START_MS - 8 * 86_400_000 }),
    ]);
    const reasons: string[] = [];
    for (const seq of seqs) {
      const { out, code, err } = await explain('--seq', String(seq), '--json');
      expect([err, code]).toEqual(['', 0]);
      const { logged: found, decisions } = JSON.parse(out);
      expect(found).toMatchObject({ seq, same: true });
      reasons.push(`${decisions[0].destination} ${decisions[0].reason}`);
    }
    expect(reasons).toEqual([
      'meta consent.granted',
      'klaviyo consent.granted',
      'meta event.duplicate',
      'klaviyo event.duplicate',
      'meta category.denied',
      'klaviyo category.denied',
      'meta consent.absent',
      'klaviyo consent.absent',
      'meta event.superseded',
      'klaviyo event.superseded',
      'meta event.too_old',
      'klaviyo consent.granted',
    ]);
  });

  it('shows the evidence, the rules and the sentence of then', async () => {
    const { seqs, explain } = await logged((world) => [world.candidate({ event: 'b', consent: refusal })]);
    const { out } = await explain('--seq', String(seqs[0]));
    expect(out).toMatch(/^event {4}begin_checkout b, from a browser\nsite {5}shop, policy default@[0-9a-f]{16}\n/);
    expect(out).toMatch(/\n {2}onetrust: .*denied: \["C0004"\]/);
    expect(out).toMatch(
      /\nmeta: drop, category\.denied\n {2}The category that this destination belongs to was refused\.\n/,
    );
    expect(out).toMatch(/\nThe log says the same in entry \d+: drop, category\.denied\.\n/);
  });

  it('ends with 1 where the log says otherwise', async () => {
    const swap = `DROP TRIGGER log_entry_no_update; UPDATE log_entry SET verdict = (SELECT id FROM dictionary WHERE kind = 'verdict' AND text = 'permit'),
      reason = (SELECT id FROM dictionary WHERE kind = 'reason' AND text = 'consent.granted')
      WHERE reason = (SELECT id FROM dictionary WHERE kind = 'reason' AND text = 'category.denied')`;
    const { seqs, explain } = await logged(
      (world) => [world.candidate({ event: 'a' }), world.candidate({ event: 'b', visitor: 'ben', consent: refusal })],
      swap,
    );
    const { out, code } = await explain('--seq', String(seqs[2]));
    expect(code).toBe(1);
    expect(out).toMatch(/\nmeta: drop, category\.denied\n/);
    expect(out).toMatch(/\nThe log says OTHERWISE in entry \d+: permit, consent\.granted\./);
  });

  it('says so where the evidence was erased', async () => {
    const { seqs, explain } = await logged(
      (world) => [world.candidate({ event: 'b', consent: refusal })],
      'DELETE FROM evidence',
    );
    const { err, code } = await explain('--seq', String(seqs[0]));
    expect([code, err]).toEqual([
      2,
      expect.stringMatching(/evidence of entry \d+ was erased: .*drop, category\.denied/),
    ]);
  });

  it.each<[string, readonly string[], RegExp]>([
    ['an entry that is not there', ['--seq', '999'], /no entry 999/],
    ['an entry of another kind', ['--seq', '1'], /entry 1 of the log is no decision/],
    ['what is no number', ['--seq', 'first'], /--seq must be/],
    ['a file as well', ['event.json', '--seq', '2'], /--seq takes everything from the log/],
    ['another moment', ['--seq', '2', '--at', '2026-11-24'], /--seq takes everything from the log/],
    ['nothing to explain', [], /name a FILE/],
  ])('refuses %s', async (_name, args, sentence) => {
    const { explain } = await logged((world) => [world.candidate({ event: 'a' })]);
    const { code, err } = await explain(...args);
    expect([code, err]).toEqual([2, expect.stringMatching(sentence)]);
  });
});
