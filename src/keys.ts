// The key file of an installation: made once, before the database, and never replaced behind the operator's back.

import {
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
} from 'node:crypto';
import {
  closeSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { z } from 'zod';
import { CannotRun } from './core/errors.ts';

const VERSION = 1;
const MASTER_BYTES = 32;

export interface KeyMaterial {
  /** 32 bytes; all static keys are derived from it (`core/identity.ts`). */
  readonly master: Buffer;
  /** Ed25519: signs the log's checkpoints. */
  readonly signing: { readonly privateKey: KeyObject; readonly publicKey: KeyObject };
  /** Tells one key file from another and says nothing about the keys: 16 hex digits. */
  readonly fingerprint: string;
}

export interface KeyPlace {
  readonly file: string;
  /** A database without its keys is unreadable and unprovable: new ones must not be made beside it. */
  readonly databaseExists: boolean;
}

const keyFile = z.strictObject({
  version: z.literal(VERSION),
  master: z.base64().length(44),
  signing: z.base64(),
});

/**
 * Reads the key file; on the first start makes it.
 * @throws CannotRun with how to mend it, where it is missing beside a database, open to others, or unreadable
 */
export function openKeys({ file, databaseExists }: KeyPlace): KeyMaterial {
  const mode = modeOf(file);
  if (mode === null) {
    if (databaseExists) throw missing(file);
    createKeys(file);
  } else if ((mode & 0o077) !== 0) {
    throw new CannotRun(`the key file ${file} can be read by others than its owner: run chmod 600 ${shellWord(file)}`);
  }
  return parseKeys(file, readKeys(file));
}

function missing(file: string): CannotRun {
  return new CannotRun(
    `the key file ${file} is missing, and its database exists: without these very keys nothing that is queued can be read. ` +
      'Restore the key file from your backup, or set keys.file to where it lies; to begin anew, move the database away',
  );
}

function modeOf(file: string): number | null {
  try {
    return statSync(file).mode;
  } catch (cause) {
    if (hasCode(cause, 'ENOENT')) return null;
    throw new CannotRun(`the key file ${file} cannot be looked at${codeOf(cause)}`, { cause });
  }
}

function readKeys(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new CannotRun(
      `the key file ${file} cannot be read${codeOf(cause)}: it must belong to the user that runs Sluice`,
      {
        cause,
      },
    );
  }
}

// No cause and no detail: an error of the JSON parser quotes what it read.
function parseKeys(file: string, text: string): KeyMaterial {
  const damaged = new CannotRun(`the key file ${file} is damaged or not of this version: restore it from your backup`);
  let content: z.infer<typeof keyFile>;
  try {
    content = keyFile.parse(JSON.parse(text));
  } catch {
    throw damaged;
  }
  const master = Buffer.from(content.master, 'base64');
  const privateKey = readSigningKey(content.signing);
  if (master.length !== MASTER_BYTES || privateKey === null) throw damaged;
  const publicKey = createPublicKey(privateKey);
  return { master, signing: { privateKey, publicKey }, fingerprint: fingerprintOf(master, publicKey) };
}

function readSigningKey(text: string): KeyObject | null {
  try {
    const key = createPrivateKey({ key: Buffer.from(text, 'base64'), format: 'der', type: 'pkcs8' });
    return key.asymmetricKeyType === 'ed25519' ? key : null;
  } catch {
    return null;
  }
}

function fingerprintOf(master: Buffer, publicKey: KeyObject): string {
  const known = createHmac('sha256', master).update('sluice fingerprint v1').digest();
  const spki = publicKey.export({ format: 'der', type: 'spki' });
  return createHash('sha256').update(known).update(spki).digest('hex').slice(0, 16);
}

function createKeys(file: string): void {
  const signing = generateKeyPairSync('ed25519').privateKey.export({ format: 'der', type: 'pkcs8' });
  const master = randomBytes(MASTER_BYTES).toString('base64');
  const text = JSON.stringify({ version: VERSION, master, signing: signing.toString('base64') }, null, 2);
  const folder = dirname(file);
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const draft = `${file}.${randomBytes(6).toString('hex')}.tmp`;
    try {
      writeDurably(draft, `${text}\n`);
      publish(draft, file);
    } finally {
      rmSync(draft, { force: true });
    }
    syncFolder(folder);
  } catch (cause) {
    throw new CannotRun(`the key file ${file} cannot be made${codeOf(cause)}: its folder must be writable`, { cause });
  }
}

function writeDurably(file: string, text: string): void {
  const handle = openSync(file, 'wx', 0o600);
  try {
    writeSync(handle, text);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

// A link, unlike a rename, never replaces: of two processes that start at once, both end up with the first one's keys.
function publish(draft: string, file: string): void {
  try {
    linkSync(draft, file);
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return;
    // File systems without hard links (FAT, some shared folders of virtual machines).
    if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'].some((code) => hasCode(error, code))) throw error;
    renameSync(draft, file);
  }
}

function syncFolder(folder: string): void {
  const handle = openSync(folder, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? ` (${String(error.code)})` : '';
}

function shellWord(text: string): string {
  return /^[\w./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
