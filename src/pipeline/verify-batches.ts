// The chain of batches laid against the entries: no batch out of place, no entry outside of one, no entry missing.

import { batchHash, FIRST_PREVIOUS, merkleRoot } from '../core/ledger.ts';
import type { Finding, Listener, Pages, StoredBatch } from './log-check.ts';

export interface BatchWalk {
  /** Takes an entry into the batch at hand; false when it lies behind that batch's end. `leaf` null: it is not the stored one. */
  take(seq: number, leaf: Uint8Array | null): boolean;
  /** Goes on to the batch that may hold the entry, and takes it. */
  advance(seq: number, leaf: Uint8Array | null): Promise<void>;
  /** Checks what is left. `head`: hash of the newest batch as hex. */
  end(): Promise<{ readonly batches: number; readonly head: string | null }>;
}

/** A batch is a commit, and a commit holds a few thousand entries; what claims more was changed, and is not gathered. */
const MAX_ENTRIES = 1_000_000;

interface Open {
  readonly batch: StoredBatch;
  /** Where its entries start that no earlier batch had. */
  readonly fromSeq: number;
  /** Its place is right, so that its root says something about its entries. */
  isPlaced: boolean;
  nextSeq: number;
  leaves: Uint8Array[];
}

/** Walks over the batches of a chain, entry by entry in ascending order. */
export function createBatchWalk(given: {
  readonly chain: string;
  readonly batches: Pages<StoredBatch>;
  readonly listener: Listener;
}): BatchWalk {
  const { chain, listener } = given;
  const next = readOneByOne(given.batches);
  const unsealed = createRange((first, last) =>
    listener.finding(entries('entry.unsealed', first, last, null, 'in no batch: added, or their batch is gone')),
  );
  let place = { batch: 0, seq: 1, hash: FIRST_PREVIOUS };
  let open: Open | null = null;
  let batches = 0;

  const walk: BatchWalk = {
    take(seq, leaf) {
      if (open === null || seq > open.batch.lastSeq) return false;
      takeInto(open, seq, leaf);
      return true;
    },
    async advance(seq, leaf) {
      while (open === null || seq > open.batch.lastSeq) {
        if (open !== null) close(open);
        const batch = await next();
        open = batch === null ? null : openBatch(batch);
        if (open === null) {
          unsealed.add(seq);
          return;
        }
      }
      takeInto(open, seq, leaf);
    },
    async end() {
      unsealed.flush();
      if (open !== null) close(open);
      for (let batch = await next(); batch !== null; batch = await next()) close(openBatch(batch));
      return { batches, head: batches === 0 ? null : Buffer.from(place.hash).toString('hex') };
    },
  };
  return walk;

  function openBatch(batch: StoredBatch): Open {
    const problems = placeProblems(batch, place, chain);
    for (const problem of problems) listener.finding(problem);
    const fromSeq = Math.max(batch.firstSeq, place.seq);
    const isPlaced = batch.firstSeq >= place.seq && batch.lastSeq - batch.firstSeq < MAX_ENTRIES;
    place = { batch: batch.batch, seq: Math.max(place.seq, batch.lastSeq + 1), hash: batch.hash };
    batches += 1;
    return { batch, fromSeq, isPlaced, nextSeq: fromSeq, leaves: [] };
  }

  function takeInto(into: Open, seq: number, leaf: Uint8Array | null): void {
    if (seq < into.fromSeq) {
      unsealed.add(seq);
      return;
    }
    unsealed.flush();
    missing(into, seq - 1);
    into.nextSeq = seq + 1;
    if (leaf === null) into.isPlaced = false;
    else if (into.isPlaced) into.leaves.push(leaf);
  }

  /** Reports what the batch should hold between the last entry that came and `until`. */
  function missing(from: Open, until: number): void {
    if (until < from.nextSeq) return;
    const { batch } = from.batch;
    listener.finding(entries('entry.missing', from.nextSeq, until, batch, `missing from batch ${batch}`));
    from.nextSeq = until + 1;
    from.isPlaced = false;
  }

  function close(closing: Open): void {
    unsealed.flush();
    missing(closing, closing.batch.lastSeq);
    const { batch, firstSeq, lastSeq, root } = closing.batch;
    if (!closing.isPlaced || closing.leaves.length === 0) return;
    if (merkleRoot(closing.leaves).equals(root)) return;
    const what = `not what batch ${batch} was sealed over: an entry or the root was changed`;
    listener.finding(entries('batch.wrong_root', firstSeq, lastSeq, batch, what));
  }
}

interface Place {
  readonly batch: number;
  readonly seq: number;
  readonly hash: Uint8Array;
}

/** What is wrong with a batch by itself and with its place behind the one before. */
function placeProblems(batch: StoredBatch, after: Place, chain: string): readonly Finding[] {
  const { firstSeq, lastSeq } = batch;
  const at = (code: Finding['code'], what: string): Finding => {
    return {
      code,
      firstSeq,
      lastSeq,
      batch: batch.batch,
      what: `batch ${batch.batch} (entries ${firstSeq}–${lastSeq}) ${what}`,
    };
  };
  const problems: Finding[] = [];
  if (batch.batch !== after.batch + 1) {
    problems.push(at('batch.missing', `follows batch ${after.batch}: what was between them is gone`));
  }
  if (firstSeq !== after.seq || lastSeq < firstSeq) {
    problems.push(at('batch.misplaced', `should begin with entry ${after.seq}`));
  }
  if (Buffer.compare(batch.previous, after.hash) !== 0) {
    problems.push(at('batch.not_linked', `does not link to the batch before it`));
  }
  const hash = batchHash({ previous: batch.previous, root: batch.root, firstSeq, lastSeq, chain });
  if (!hash.equals(batch.hash)) problems.push(at('batch.changed', 'does not match its own hash: it was changed'));
  return problems;
}

function entries(code: Finding['code'], first: number, last: number, batch: number | null, what: string): Finding {
  const subject = first === last ? `entry ${first} is` : `entries ${first}–${last} are`;
  return { code, firstSeq: first, lastSeq: last, batch, what: `${subject} ${what}` };
}

/** Joins neighbours, so that a thousand of them are one finding. */
function createRange(report: (first: number, last: number) => void) {
  let range: { readonly first: number; last: number } | null = null;
  const flush = () => {
    if (range !== null) report(range.first, range.last);
    range = null;
  };
  return {
    add(seq: number) {
      if (range !== null && seq === range.last + 1) {
        range.last = seq;
        return;
      }
      flush();
      range = { first: seq, last: seq };
    },
    flush,
  };
}

function readOneByOne<T>(pages: Pages<T>): () => Promise<T | null> {
  const source = pagesOf(pages);
  let page: readonly T[] = [];
  let at = 0;
  return async () => {
    while (at >= page.length) {
      const { done, value } = await source.next();
      if (done) return null;
      [page, at] = [value, 0];
    }
    const one = page[at];
    at += 1;
    return one ?? null;
  };
}

async function* pagesOf<T>(pages: Pages<T>): AsyncGenerator<readonly T[], undefined> {
  yield* pages;
}
