import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { brief, GOOD, openReader } from './reading.ts';

const { folder, read, mistakes } = openReader();
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('policies', () => {
  it('are looked for beside the configuration first, and their mistakes name the policy file', () => {
    const file = join(folder, 'policies', 'default.yaml');
    mkdirSync(join(folder, 'policies'), { recursive: true });
    writeFileSync(
      file,
      'id: default\nregions: { regulated: [], opt_out: [us], apply_everywhere: false }\ndestinations:\n  klavyo: { optOut: drop, events: "*" }\n',
    );
    try {
      const found = mistakes(`lgo: 1\n${GOOD}`);
      expect(found.map((mistake) => [mistake.file, ...brief(mistake)])).toEqual([
        [join(folder, 'sluice.yaml'), 1, 'lgo', 'log'],
        [file, 1, 'consent', null],
        [file, 2, 'regions.opt_out[0]', null],
        [file, 4, 'destinations.klavyo', 'klaviyo'],
      ]);
    } finally {
      rmSync(join(folder, 'policies'), { recursive: true });
    }
  });

  it('may be named by a path relative to the configuration', () => {
    writeFileSync(
      join(folder, 'strict.yaml'),
      'id: strict\nregions: { regulated: [], opt_out: [], apply_everywhere: true }\nconsent: { maxAgeMonths: 6, requireAlertBoxCookie: true }\ndestinations: {}\n',
    );
    expect(read(`${GOOD}    policy: ./strict.yaml\n`).sites[0]?.policy.id).toBe('strict');
  });
});
