import { describe, expect, it } from 'vitest';
import { gpc } from '../../src/consent/gpc.ts';
import type { Region } from '../../src/core/region.ts';
import { askAbout, decideOn, keyedHash, spell } from './fixture.ts';

describe('Global Privacy Control', () => {
  it('is a signal only when it is on', () => {
    expect([
      gpc.decode({ gpc: true }, keyedHash),
      gpc.decode({ gpc: false }, keyedHash),
      gpc.decode({}, keyedHash),
    ]).toEqual([{ gpc: true }, null, null]);
  });

  it.each<[Region, string]>([
    ['regulated', 'none:optout.gpc'],
    ['opt_out', 'denied:optout.gpc'],
    ['open', 'denied:optout.gpc'],
  ])('in a region that is %s says %s', (region, verdict) => {
    expect(spell(gpc.judge({ gpc: true }, askAbout({ region })))).toBe(verdict);
  });

  it('decides nothing in a regulated region', () => {
    expect(decideOn([{ gpc: { gpc: true } }])).toMatchObject({ verdict: 'drop', reason: 'consent.absent' });
  });
});
