// Which network addresses are a shopper's: public ones. Anything else is ours, a proxy's or nobody's.
// https://developers.facebook.com/docs/marketing-api/conversions-api/parameters/customer-information-parameters

import { BlockList, isIPv4, isIPv6 } from 'node:net';

// IANA special-purpose address registries. Two lists: one list would read every IPv4 address as a mapped IPv6 one.
const SPECIAL_V4 = subnets('ipv4', [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
  ['224.0.0.0', 3],
]);
const SPECIAL_V6 = subnets('ipv6', [
  ['::', 96],
  ['64:ff9b:1::', 48],
  ['100::', 64],
  ['fc00::', 7],
  ['fe80::', 10],
  ['fec0::', 10],
  ['ff00::', 8],
]);
const MAPPED = /^::ffff:(\d{1,3}(?:\.\d{1,3}){3})$/i;

/** The address if it is a public one, IPv4 in its own notation; null otherwise. */
export function publicAddress(text: string | null): string | null {
  if (text === null) return null;
  const ip = MAPPED.exec(text)?.[1] ?? text;
  if (isIPv4(ip)) return SPECIAL_V4.check(ip, 'ipv4') ? null : ip;
  if (!isIPv6(ip) || ip.includes('%')) return null;
  // ::ffff:0:0/96 in hexadecimal: an IPv4 address that nobody writes so.
  return SPECIAL_V6.check(ip, 'ipv6') || /^::ffff:/i.test(ip) ? null : ip;
}

function subnets(family: 'ipv4' | 'ipv6', ranges: readonly (readonly [string, number])[]): BlockList {
  const list = new BlockList();
  for (const [net, bits] of ranges) list.addSubnet(net, bits, family);
  return list;
}
