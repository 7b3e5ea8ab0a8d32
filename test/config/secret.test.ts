import { rmSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { env, file, GOOD, openReader } from './reading.ts';

const { folder, mistakes } = openReader();
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const NO_LITERAL = `must be \${env:NAME} or \${file:/path}, never the value itself`;

describe('secrets', () => {
  it.each([
    ['EAAliteral', NO_LITERAL],
    [`Bearer ${env('META_ACCESS_TOKEN')}`, NO_LITERAL],
    [env('NOT_THERE'), 'the environment variable NOT_THERE is not set'],
    [env('EMPTY'), 'the environment variable EMPTY is empty'],
    [env('TWO_LINES'), 'the environment variable TWO_LINES holds a line break or another control character'],
    [file('/run/secrets/not-there'), 'the file /run/secrets/not-there cannot be read (ENOENT)'],
    [file('secrets/x'), 'the file secrets/x must be named by its absolute path'],
  ])('%s is refused', (text, message) => {
    const config = GOOD.replace(env('META_ACCESS_TOKEN'), text);
    const found = mistakes(config, { EMPTY: '', TWO_LINES: 'a\nX-Evil: b' });
    expect(found.map(({ line, key, message }) => [line, key, message])).toEqual([
      [5, 'sites[0].meta.accessToken', message],
    ]);
  });

  it('that were written out are not repeated in any mistake, broken YAML included', () => {
    const literal = 'EAAcanary77';
    const texts = [
      GOOD.replace(env('META_ACCESS_TOKEN'), literal),
      GOOD.replace(`"${env('META_ACCESS_TOKEN')}"`, `${literal}: ${literal}: x`),
      GOOD.replace(`"${env('META_ACCESS_TOKEN')}" }`, `"a" "${literal}"`),
      GOOD.replace(`"${env('META_ACCESS_TOKEN')}"`, `*${literal}`),
      GOOD.replace(`"${env('META_ACCESS_TOKEN')}"`, `!${literal} x`),
    ];
    for (const text of texts) {
      expect(mistakes(text).length).toBeGreaterThan(0);
      expect(JSON.stringify(mistakes(text))).not.toContain(literal);
    }
  });
});
