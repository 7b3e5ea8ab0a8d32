import { describe, expect, it } from 'vitest';
import { usPrivacy } from '../../src/consent/us-privacy.ts';
import type { Region } from '../../src/core/region.ts';
import { askAbout, decideOn, fastest, keyedHash, spell } from './fixture.ts';

function judge(usprivacy: string, region: Region = 'opt_out') {
  const evidence = usPrivacy.decode({ usprivacy }, keyedHash);
  return evidence === null ? 'absent' : spell(usPrivacy.judge(evidence, askAbout({ region })));
}

describe('the US Privacy string', () => {
  it.each([
    ['1YYN', 'denied:optout.us_privacy'],
    ['1YYY', 'denied:optout.us_privacy'],
    ['1NYN', 'denied:optout.us_privacy'],
    ['1yyn', 'denied:optout.us_privacy'],
    ['1YNN', 'none:consent.absent'],
    ['1YN-', 'none:consent.absent'],
    ['1---', 'none:consent.absent'],
    ['1NNN', 'none:consent.absent'],
    ['2YYN', 'none:consent.malformed'],
    ['1YY', 'none:consent.malformed'],
    ['1YYNN', 'none:consent.malformed'],
    ['1YXN', 'none:consent.malformed'],
    ['1YY\n', 'none:consent.malformed'],
    ['YYYN', 'none:consent.malformed'],
    ['', 'absent'],
  ])('%j says %s', (text, verdict) => {
    expect(judge(text)).toBe(verdict);
  });

  it('is an opt-out by whoever sends it, wherever they are', () => {
    expect([judge('1YYN', 'regulated'), judge('1YYN', 'open')]).toEqual([
      'denied:optout.us_privacy',
      'denied:optout.us_privacy',
    ]);
  });

  it('is no consent when it opts out of nothing', () => {
    expect(decideOn([{ us_privacy: { opt_out: 'N' } }])).toMatchObject({ verdict: 'drop', reason: 'consent.absent' });
    expect(decideOn([{ us_privacy: { opt_out: 'N' } }], 'meta', 'opt_out').reason).toBe('consent.not_required');
  });

  it('is kept as its third letter alone', () => {
    expect(usPrivacy.decode({ usprivacy: '1nYy' }, keyedHash)).toEqual({ opt_out: 'Y' });
  });

  it('is answered within 5 ms, however long', () => {
    const runs = ['a', 'b', 'c'].map(
      (end) => () => usPrivacy.decode({ usprivacy: '1Y'.repeat(500_000) + end }, keyedHash),
    );
    expect(fastest(runs)).toBeLessThan(5);
  });
});
