// The load, in a process of its own. Closed loop: each connection posts again when it is answered. Open loop: requests
// leave by the clock, and a request that finds no free connection counts from when it should have left.

import { z } from 'zod';
import { type Answer, type Connection, openConnection } from './connection.ts';
import { quantile } from './measure.ts';
import { endWithParent, monotonicMs, readTask, tell } from './task.ts';
import { createTraffic, type TrafficRequest } from './traffic.ts';

export const loadTask = z.strictObject({
  port: z.number(),
  connections: z.number(),
  eventsPerRequest: z.number(),
  /** Events a second; null = as many as are answered. */
  rate: z.number().nullable(),
  warmUpMs: z.number(),
  measuredMs: z.number(),
  /** Keep the moments of every measured request. */
  record: z.boolean(),
});

/** The measured time begins and ends: now is the moment to look at the server. */
export const loadWindow = z.strictObject({ window: z.enum(['open', 'closed']) });

const moment = z.strictObject({ id: z.string(), sentMs: z.number(), answeredMs: z.number() });
export type Sent = z.infer<typeof moment>;

export const loadResult = z.strictObject({
  /** Within the measured time. */
  requests: z.number(),
  events: z.number(),
  elapsedMs: z.number(),
  p50Ms: z.number(),
  p99Ms: z.number(),
  maxMs: z.number(),
  /** Events that a 202 acknowledged, warm-up included. */
  acknowledged: z.number(),
  /** Answers that were no 202, and answers that spoke of a drop. */
  refused: z.number(),
  dropped: z.number(),
  broken: z.array(z.string()),
  /** Share of a core that this process used in the measured time. */
  ownCpu: z.number(),
  moments: z.array(moment),
});

export type LoadTask = z.infer<typeof loadTask>;
export type LoadResult = z.infer<typeof loadResult>;

