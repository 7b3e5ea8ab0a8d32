import { rmSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { GOOD, openReader } from './reading.ts';

const { folder, mistakes } = openReader();
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('broken YAML', () => {
  it('names the line, and what was read for certain before it', () => {
    const found = mistakes('lgo: {}\nlimits:\n\tbodyBytes: 1\nnonsense: 1\n');
    expect(found.map(({ line, key }) => [line, key])).toEqual([
      [1, 'lgo'],
      [3, ''],
    ]);
    expect(found[1]?.message).toMatch(/^is not valid YAML: /);
  });

  it('names a key that stands twice beside all other mistakes', () => {
    const found = mistakes(`log: { level: info }\nlog: { level: debug }\nlgo: 1\n${GOOD}`);
    expect(found.map(({ line, key, message }) => [line, key, message])).toEqual([
      [2, 'log', 'stands here twice'],
      [3, 'lgo', 'is not a known key'],
    ]);
  });

  it('survives a bomb of aliases', () => {
    const rows = Array.from({ length: 9 }, (_, n) => `a${n + 1}: &a${n + 1} [${Array(9).fill(`*a${n}`).join(', ')}]`);
    expect(mistakes(`a0: &a0 [x]\n${rows.join('\n')}\n`)[0]?.message).toContain('aliases cannot be resolved');
  });
});
