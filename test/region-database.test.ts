import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { CannotRun } from '../src/core/errors.ts';
import { openRegionDatabase } from '../src/region-database.ts';

// A writer of the smallest databases in MaxMind's format (https://maxmind.github.io/MaxMind-DB/): an IPv4 tree in records of
// 24 bits, and maps, texts and whole numbers as data.
type Data = string | number | { readonly [key: string]: Data };

function encode(value: Data): Buffer {
  if (typeof value === 'string') return Buffer.concat([Buffer.from([(2 << 5) | value.length]), Buffer.from(value)]);
  if (typeof value === 'number')
    return Buffer.from([(6 << 5) | 4, ...[24, 16, 8, 0].map((shift) => (value >>> shift) & 0xff)]);
  const members = Object.entries(value).flatMap(([key, member]) => [encode(key), encode(member)]);
  return Buffer.concat([Buffer.from([(7 << 5) | Object.keys(value).length]), ...members]);
}

interface Node {
  readonly branches: [Node | Data | null, Node | Data | null];
}
const isNode = (value: Node | Data | null): value is Node =>
  typeof value === 'object' && value !== null && 'branches' in value;

/** `networks`: IPv4 network in CIDR notation → record. */
function writeDatabase(networks: Readonly<Record<string, Data>>): Buffer {
  const root: Node = { branches: [null, null] };
  for (const [cidr, record] of Object.entries(networks)) {
    const [address = '', length = ''] = cidr.split('/');
    const bits = address
      .split('.')
      .map((part) => Number(part).toString(2).padStart(8, '0'))
      .join('')
      .slice(0, Number(length));
    let node = root;
    for (const bit of bits.slice(0, -1)) {
      const next = node.branches[Number(bit) === 0 ? 0 : 1];
      const child: Node = isNode(next) ? next : { branches: [null, null] };
      node.branches[bit === '0' ? 0 : 1] = child;
      node = child;
    }
    node.branches[bits.endsWith('0') ? 0 : 1] = record;
  }
  const nodes: Node[] = [root];
  for (const node of nodes) nodes.push(...node.branches.filter(isNode));
  let data = Buffer.alloc(0);
  const pointer = (branch: Node | Data | null): number => {
    if (branch === null) return nodes.length;
    if (isNode(branch)) return nodes.indexOf(branch);
    const at = nodes.length + 16 + data.length;
    data = Buffer.concat([data, encode(branch)]);
    return at;
  };
  const tree = Buffer.from(
    nodes.flatMap(({ branches }) =>
      branches.map(pointer).flatMap((value) => [value >> 16, (value >> 8) & 0xff, value & 0xff]),
    ),
  );
  const metadata = encode({
    binary_format_major_version: 2,
    binary_format_minor_version: 0,
    build_epoch: 1_795_500_000,
    database_type: 'Test-Country',
    ip_version: 4,
    node_count: nodes.length,
    record_size: 24,
  });
  return Buffer.concat([tree, Buffer.alloc(16), data, Buffer.from('\xab\xcd\xefMaxMind.com', 'latin1'), metadata]);
}

function fileOf(bytes: Buffer | string): string {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-region-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'country.mmdb');
  writeFileSync(file, bytes);
  return file;
}

describe('the operator’s IP database', () => {
  const database = writeDatabase({
    '192.0.2.0/24': { country: { iso_code: 'DE', geoname_id: 2_921_044 }, registered_country: { iso_code: 'US' } },
    '198.51.100.0/25': { country: 'FR', country_name: 'France' },
    '198.51.100.128/25': { country_code: 'uk' },
    '203.0.113.0/24': { registered_country: { iso_code: 'US' } },
    '203.0.114.0/24': { country: { iso_code: 'ZZ' } },
  });

  it.each([
    ['192.0.2.77', 'DE'],
    ['198.51.100.1', 'FR'],
    ['198.51.100.200', 'GB'],
    ['203.0.113.9', null],
    ['203.0.114.9', null],
    ['8.8.8.8', null],
    ['2001:db8::1', null],
    ['no address', null],
    ['', null],
  ])('names the country of %s: %s', (ip, country) => {
    expect(openRegionDatabase(fileOf(database))(ip)).toBe(country);
  });

  it.each<[string, () => string]>([
    ['is not there', () => '/nowhere/country.mmdb'],
    ['is empty', () => fileOf('')],
    ['is something else', () => fileOf('country,network\nDE,192.0.2.0/24\n'.repeat(100))],
    ['was cut', () => fileOf(database.subarray(0, database.length - 60))],
  ])('that %s ends the start with a sentence', (_name, file) => {
    expect(() => openRegionDatabase(file())).toThrow(CannotRun);
    expect(() => openRegionDatabase(file())).toThrow(/^region\.database: /);
  });
});
