// Reads a request's body: bounded, uncompressed, UTF-8, one JSON value. Written by hand, because express.json costs as much
// as the rest of Express together and cannot refuse bad UTF-8.

import type { IncomingMessage } from 'node:http';
import { Problem } from '../core/errors.ts';

const MEDIA_TYPES = new Set(['application/json', 'text/plain']);

/**
 * The JSON value of a body of at most `limit` bytes.
 * @throws Problem `unsupported_media_type`, `body_too_large`, `invalid_json`
 */
export async function readJson(req: IncomingMessage, limit: number): Promise<unknown> {
  refuseOtherTypes(req);
  if (Number(req.headers['content-length'] ?? 0) > limit) throw tooLarge(limit);
  return parseJson(await readBytes(req, limit));
}

function refuseOtherTypes({ headers }: IncomingMessage): void {
  const encoding = headers['content-encoding']?.trim().toLowerCase() ?? 'identity';
  if (encoding !== 'identity') throw new Problem('unsupported_media_type', 'the body must not be compressed');
  const type = headers['content-type']?.split(';', 1)[0]?.trim().toLowerCase() ?? '';
  if (!MEDIA_TYPES.has(type)) {
    throw new Problem('unsupported_media_type', 'the Content-Type must be application/json or text/plain');
  }
}

function tooLarge(limit: number): Problem {
  return new Problem('body_too_large', `the body may have ${limit} bytes`);
}

/** Listens instead of iterating: leaving an iteration would destroy the connection before the answer is out. */
function readBytes(req: IncomingMessage, limit: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    const done = (error: Problem | null) => {
      req.off('data', onData).off('end', onEnd).off('close', onClose);
      if (error === null) resolve(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks));
      else reject(error);
    };
    const onData = (chunk: Buffer) => {
      length += chunk.length;
      if (length > limit) done(tooLarge(limit));
      else chunks.push(chunk);
    };
    const onEnd = () => done(null);
    const onClose = () => done(new Problem('invalid_json', 'the connection ended inside the body'));
    if (req.destroyed) onClose();
    // An aborted request tells of it by `error` too; without a listener that would end the process.
    req.on('data', onData).on('end', onEnd).on('close', onClose).on('error', onClose);
  });
}

// ignoreBOM keeps a byte order mark in the text, where JSON.parse refuses it.
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
// An escaped NUL: an odd number of backslashes before u0000. No database keeps it as text.
const ESCAPED_NUL = /(?<!\\)(?:\\\\)*\\u0000/;

function parseJson(bytes: Buffer): unknown {
  try {
    const text = utf8.decode(bytes);
    if (ESCAPED_NUL.test(text)) throw new SyntaxError('NUL');
    return JSON.parse(text);
  } catch {
    // The parser's own message quotes the body.
    throw new Problem('invalid_json');
  }
}
