// Many chains as one order: an entry stands behind all that it cites. The numbers are places in that order, so that the check
// of one chain's order (pipeline/order) serves for all of them.

import { ENTRY_KINDS } from '../../core/ledger.ts';
import type { EntryRef } from './numbers.ts';

/** What the order of attempts depends on, as one chain has it. */
export interface OrderRow {
  readonly seq: number;
  readonly atMs: number;
  readonly kind: number;
  readonly eventSeq: number | null;
  readonly destination: string | null;
  readonly verdict: string | null;
  readonly outcome: string | null;
  readonly decision: EntryRef | null;
  readonly startedSeq: number | null;
  /** What a delivery says had released it, where that stands in another chain. */
  readonly released: EntryRef | null;
}

interface OrderSource {
  readonly chain: { readonly n: number; readonly lastSeq: number };
  readonly pages: AsyncIterable<readonly OrderRow[]>;
}

interface Cursor {
  readonly n: number;
  /** Place of each entry that was passed on; 0 = not yet. */
  readonly places: Float64Array;
  next(): Promise<OrderRow | null>;
  row: OrderRow | null;
}

const PAGE = 2000;

/** Merges chains: of those whose next entry cites nothing that is still to come, the earliest by its clock. */
export async function* mergeOrder(sources: readonly OrderSource[]) {
  const cursors = new Map<number, Cursor>();
  for (const source of sources) {
    const next = oneByOne(source.pages);
    const places = new Float64Array(source.chain.lastSeq + 1);
    cursors.set(source.chain.n, { n: source.chain.n, places, next, row: await next() });
  }
  const placeOf = ({ chain, seq }: EntryRef): number => cursors.get(chain)?.places[seq] ?? 0;
  let place = 0;
  let page: ReturnType<typeof toPlace>[] = [];
  for (let cursor = choose(cursors, placeOf); cursor !== null; cursor = choose(cursors, placeOf)) {
    const { row, n, places } = cursor;
    if (row === null) return;
    place += 1;
    places[row.seq] = place;
    page.push(toPlace(row, n, placeOf));
    cursor.row = await cursor.next();
    if (page.length < PAGE) continue;
    yield page;
    page = [];
  }
  if (page.length > 0) yield page;
}

function choose(cursors: ReadonlyMap<number, Cursor>, placeOf: (ref: EntryRef) => number): Cursor | null {
  let chosen: Cursor | null = null;
  let blocked: Cursor | null = null;
  for (const cursor of cursors.values()) {
    const { row } = cursor;
    if (row === null) continue;
    const cited = [row.decision, row.released].filter((ref) => ref !== null);
    if (cited.every((ref) => ref.chain === cursor.n || placeOf(ref) > 0)) chosen = earlier(chosen, cursor);
    else blocked = earlier(blocked, cursor);
  }
  // Two that wait for each other cite what cannot be: they go on, and the check names them.
  return chosen ?? blocked;
}

function earlier(a: Cursor | null, b: Cursor): Cursor {
  return a?.row != null && b.row !== null && a.row.atMs <= b.row.atMs ? a : b;
}

// An attempt began behind what it says had released it, though our own chain may not have grown since.
function toPlace(row: OrderRow, n: number, placeOf: (ref: EntryRef) => number) {
  const own = (seq: number) => placeOf({ chain: n, seq });
  const started = row.startedSeq === null ? null : own(row.startedSeq);
  const cited = row.released ?? (row.decision !== null && row.decision.chain !== n ? row.decision : null);
  const event = row.eventSeq === null ? null : placeOf({ chain: row.decision?.chain ?? n, seq: row.eventSeq });
  return {
    seq: own(row.seq),
    kind: row.kind,
    event_seq: row.kind === ENTRY_KINDS.decision && row.eventSeq === row.seq ? own(row.seq) : event,
    destination: row.destination,
    verdict: row.verdict,
    decision_seq: row.decision === null ? null : placeOf(row.decision),
    outcome: row.outcome,
    started_seq: started === null ? null : Math.max(started, cited === null ? 0 : placeOf(cited)),
  };
}

function oneByOne<T>(source: AsyncIterable<readonly T[]>): () => Promise<T | null> {
  const iterator = source[Symbol.asyncIterator]();
  let page: readonly T[] = [];
  let at = 0;
  return async () => {
    while (at >= page.length) {
      const { value, done } = await iterator.next();
      if (done === true) return null;
      page = value;
      at = 0;
    }
    const row = page[at];
    at += 1;
    return row ?? null;
  };
}
