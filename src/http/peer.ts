// Who is at the other end: the client's address through trusted proxies, and the country that such a proxy vouches for.

import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import type { Request } from 'express';
import { parseCountry } from '../core/region.ts';

/** Express's compiled `trust proxy`: whether the address at a hop is a proxy of ours. */
export type Trusts = (address: string, hop: number) => boolean;

/** The client's address, from the connection or from what trusted proxies report; null when that is no address. */
export function clientAddress(req: Request): string | null {
  return req.ip === undefined ? null : plainAddress(req.ip);
}

/** An address without port, brackets or IPv4 mapping; null for anything else. */
export function plainAddress(text: string): string | null {
  const bare = /^\[([^\]]+)\](?::\d+)?$/.exec(text)?.[1] ?? /^([\d.]+):\d+$/.exec(text)?.[1] ?? text;
  const address = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(bare)?.[1] ?? bare;
  return isIP(address) === 0 || address.includes('%') ? null : address;
}

/** The network by which a client is counted: the IPv4 address, or the /64 of an IPv6 one (RFC 6177: one customer's least). */
export function networkOf(address: string): string {
  if (!address.includes(':')) return address;
  const [head = '', tail] = address.toLowerCase().split('::');
  const front = head === '' ? [] : head.split(':');
  // An IPv4 tail stands for two groups, all of them in the lower half.
  const back = tail === undefined || tail === '' ? [] : tail.replace(/[\d.]+\.\d+$/, '0:0').split(':');
  const zeros = tail === undefined ? [] : new Array<string>(Math.max(0, 8 - front.length - back.length)).fill('0');
  const groups = [...front, ...zeros, ...back].slice(0, 4);
  return groups.map((group) => Number.parseInt(group, 16).toString(16)).join(':');
}

/**
 * The country in the configured header. It counts only when the peer itself is a trusted proxy and sent it once:
 * the presence of a header proves nothing.
 */
export function proxyCountry(req: IncomingMessage, header: string | null, trusts: Trusts): string | null {
  const peer = req.socket.remoteAddress;
  if (header === null || peer === undefined || !trusts(peer, 0)) return null;
  const values = req.headersDistinct[header.toLowerCase()] ?? [];
  return values.length === 1 ? parseCountry(values[0]) : null;
}
