// Plays the visitors: each buys a mug, three of them while something goes wrong. What is seen becomes rows.

import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import type { FakeKlaviyo } from './fake-klaviyo.ts';
import type { FakeMeta } from './fake-meta.ts';
import { inOrder, isSettled, type LoggedEvent, type Row, requestsOf, type Step } from './row.ts';
import { emailOf, postPurchase, postWithdrawal, type Shopfront } from './shopper.ts';
import { beginTrouble, RETRY_AFTER_S } from './trouble.ts';
import type { Visitor } from './visitors.ts';

/** Where it is played. Its signal is aborted when the person at the terminal has seen enough. */
export interface Stage extends Shopfront {
  readonly meta: FakeMeta;
  readonly klaviyo: FakeKlaviyo;
  /** What the log holds of an event; null = nothing yet. */
  readonly logged: (eventId: string) => Promise<LoggedEvent | null>;
  readonly progress: (text: string) => void;
}

/** A visitor, what became of the purchase, and what did not happen that should have. */
export interface Played {
  readonly visitor: Visitor;
  readonly row: Row;
  readonly missed: readonly string[];
}

const PREFIX = 'purchase-';
const POLL_MS = 10;
const PATIENCE_MS = 10_000;

/** Whether an event is one of these visitors', and not of somebody who clicks in the shop. */
export function isScripted(eventId: string): boolean {
  return eventId.startsWith(PREFIX);
}

/** Plays them all: the untroubled one by one, so that their times can be compared, then the others at once. */
export async function playVisitors(stage: Stage, visitors: readonly Visitor[]): Promise<readonly Played[]> {
  const played = new Map<Visitor, Played>();
  const play = async (visitor: Visitor) => {
    stage.progress(`${visitor.name} (${visitor.country}) buys a mug: ${visitor.story}`);
    played.set(visitor, await playOne(stage, visitor));
  };
  for (const visitor of visitors.filter(({ trouble }) => trouble === 'none')) await play(visitor);
  await Promise.all(visitors.filter(({ trouble }) => trouble !== 'none').map(play));
  return visitors.flatMap((visitor) => played.get(visitor) ?? []);
}

async function playOne(stage: Stage, visitor: Visitor): Promise<Played> {
  const { promised, trouble, name } = visitor;
  const eventId = PREFIX + name.toLowerCase();
  if (promised.meta.verdict === 'drop') stage.meta.forbid(emailOf(visitor));
  if (promised.klaviyo.verdict === 'drop') stage.klaviyo.forbid(emailOf(visitor));
  const endTrouble = beginTrouble(stage.meta, trouble, eventId);
  let withdrawal: Withdrawal | null = null;
  const missed: string[] = [];
  try {
    withdrawal = await act(stage, visitor, { eventId, endTrouble });
    await until(stage, async () => {
      const event = await stage.logged(eventId);
      return event !== null && isSettled(event);
    });
  } catch (error) {
    if (stage.signal.aborted || !(error instanceof Missed)) throw error;
    missed.push(`${name}: ${error.message}`);
  } finally {
    endTrouble();
  }
  return { visitor, row: await rowOf(stage, visitor, { eventId, withdrawal }), missed };
}

/** Something that was promised and did not come; whatever else goes wrong is a mistake of the demonstration. */
class Missed extends Error {}

interface Withdrawal {
  /** Epoch milliseconds. */
  readonly answeredMs: number;
  readonly cancelled: number;
}

const collected = z.object({ accepted: z.literal(1) });
const withdrawn = z.object({ cancelled: z.number() });

/** The purchase, and what goes with the trouble. */
async function act(
  stage: Stage,
  visitor: Visitor,
  { eventId, endTrouble }: { readonly eventId: string; readonly endTrouble: () => void },
): Promise<Withdrawal | null> {
  const { answer, cookie } = await postPurchase(stage, visitor, eventId);
  if (!collected.safeParse(answer).success) throw new Missed('the purchase was not accepted with a 202');
  if (visitor.trouble === 'meta_is_down') {
    await until(stage, () => stage.klaviyo.attemptsFor(eventId).length > 0);
    endTrouble();
  }
  if (visitor.trouble !== 'withdraws') return null;
  await until(stage, async () => (await stage.logged(eventId))?.deliveries.some(isRetrying) === true);
  const posted = await postWithdrawal(stage, visitor, cookie);
  const read = withdrawn.safeParse(posted.answer);
  if (!read.success) throw new Missed('the withdrawal was not accepted with a 202');
  const withdrawal = { answeredMs: stage.nowMs(), cancelled: read.data.cancelled };
  // Meta answers again from here on, and the wait that it asked for passes: whatever was still queued would be sent now.
  endTrouble();
  await sleep(RETRY_AFTER_S * 1000, undefined, { signal: stage.signal });
  return withdrawal;
}

const isRetrying = ({ outcome }: { readonly outcome: string }): boolean => outcome === 'retrying';

async function rowOf(
  stage: Stage,
  { name, story, country, signal }: Visitor,
  { eventId, withdrawal }: { readonly eventId: string; readonly withdrawal: Withdrawal | null },
): Promise<Row> {
  const event = await stage.logged(eventId);
  const acceptedMs = event?.acceptedMs ?? stage.nowMs();
  const taken: readonly Step[] =
    withdrawal === null
      ? []
      : [{ kind: 'withdrawal', askedMs: withdrawal.answeredMs - acceptedMs, cancelled: withdrawal.cancelled }];
  return {
    visitor: name,
    story,
    country,
    region: event?.region ?? 'regulated',
    signal,
    decisions: event?.decisions ?? [],
    steps: inOrder([...requestsOf({ eventId, acceptedMs }, stage), ...taken]),
  };
}

async function until({ signal }: Stage, isTrue: () => boolean | Promise<boolean>): Promise<void> {
  const deadlineMs = performance.now() + PATIENCE_MS;
  while (!(await isTrue())) {
    if (performance.now() > deadlineMs) throw new Missed(`its purchase came to no end within ${PATIENCE_MS / 1000} s`);
    await sleep(POLL_MS, undefined, { signal });
  }
}
