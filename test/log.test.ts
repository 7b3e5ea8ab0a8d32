import { createHash } from 'node:crypto';
import { Writable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { Secret } from '../src/core/settings.ts';
import { redact } from '../src/log/redact.ts';
import { createLog, type Fields, type LogLevel } from '../src/log.ts';

const NOW = Date.parse('2026-11-24T08:00:00.000Z');

function open(level: LogLevel) {
  const chunks: string[] = [];
  const stream = new Writable({
    write(chunk, _encoding, done) {
      chunks.push(String(chunk));
      done();
    },
  });
  const log = createLog({ level, stream, clock: () => NOW });
  return { log, text: () => chunks.join(''), lines: () => chunks.map((line): Fields => JSON.parse(line)) };
}

describe('a line', () => {
  it('is one JSON object: time, level, message, then the fields', () => {
    const { log, text } = open('info');
    log.info('listening', { listener: 'collect', host: '0.0.0.0', port: 8080 });
    expect(text()).toBe(
      '{"time":"2026-11-24T08:00:00.000Z","level":"info","message":"listening","listener":"collect","host":"0.0.0.0","port":8080}\n',
    );
  });

  it('keeps its head whatever the fields are called', () => {
    const { log, lines } = open('info');
    log.info('ready', { level: 'error', message: 'other', time: 'never', seq: 7 });
    expect(lines()).toEqual([{ time: '2026-11-24T08:00:00.000Z', level: 'info', message: 'ready', seq: 7 }]);
  });

  it('stays one line when a text holds line breaks', () => {
    const { log, text } = open('info');
    log.info('a\nb', { note: 'c\r\nd\u2028e' });
    expect(text().trimEnd().split('\n')).toHaveLength(1);
  });

  it.each([
    ['error', ['error']],
    ['warn', ['error', 'warn']],
    ['info', ['error', 'warn', 'info']],
    ['debug', ['error', 'warn', 'info', 'debug']],
  ] as const)('of level %s lets %j through', (level, shown) => {
    const { log, lines } = open(level);
    log.error('e');
    log.warn('w');
    log.info('i');
    log.debug('d');
    expect(lines().map((line) => line['level'])).toEqual(shown);
  });
});

const CANARIES = {
  email: 'canary.person+x@mail.example.org',
  encoded: 'canary.person%40mail.example.org',
  digest: createHash('sha256').update('canary.person+x@mail.example.org').digest('hex'),
  phone: '+491701234567',
  spaced: '+49 170 123-4567',
  ipv4: '203.0.113.77',
  ipv6: '2001:db8:85a3::8a2e:370:7334',
  mapped: '::ffff:203.0.113.78',
  meta: 'EAAcanarytoken7f3c9e51b2',
  klaviyo: 'pk_canary51b27f3c',
  bearer: 'Bearer srv-canary-9e51b2',
  jwt: 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJjYW5hcnkifQ.abc-canary',
  fbp: 'fb.1.1763971200000.1098115397',
  fbc: 'fb.1.1763971200000.IwARcanary_xYz',
  agent: 'Mozilla/5.0 (Canary; rv:1.0) Gecko/20100101',
  tc: 'CQSjTcAQSjTcAAGABCENBGFsAP_gAEPgAAqII_canary.IJwNR_canary',
  random: 'k3Jx9QmZ7vTfW2bLcYd8RhNpGs4AeUo1iXqVzBn6',
};

describe('at debug level', () => {
  it.each(Object.entries(CANARIES))('no %s comes out, wherever it is put', (_kind, canary) => {
    const { log, text } = open('debug');
    const cause = new TypeError(`inner ${canary}`);
    const error = Object.assign(new Error(`sent (${canary}), refused`, { cause }), { code: `E ${canary}` });
    log.debug(`message ${canary}.`, {
      plain: canary,
      sentence: `before "${canary}" and, after`,
      url: `https://shop.example/thanks?to=${canary}&x=1`,
      deep: { list: [{ map: new Map([['k', canary]]), set: new Set([canary]) }] },
      [canary]: 1,
      error,
    });
    expect(text()).not.toContain(canary);
    expect(text()).toContain('before');
  });

  it.each([
    'email',
    'user_email',
    'phone',
    'ip',
    'clientIp',
    'token',
    'accessToken',
    'Authorization',
    'cookie',
    'set-cookie',
    'cookies',
    'body',
    'rawBody',
    'user_agent',
    'userAgent',
    'headers',
    'visitor_id',
    'first_name',
    'privateKey',
    'consent',
  ])('the value of a key %s is never shown', (key) => {
    const { log, lines } = open('debug');
    log.debug('x', { outer: { [key]: 'quiet value' }, list: [{ [key]: { a: 'quiet value' } }] });
    expect(lines()[0]).toMatchObject({ outer: { [key]: '[redacted]' }, list: [{ [key]: '[redacted]' }] });
  });

  it('a secret, a body in bytes and a circle are named and not shown', () => {
    const circle: Record<string, unknown> = { secret: 1 };
    circle['self'] = circle;
    const { log, text } = open('debug');
    log.debug('x', { key: new Secret('hush'), raw: Buffer.from('hush'), circle });
    expect(text()).not.toContain('hush');
    expect(text()).toContain('"key":"[secret]","raw":"[4 bytes]"');
    expect(text()).toContain('[too deep]');
  });
});

describe('an error', () => {
  it('is its name, message, code and the places of its stack', () => {
    const cause = Object.assign(new Error('disk I/O error'), { code: 'SQLITE_IOERR' });
    const error = new RangeError('cannot commit for jane@shop.example\n    at jane', { cause });
    expect(redact({ error })).toMatchObject({
      error: {
        name: 'RangeError',
        message: 'cannot commit for [email]\n    at jane',
        stack: expect.stringContaining('log.test.ts'),
        cause: { message: 'disk I/O error', code: 'SQLITE_IOERR' },
      },
    });
  });
});

describe('what operators need', () => {
  it.each([
    ['a policy reference', 'default@0123456789abcdef'],
    ['an event id', '9b2f6c1e-5d43-4f0a-8b1e-7c6d5e4f3a21'],
    ['a vendor code', 'meta.100.2804003'],
    ['a loopback address', 'http://127.0.0.1:9090/readyz and [::1]:8080'],
    ['a moment', '2026-11-24T08:00:00.000Z'],
    ['a file', '/var/lib/sluice/data/keys.json'],
    ['an amount', '59.90 EUR, 1,000,000 jobs'],
  ])('%s is shown as it is', (_what, text) => {
    expect(redact({ text })).toEqual({ text });
  });

  it('the digests of log and configuration are shown, other digests are not', () => {
    const digest = 'ab'.repeat(32);
    expect(redact({ configHash: digest, chain: digest, other: digest })).toEqual({
      configHash: digest,
      chain: digest,
      other: '[digest]',
    });
  });
});
