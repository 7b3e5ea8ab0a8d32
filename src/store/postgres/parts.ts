// Opens the parts of a store over one database, records the start, and keeps leases and counts alive behind them.

import type { KeyObject } from 'node:crypto';
import { type Backlog, createBacklog } from './backlog.ts';
import { openChains, takeChain } from './chain.ts';
import { createClaims } from './claims.ts';
import { type Committer, createCommitter } from './committer.ts';
import type { PostgresContext, PostgresOptions } from './context.ts';
import { explain, prepareDatabase } from './database.ts';
import { type DeadLetters, openDeadLetters } from './dead-letters.ts';
import { openDictionary } from './dictionary.ts';
import type { Draft } from './draft.ts';
import { createEvidence } from './evidence.ts';
import { createHousekeeping } from './housekeeping.ts';
import { createLeases, type Leases } from './leases.ts';
import { createLink, createLinks, type Link } from './link.ts';
import { createLooks } from './looks.ts';
import { createNotices } from './notices.ts';
import { openOutbox, type PostgresOutbox } from './outbox.ts';
import { lastEnd, makeMonths, openEpochKey, policiesOf, publishPolicies, refuseOtherPolicies } from './start.ts';

/** Events in one transaction at most. */
const MAX_EVENTS = 500;
/** How long a settlement that nobody waits for may wait for company. */
const PATIENCE_MS = 10;
const RETRY_MS = 250;

export interface Parts {
  readonly context: PostgresContext;
  readonly committer: Committer;
  readonly outbox: PostgresOutbox;
  readonly letters: DeadLetters;
  readonly backlog: Backlog;
  readonly epochKey: KeyObject;
  /** Why this node cannot do its part now; null = it can. */
  unready(): string | null;
  onWake(listener: () => void): void;
  close(): Promise<void>;
}

/** @throws CannotRun with the reason in one sentence */
export async function openParts(options: PostgresOptions): Promise<Parts> {
  const { connection } = options;
  await prepareDatabase(connection);
  const writers = [createLink(connection), createLink(connection)] as const;
  const readers = createLinks(connection, options.readConnections);
  const watch = createLink(connection);
  const keeper = createLink(connection);
  const links = [...writers, readers, watch, keeper];
  const closeLinks = async () => {
    await Promise.all(links.map((link) => link.close()));
  };
  try {
    return await openOver({ writers, readers, watch, keeper, closeLinks }, options);
  } catch (error) {
    await closeLinks();
    throw explain(error);
  }
}

interface Links {
  readonly writers: readonly [Link, Link];
  readonly readers: Pick<Link, 'query' | 'close'>;
  readonly watch: Link;
  readonly keeper: Link;
  closeLinks(): Promise<void>;
}

async function openOver(links: Links, options: PostgresOptions): Promise<Parts> {
  const policies = policiesOf(options);
  await refuseOtherPolicies(links.watch, policies);
  const epoch = await openEpochKey(links.watch, options);
  await makeMonths(links.watch, options.clock());
  const holder = { node: options.node, leaseMs: options.leaseMs, newChainId: () => options.ids.uuid() };
  const head = await takeChain(await links.writers[0].open(), holder);
  const context = await openContext(links, options, epoch.id);
  const committer = createCommitter({
    context,
    links: links.writers,
    head,
    maxWeight: MAX_EVENTS,
    patienceMs: PATIENCE_MS,
    retryMs: RETRY_MS,
  });
  await recordStart(context, committer, links.watch);

  const isIdle = (part: number): boolean => outbox.isIdle(part);
  const leases: Leases = createLeases(links.keeper, options, { policies, isIdle });
  const { node, keys } = options;
  const looks = createLooks({ link: links.readers, node, key: keys.seal, retryMs: RETRY_MS });
  const claims = createClaims(links.readers, context, leases.held);
  const outbox = openOutbox({ context, committer, claims, looks, leases, link: links.readers });
  const backlog = createBacklog(links.watch, context);
  const letters = openDeadLetters(links.watch, context);
  const notices = createNotices(options);
  const housekeeping = createHousekeeping({
    options,
    committer,
    leases,
    claims,
    backlog,
    letters,
    notices,
    watch: links.watch,
  });
  await housekeeping.tick();
  committer.onCommit((_events, _durationMs, written) => {
    if (written === null) return;
    backlog.follow(written);
    if (written.inserted.length > 0 && leases.hasOthers()) notices.notify(links.watch);
  });
  return {
    context,
    committer,
    outbox,
    letters,
    backlog,
    epochKey: epoch.key,
    unready: housekeeping.unready,
    onWake: housekeeping.onWake,
    async close() {
      housekeeping.stop();
      looks.stop();
      await recordStop(context, committer);
      await leases.leave(committer.head()).catch(() => undefined);
      await notices.close();
      await links.closeLinks();
    },
  };
}

async function openContext({ watch }: Links, options: PostgresOptions, epoch: number): Promise<PostgresContext> {
  return {
    options,
    dictionary: await openDictionary(watch),
    chains: await openChains(watch),
    evidence: createEvidence((count) => options.ids.bytes(count)),
    epoch,
    startedMs: options.clock(),
  };
}

/** The first entries of a start: policies that the log does not know yet, and the start itself. */
async function recordStart(context: PostgresContext, committer: Committer, watch: Link): Promise<void> {
  const { options, dictionary } = context;
  // Numbers that reading needs, whether or not anything was logged with them.
  await dictionary.learn([
    ...options.destinations.map((text) => ({ kind: 'destination', text })),
    ...[...options.sites.keys()].map((text) => ({ kind: 'site', text })),
  ]);
  const published = await publishPolicies(watch, options);
  const after = await lastEnd(watch, committer.head());
  await once(committer, (draft) => {
    for (const policy of published) draft.append('policy_publish', options.clock(), { policy });
    draft.append('start', options.clock(), { detail: JSON.stringify({ ...options.about, node: options.node, after }) });
  });
}

/** @returns when it is recorded, or cannot be */
async function recordStop({ options }: PostgresContext, committer: Committer): Promise<void> {
  const recorded = once(committer, (draft) => {
    draft.append('stop', options.clock(), {});
  });
  recorded.catch(() => undefined);
  await committer.close();
}

function once(committer: Committer, run: (draft: Draft) => void): Promise<void> {
  return new Promise((done, failed) =>
    committer.enqueue({ weight: 0, mustKeep: false, want: () => undefined, run, done, failed }, 'urgent'),
  );
}
