// Fields that name a place in the network: listeners, proxies, origins, domains.

import { isIP } from 'node:net';
import { z } from 'zod';

const LABEL = /^(?!-)[a-z0-9-]{1,63}(?<!-)$/;

function isHostName(text: string): boolean {
  return text.length <= 253 && text.split('.').every((label) => LABEL.test(label));
}

/** Where a listener binds: an address or a host name. */
export const bindHost = z
  .string()
  .refine((host) => isIP(host) > 0 || isHostName(host), 'must be an address or a host name without a port');

/** 0 = any free port. */
export const port = z.int().min(0).max(65_535);

/** A path of the collect listener: the whole path, without a query. */
export const urlPath = z
  .string()
  .regex(/^(?:\/[A-Za-z0-9._~-]+)+$/, { error: 'must be a path such as /collect, without a slash at its end' });

/** The name of a request header (RFC 9110, section 5.1). */
export const headerName = z.string().regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$/, {
  error: 'must be the name of a request header',
});

/** A domain that cookies are set for: without scheme, port and leading dot. */
export const domain = z
  .string()
  .refine(
    (name) => name === 'localhost' || (isHostName(name) && name.includes('.') && isIP(name) === 0),
    'must be a domain such as shop.example, in lower case, without scheme, port or leading dot',
  );

/** The exact origin of an address, or null for what is no web address. */
export function originOf(text: string): string | null {
  const url = URL.parse(text.includes('://') ? text : `https://${text}`);
  const isWeb = url !== null && /^https?:$/.test(url.protocol) && /^[\w.:[\]-]+$/.test(url.hostname);
  return isWeb ? url.origin : null;
}

/** An origin exactly as browsers send it: compared by its letters, so one form alone can match. */
export const origin = z
  .string()
  .refine(
    (text) => text.includes('://') && originOf(text) === text,
    'must be an exact origin: scheme://host[:port] in lower case, without path, slash at its end or default port',
  );

interface Network {
  readonly address: string;
  readonly bits: number;
}

function parseNetwork(text: string): Network | null {
  const [, address, bitsText] = /^([0-9a-fA-F:.]{2,45})(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const family = isIP(address ?? '');
  if (address === undefined || family === 0) return null;
  const most = family === 4 ? 32 : 128;
  const bits = bitsText === undefined ? most : Number(bitsText);
  return bits <= most ? { address, bits } : null;
}

/** The network of a trusted proxy, in CIDR notation; a bare address stands for itself alone. Everybody is no proxy. */
export const proxyNetwork = z
  .string()
  .refine((text) => parseNetwork(text) !== null, 'must be a network in CIDR notation, such as 10.0.0.0/8')
  .refine(
    (text) => parseNetwork(text)?.bits !== 0,
    'must not be everybody: then each client could choose its own address and country',
  )
  .transform((text) => (text.includes('/') ? text : `${text}/${isIP(text) === 6 ? 128 : 32}`));
