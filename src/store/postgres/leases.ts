// Partitions of lanes and who may send them. A lease is a row with a token that grows at each change of hands; whoever records
// an outcome shows the token. The database's clock alone says when a lease ends.

import { arrayOf } from './arrays.ts';
import type { Head } from './chain.ts';
import { LEAVE_CHAIN, RENEW_CHAIN } from './chain.ts';
import type { PostgresOptions } from './context.ts';
import type { Link } from './link.ts';
import { PARTITIONS } from './numbers.ts';

export interface Leases {
  /** Our partitions with their tokens, as long as we may believe that they are ours. */
  held(): ReadonlyMap<number, number>;
  token(part: number): number | null;
  /** True while more than one node delivers. */
  hasOthers(): boolean;
  /** Renews, takes what is free, gives away what is too much. @throws the driver's error */
  tick(head: Head): Promise<readonly number[]>;
  /** Says goodbye: others need not wait until our leases end. */
  leave(head: Head): Promise<void>;
}

const SIGN_ON = {
  name: 'node sign on',
  text: `INSERT INTO node (id, role, version, policies, until) VALUES ($1, $2, $3, $4, now() + $5 * interval '1 millisecond')
    ON CONFLICT (id) DO UPDATE SET until = excluded.until`,
};
const LIVE = {
  name: 'nodes live',
  text: `SELECT count(*) FILTER (WHERE role <> 'collect') AS deliverers, count(*) AS nodes FROM node WHERE until > now()`,
};
const RENEW = {
  name: 'lease renew',
  text: `UPDATE partition_lease SET until = now() + $2 * interval '1 millisecond' WHERE holder = $1
    RETURNING part, token`,
};
// FOR UPDATE waits for nobody and passes by what a transaction of the last holder still stands on.
const TAKE = {
  name: 'lease take',
  text: `UPDATE partition_lease l SET holder = $1, token = l.token + 1, until = now() + $2 * interval '1 millisecond'
    WHERE l.part IN (SELECT part FROM partition_lease WHERE until < now() ORDER BY random() LIMIT $3 FOR UPDATE SKIP LOCKED)
    RETURNING l.part, l.token`,
};
const GIVE = {
  name: 'lease give',
  text: `UPDATE partition_lease SET holder = '', until = now() WHERE holder = $1 AND part = ANY ($2::int2[])`,
};
const LEAVE = {
  name: 'lease leave',
  text: `WITH gone AS (DELETE FROM node WHERE id = $1)
    UPDATE partition_lease SET holder = '', until = now() WHERE holder = $1`,
};
const FORGET_NODES = { name: 'nodes forget', text: `DELETE FROM node WHERE until < now() - interval '1 day'` };

/** `isIdle` tells whether nothing of a partition is under way, so that it may be given away. */
export function createLeases(
  link: Link,
  options: PostgresOptions,
  { policies, isIdle }: { readonly policies: string; isIdle(part: number): boolean },
): Leases {
  const { node, role, version, leaseMs } = options;
  let held = new Map<number, number>();
  let leaving = new Set<number>();
  let validUntilMs = 0;
  let others = false;

  const read = (rows: Awaited<ReturnType<Link['query']>>) =>
    rows.map((row) => [Number(row['part']), Number(row['token'])] as const);
  /** The share of one node, rounded up; what is above it by more than one is given away, one by one as it falls idle. */
  const balance = async (share: number) => {
    const surplus = held.size - share;
    leaving = new Set([...held.keys()].slice(0, Math.max(0, surplus)));
    const idle = [...leaving].filter(isIdle);
    if (idle.length === 0) return;
    for (const part of idle) held.delete(part);
    await link.query(GIVE, [node, arrayOf('int2', idle)]);
  };

  return {
    held: () =>
      performance.now() < validUntilMs ? new Map([...held].filter(([part]) => !leaving.has(part))) : new Map(),
    token: (part) => held.get(part) ?? null,
    hasOthers: () => others,
    async tick(head) {
      const beganMs = performance.now();
      await link.query(RENEW_CHAIN, [head.chain, head.token, leaseMs]);
      await link.query(SIGN_ON, [node, role, version, policies, leaseMs]);
      const [live] = await link.query(LIVE);
      others = Number(live?.['nodes'] ?? 1) > 1;
      if (role === 'collect') return [];
      const renewed = new Map(read(await link.query(RENEW, [node, leaseMs])));
      const share = Math.ceil(PARTITIONS / Math.max(1, Number(live?.['deliverers'] ?? 1)));
      const wanted = share - renewed.size;
      const taken = wanted > 0 ? read(await link.query(TAKE, [node, leaseMs, wanted])) : [];
      held = new Map([...renewed, ...taken]);
      // Ours for less than the database believes: a send that begins late must not outlive the lease by much.
      validUntilMs = beganMs + leaseMs * 0.8;
      await balance(share);
      return taken.map(([part]) => part);
    },
    async leave(head) {
      held = new Map();
      await link.query(LEAVE, [node]);
      await link.query(LEAVE_CHAIN, [head.chain, head.token]);
      await link.query(FORGET_NODES);
    },
  };
}