/** After the last request answers are awaited so long. */
const ANSWERS_MS = 15_000;
const TICK_MS = 1;
/** How many events an answer of Sluice acknowledges; the echoes do not say. */
const ACCEPTED = /^\{"accepted":(\d+)/;

if (import.meta.main) await main(readTask(loadTask));

async function main(task: LoadTask): Promise<void> {
  const totalMs = task.warmUpMs + task.measuredMs;
  endWithParent(totalMs + ANSWERS_MS + 30_000);
  const tally = createTally(task);
  const next = createTraffic(task.eventsPerRequest, Date.now());
  const connections = await openAll(task, tally);
  const startMs = monotonicMs();
  const openMs = startMs + task.warmUpMs;
  setTimeout(() => tally.open(), task.warmUpMs);
  setTimeout(() => tally.close(), totalMs);
  const endMs = openMs + task.measuredMs;
  if (task.rate === null) await closedLoop(connections, { next, tally, endMs });
  else await openLoop(connections, { next, tally, endMs, startMs, gapMs: (1000 * task.eventsPerRequest) / task.rate });
  for (const connection of connections) connection.close();
  await tell(tally.result());
  process.disconnect();
}

function openAll(task: LoadTask, tally: Tally): Promise<readonly Connection[]> {
  return Promise.all(Array.from({ length: task.connections }, () => openConnection(task.port, tally.broke)));
}

interface Loop {
  readonly next: () => TrafficRequest;
  readonly tally: Tally;
  readonly endMs: number;
}

async function closedLoop(connections: readonly Connection[], { next, tally, endMs }: Loop): Promise<void> {
  await withinAnswerTime(endMs, (done) => {
    let busy = connections.length;
    const post = (connection: Connection): void => {
      const sentMs = monotonicMs();
      if (sentMs >= endMs) {
        busy -= 1;
        if (busy === 0) done();
        return;
      }
      const { bytes, eventId } = next();
      connection.post(bytes, (answer) => {
        tally.answered(answer, { id: eventId, sentMs, dueMs: sentMs });
        post(connection);
      });
    };
    for (const connection of connections) post(connection);
  });
}

async function openLoop(
  connections: readonly Connection[],
  { next, tally, endMs, startMs, gapMs }: Loop & { startMs: number; gapMs: number },
): Promise<void> {
  const idle = [...connections];
  const due: number[] = [];
  let planned = 0;
  await withinAnswerTime(endMs, (done) => {
    const sendDue = (): void => {
      while (due.length > 0 && idle.length > 0) {
        const connection = idle.pop();
        const dueMs = due.shift();
        if (connection === undefined || dueMs === undefined) return;
        const { bytes, eventId } = next();
        const sentMs = monotonicMs();
        connection.post(bytes, (answer) => {
          tally.answered(answer, { id: eventId, sentMs, dueMs });
          idle.push(connection);
          sendDue();
          if (due.length === 0 && idle.length === connections.length && monotonicMs() >= endMs) done();
        });
      }
    };
    const ticking = setInterval(() => {
      const nowMs = monotonicMs();
      for (; startMs + planned * gapMs <= Math.min(nowMs, endMs); planned++) due.push(startMs + planned * gapMs);
      sendDue();
      if (nowMs < endMs) return;
      clearInterval(ticking);
      if (due.length === 0 && idle.length === connections.length) done();
    }, TICK_MS);
  });
}

/** Waits for the end of a loop, at most for the time that answers may take. */
async function withinAnswerTime(endMs: number, run: (done: () => void) => void): Promise<void> {
  await new Promise<void>((resolve) => {
    const bound = setTimeout(resolve, endMs - monotonicMs() + ANSWERS_MS);
    run(() => {
      clearTimeout(bound);
      resolve();
    });
  });
}

interface Tally {
  answered(answer: Answer, request: { id: string; sentMs: number; dueMs: number }): void;
  broke(why: string): void;
  open(): void;
  close(): void;
  result(): LoadResult;
}

function createTally(task: LoadTask): Tally {
  const latencies: number[] = [];
  const moments: Sent[] = [];
  const broken: string[] = [];
  let [acknowledged, refused, dropped] = [0, 0, 0];
  let [openedMs, closedMs] = [0, 0];
  let [cpuFrom, cpuMs] = [process.cpuUsage(), 0];
  const close = () => {
    if (closedMs !== 0) return;
    closedMs = monotonicMs();
    const used = process.cpuUsage(cpuFrom);
    cpuMs = (used.user + used.system) / 1000;
    void tell({ window: 'closed' });
  };
  return {
    answered({ status, body }, { id, sentMs, dueMs }) {
      const nowMs = monotonicMs();
      if (status === 202) acknowledged += Number(ACCEPTED.exec(body)?.[1] ?? task.eventsPerRequest);
      else refused += 1;
      if (body.includes('"drop"') || body.includes('"duplicate"')) dropped += 1;
      if (openedMs === 0 || closedMs !== 0 || status !== 202) return;
      latencies.push(nowMs - dueMs);
      if (task.record) moments.push({ id, sentMs, answeredMs: nowMs });
    },
    broke: (why) => void (broken.length < 5 && broken.push(why)),
    open() {
      openedMs = monotonicMs();
      cpuFrom = process.cpuUsage();
      void tell({ window: 'open' });
    },
    close,
    result() {
      close();
      const elapsedMs = closedMs - openedMs;
      const [p50Ms, p99Ms, maxMs] = [0.5, 0.99, 1].map((q) => (latencies.length === 0 ? 0 : quantile(latencies, q)));
      return {
        requests: latencies.length,
        events: latencies.length * task.eventsPerRequest,
        elapsedMs,
        p50Ms: p50Ms ?? 0,
        p99Ms: p99Ms ?? 0,
        maxMs: maxMs ?? 0,
        acknowledged,
        refused,
        dropped,
        broken,
        ownCpu: cpuMs / elapsedMs,
        moments,
      };
    },
  };
}
