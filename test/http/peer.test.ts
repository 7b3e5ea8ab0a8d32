import { describe, expect, it } from 'vitest';
import { parseCookies } from '../../src/http/cookies.ts';
import { networkOf, plainAddress } from '../../src/http/peer.ts';

describe('an address', () => {
  it.each([
    ['93.184.216.34', '93.184.216.34'],
    ['93.184.216.34:51234', '93.184.216.34'],
    ['::ffff:93.184.216.34', '93.184.216.34'],
    ['2001:db8::7', '2001:db8::7'],
    ['[2001:db8::7]:443', '2001:db8::7'],
    ['[2001:db8::7]', '2001:db8::7'],
    ['fe80::1%eth0', null],
    ['unknown', null],
    ['999.1.1.1', null],
    ['', null],
  ])('%j is read as %j', (text, address) => {
    expect(plainAddress(text)).toBe(address);
  });

  it.each([
    ['93.184.216.34', '93.184.216.34'],
    ['2a00:1450:4001:81b::1', '2a00:1450:4001:81b'],
    ['2A00:1450:4001:081B:ffff:1:2:3', '2a00:1450:4001:81b'],
    ['2001:db8::1', '2001:db8:0:0'],
    ['::1', '0:0:0:0'],
    ['64:ff9b::93.184.216.34', '64:ff9b:0:0'],
    ['2001:db8:1:2:3:4:93.184.216.34', '2001:db8:1:2'],
    ['1:2:3:4:5:6:7::', '1:2:3:4'],
  ])('%s is counted as %s', (address, network) => {
    expect(networkOf(address)).toBe(network);
  });
});

describe('a Cookie header', () => {
  it.each([
    [undefined, {}],
    ['', {}],
    ['a=1', { a: ['1'] }],
    ['a=1; b=2;a=3', { a: ['1', '3'], b: ['2'] }],
    ['a=b=c', { a: ['b=c'] }],
    ['a=%7B%22x%22', { a: ['%7B%22x%22'] }],
    [' a = 1 ;junk; =x', { a: ['1'], '': ['x'] }],
    ['__proto__=1', JSON.parse('{"__proto__":["1"]}')],
  ])('%j is read raw, with every repetition', (header, cookies) => {
    expect([...parseCookies(header)]).toEqual(Object.entries(cookies));
  });
});
