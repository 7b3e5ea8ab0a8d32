// Several datasets of one site: each gets every event, and an event is done when each of them has settled it.

import { LRUCache } from 'lru-cache';
import type { Outcome } from '../core/delivery.ts';
import type { MetaEvent } from './meta-event.ts';
import { type Dataset, postEvents, type Way } from './meta-request.ts';

/** What a dataset has taken while another one still waits; a restart forgets it, and Meta drops the repeated event id. */
const MAX_REMEMBERED = 10_000;

export type PostToAll = (events: readonly MetaEvent[], way: Way) => Promise<readonly Outcome[]>;

/** One outcome per event, in their order. The first dataset is the site's own: what it says is what Klaviyo is told. */
export function createDatasets(datasets: readonly [Dataset, ...Dataset[]]): PostToAll {
  const [own, ...others] = datasets;
  if (others.length === 0) return (events, way) => postEvents(events, own, way);
  const taken = new LRUCache<string, Outcome>({ max: MAX_REMEMBERED });
  return async (events, way) => {
    const all = await Promise.all(datasets.map((dataset) => postOnce(events, dataset, { way, taken })));
    return events.map((_event, index) => combined(all.map((outcomes) => ({ outcome: outcomes[index], outcomes }))));
  };
}

async function postOnce(
  events: readonly MetaEvent[],
  dataset: Dataset,
  { way, taken }: { way: Way; taken: LRUCache<string, Outcome> },
): Promise<readonly (Outcome | undefined)[]> {
  const keyOf = ({ event_name, event_id }: MetaEvent) => `${dataset.id} ${event_name} ${event_id}`;
  const due = events.filter((event) => !taken.has(keyOf(event)));
  const posted = await postEvents(due, dataset, way);
  for (const [index, event] of due.entries()) {
    const outcome = posted[index];
    if (outcome?.kind === 'accepted') taken.set(keyOf(event), outcome);
  }
  return events.map((event) => posted[due.indexOf(event)] ?? taken.get(keyOf(event)));
}

const OPEN = ['transient', 'throttled', 'misconfigured'] as const;

interface OfDataset {
  readonly outcome: Outcome | undefined;
  /** Of all events, at the same dataset. */
  readonly outcomes: readonly (Outcome | undefined)[];
}

function combined(all: readonly OfDataset[]): Outcome {
  for (const kind of OPEN) {
    const open = all.find(({ outcome }) => outcome?.kind === kind)?.outcome;
    if (open !== undefined) return open;
  }
  // Several that are refused were refused as one, which says nothing of each: the caller splits them until one is left.
  const refused = all.find(({ outcome, outcomes }) => isRefused(outcome) && outcomes.filter(isRefused).length > 1);
  const outcome = (refused ?? all[0])?.outcome;
  if (outcome === undefined) throw new Error('a dataset answered for fewer events than it was given');
  return outcome;
}

function isRefused(outcome: Outcome | undefined): boolean {
  return outcome?.kind === 'refused';
}
