// The second line of defence of the log: by the name of a key, and by the look of a text. The first is not to log it.

import { isIP } from 'node:net';
import { Secret } from '../core/settings.ts';

const REDACTED = '[redacted]';
const MAX_DEPTH = 8;
const MAX_TEXT = 4096;
const MAX_CAUSES = 4;

/** Keys whose value is never shown, without case, separators and a plural s; also as the end of a longer key. */
const NEVER_ENDINGS = [
  'email',
  'phone',
  'token',
  'authorization',
  'cookie',
  'password',
  'secret',
  'privatekey',
  'apikey',
  'useragent',
  'body',
  'query',
  'referrer',
];
const NEVER = new Set(
  (
    'ip clientip remoteip peerip remoteaddress forwardedfor xforwardedfor header payload master user firstname ' +
    'lastname street city postalcode birthday gender externalid visitorid session visitor subject fbp fbc fbclid kx tcf ' +
    'additionalconsent onetrust gpp usprivacy consent properties pageurl'
  ).split(' '),
);
/** Digests that say nothing about a person, though they look like those that do. */
const DIGEST_KEYS = new Set(['confighash', 'policyhash', 'chain', 'root', 'checkpoint', 'fingerprint', 'policy']);

/**
 * A copy of a value that may be logged: forbidden keys say `[redacted]`, texts are masked, an error is its name,
 * message, code and stack. Bounded in depth and length; never throws.
 */
export function redact(value: unknown): unknown {
  return visit(value, 0, false);
}

function visit(value: unknown, depth: number, digest: boolean): unknown {
  if (typeof value === 'string')
    return digest && /^[\w+/=:@.-]{1,128}$/.test(value) ? maskKnown(value) : maskText(value);
  if (typeof value === 'bigint') return String(value);
  if (typeof value === 'function' || typeof value === 'symbol') return undefined;
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof Secret) return '[secret]';
  if (depth >= MAX_DEPTH) return '[too deep]';
  if (value instanceof Error) return describeError(value, depth);
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString();
  if (value instanceof URL) return maskText(value.origin);
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if (Array.isArray(value)) return value.map((item) => visit(item, depth + 1, digest));
  if (value instanceof Set) return [...value].map((item) => visit(item, depth + 1, digest));
  return redactMembers(value instanceof Map ? [...value] : Object.entries(value), depth);
}

function redactMembers(members: readonly (readonly [unknown, unknown])[], depth: number): Record<string, unknown> {
  const shown = members.map(([key, member]): [string, unknown] => {
    const name = String(key);
    const plain = plainName(name);
    return [maskText(name), isForbidden(plain) ? REDACTED : visit(member, depth + 1, DIGEST_KEYS.has(plain))];
  });
  return Object.fromEntries(shown);
}

function plainName(key: string): string {
  return key.replaceAll(/[\s._-]/g, '').toLowerCase();
}

function isForbidden(plain: string): boolean {
  const singular = plain.replace(/s$/, '');
  const candidates = [plain, singular];
  return candidates.some((name) => NEVER.has(name) || NEVER_ENDINGS.some((ending) => name.endsWith(ending)));
}

function describeError(error: Error, depth: number): Record<string, unknown> {
  const code = 'code' in error ? { code: visit(error.code, depth + 1, false) } : {};
  // The head of a stack repeats the message as it came; the frames below it are places in the program.
  const frames = (error.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line));
  const cause = error.cause === undefined || depth >= MAX_CAUSES ? {} : { cause: visit(error.cause, depth + 1, false) };
  const stack = maskText(frames.join('\n'));
  return { name: maskText(error.name), message: maskText(error.message), ...code, stack, ...cause };
}

// With a dot behind the @: a policy is cited as id@hash.
const EMAIL =
  /[^\s@"'<>()[\]{},;:=&?/\\]{1,64}(?:@|%40)[^\s@%."'<>()[\]{},;:=&?/\\]{1,63}(?:\.[^\s@%."'<>()[\]{},;:=&?/\\]{1,63}){1,8}/gi;
const KNOWN_TOKENS: readonly (readonly [RegExp, string])[] = [
  [/\b(?:Bearer|Basic|Klaviyo-API-Key)\s+[^\s"',;]+/gi, '[token]'],
  [/\bEAA[A-Za-z0-9]{4,}/g, '[token]'],
  [/\b(?:pk|sk|shpss|shpat|shpca|shppa)_[A-Za-z0-9_-]{4,}/g, '[token]'],
  [/\beyJ[\w-]{4,}\.[\w-]{4,}(?:\.[\w-]*)?/g, '[token]'],
  [/\bfb\.\d{1,3}\.\d{1,15}\.[\w.-]+/g, '[browser id]'],
  [/\bMozilla\/\d[^\n"]*/g, '[user agent]'],
];
// A TC string: version 2 and later begin with C or D; the core segment has at least 200 bits.
const TC_STRING = /(?<![\w-])[B-F][\w-]{33,}(?:\.[\w-]+)*/g;
const DIGEST = /(?<![0-9a-f])(?:[0-9a-f]{64}|[0-9a-f]{40}|[0-9a-f]{32})(?![0-9a-f])|[A-Za-z0-9+/]{43}=/gi;
const LONG_TOKEN = /(?<![\w-])(?=[\w-]{0,200}\d)(?=[\w-]{0,200}[A-Za-z])[\w-]{40,}/g;
const PHONE = /\+\d(?:[\d ()./-]{5,20})\d/g;
const IPV4 = /(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?!\d)/g;
const IPV6 = /(?<![\w:.])[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,8}(?:(?:\d{1,3}\.){3}\d{1,3})?(?![\w:])/gi;
// This machine and no machine at all are nobody's address, and listeners must be able to say where they listen.
const NOBODY = /^(?:127\.\d+\.\d+\.\d+|0\.0\.0\.0|::1?)$/;

/** A text in which e-mail addresses, telephone numbers, IP addresses, tokens, digests and consent strings are masked. */
export function maskText(text: string): string {
  const masked = maskKnown(text).replace(TC_STRING, '[consent string]').replace(DIGEST, '[digest]');
  return masked.replace(LONG_TOKEN, '[token]');
}

function maskKnown(text: string): string {
  const cut = text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : text;
  const withoutTokens = KNOWN_TOKENS.reduce((rest, [form, mask]) => rest.replace(form, mask), cut);
  return withoutTokens
    .replace(EMAIL, '[email]')
    .replace(PHONE, '[phone]')
    .replace(IPV4, maskAddress)
    .replace(IPV6, maskAddress);
}

function maskAddress(text: string): string {
  return isIP(text) === 0 || NOBODY.test(text) ? text : '[ip]';
}
