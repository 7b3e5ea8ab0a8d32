import { spawnSync } from 'node:child_process';
import { sign, verify } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CannotRun } from '../src/core/errors.ts';
import { openKeys } from '../src/keys.ts';

let folder = '';
let file = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-keys-'));
  file = join(folder, 'data', 'keys.json');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const first = () => openKeys({ file, databaseExists: false });
const again = () => openKeys({ file, databaseExists: true });

describe('the first start', () => {
  it('makes a key file of mode 0600 in a folder of mode 0700, and leaves nothing else', () => {
    const keys = first();
    expect(keys.master).toHaveLength(32);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(statSync(join(folder, 'data')).mode & 0o777).toBe(0o700);
    expect(readdirSync(join(folder, 'data'))).toEqual(['keys.json']);
  });

  it('makes keys that sign, and that are never the same twice', () => {
    const { signing, master, fingerprint } = first();
    const checkpoint = Buffer.from('sluice\n1000\n');
    expect(verify(null, checkpoint, signing.publicKey, sign(null, checkpoint, signing.privateKey))).toBe(true);
    rmSync(file);
    const other = first();
    expect(other.master.equals(master)).toBe(false);
    expect(other.fingerprint).not.toBe(fingerprint);
  });

  it('of two processes at once leaves both with the same keys', () => {
    const script = `const { openKeys } = await import(${JSON.stringify(join(import.meta.dirname, '../src/keys.ts'))});
      process.stdout.write(openKeys({ file: ${JSON.stringify(file)}, databaseExists: false }).fingerprint);`;
    const run = `'${process.execPath}' --input-type=module -e "$SCRIPT"`;
    const both = spawnSync('sh', ['-c', `${run} & ${run}; wait`], { env: { ...process.env, SCRIPT: script } });
    const [a, b] = [both.stdout.toString().slice(0, 16), both.stdout.toString().slice(16)];
    expect(a).toMatch(/^[0-9a-f]{16}$/);
    expect(b).toBe(a);
  });
});

describe('a later start', () => {
  it('reads the same keys', () => {
    const made = first();
    const read = again();
    expect(read.master.equals(made.master)).toBe(true);
    expect(read.fingerprint).toBe(made.fingerprint);
    expect(read.signing.publicKey.equals(made.signing.publicKey)).toBe(true);
  });

  it('refuses when the file is missing beside a database, and makes none', () => {
    expect(again).toThrow(CannotRun);
    expect(again).toThrow('Restore the key file from your backup');
    expect(existsSync(file)).toBe(false);
  });

  it.each([0o640, 0o604, 0o660, 0o644, 0o610])('refuses mode %o and says how to mend it', (mode) => {
    first();
    chmodSync(file, mode);
    expect(again).toThrow(`run chmod 600 ${file}`);
    chmodSync(file, 0o600);
    expect(again).not.toThrow();
  });

  it('accepts a file that even its owner may only read', () => {
    first();
    chmodSync(file, 0o400);
    expect(again).not.toThrow();
  });

  it('refuses a damaged file, and repeats nothing of it', () => {
    first();
    const good: Record<string, unknown> = JSON.parse(readFileSync(file, 'utf8'));
    const damaged = [
      '',
      '{"version":1,"master":"canaryKEY',
      JSON.stringify({ ...good, master: 'canaryKEY' }),
      JSON.stringify({ ...good, signing: Buffer.from('canaryKEY').toString('base64') }),
      JSON.stringify({ ...good, version: 2 }),
      JSON.stringify({ ...good, more: 'canaryKEY' }),
      JSON.stringify([good]),
    ];
    for (const text of damaged) {
      writeFileSync(file, text);
      const error = thrownBy(again);
      expect(error).toBeInstanceOf(CannotRun);
      expect(String(error)).toContain(`the key file ${file} is damaged`);
      expect(JSON.stringify([String(error), String(error instanceof Error && error.cause)])).not.toContain('canaryKEY');
    }
  });

  it('refuses a folder in the place of the file', () => {
    expect(() => openKeys({ file: folder, databaseExists: true })).toThrow(CannotRun);
  });
});

function thrownBy(act: () => unknown): unknown {
  try {
    act();
  } catch (error) {
    return error;
  }
  return null;
}
