// Meta and Klaviyo as fast as they can be, in a process of their own: the strict fakes of the demo judge each field, which
// costs more than what they would measure. Where asked, each request's moments are kept for the latency section.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { z } from 'zod';
import { endWithParent, monotonicMs, readTask, tell } from './task.ts';

export const fakesTask = z.strictObject({
  /** `hang`: requests are read and never answered. */
  meta: z.enum(['answer', 'hang']),
  latencyMs: z.number(),
  /** Keep the moments of every request. */
  record: z.boolean(),
});
export const fakesReady = z.strictObject({ meta: z.number(), klaviyo: z.number() });
const moment = z.strictObject({
  vendor: z.enum(['meta', 'klaviyo']),
  id: z.string(),
  startMs: z.number(),
  endMs: z.number(),
});
export type Moment = z.infer<typeof moment>;
export const fakesMoments = z.strictObject({ moments: z.array(moment) });

const LIMIT_MS = 1_800_000;
const MAX_MOMENTS = 500_000;
const META_ID = /"event_id":"([^"]{1,128})"/g;
const KLAVIYO_ID = /"unique_id":"([^"]{1,128})"/g;

type Task = z.infer<typeof fakesTask>;
type Vendor = Moment['vendor'];

if (import.meta.main) await main(readTask(fakesTask));

async function main(task: Task): Promise<void> {
  endWithParent(LIMIT_MS);
  const moments: Moment[] = [];
  const [meta, klaviyo] = await Promise.all([
    listen((req, res) => handle('meta', task, moments, { req, res })),
    listen((req, res) => handle('klaviyo', task, moments, { req, res })),
  ]);
  process.on('message', () => void tell({ moments }));
  await tell({ meta, klaviyo });
}

function listen(onRequest: (req: IncomingMessage, res: ServerResponse) => void): Promise<number> {
  const server = createServer({ keepAliveTimeout: 60_000 }, onRequest);
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      resolve(typeof address === 'object' && address !== null ? address.port : 0);
    });
  });
}

interface Exchange {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
}

function handle(vendor: Vendor, task: Task, moments: Moment[], { req, res }: Exchange): void {
  const startMs = monotonicMs();
  const chunks: Buffer[] = [];
  req.on('data', (chunk: Buffer) => chunks.push(chunk));
  req.on('end', () => {
    const body = Buffer.concat(chunks).toString('utf8');
    if (vendor === 'meta' && task.meta === 'hang') return;
    const finish = () => {
      if (vendor === 'meta') answerMeta(res, body);
      else answerKlaviyo(res);
      if (task.record && moments.length < MAX_MOMENTS) {
        const endMs = monotonicMs();
        for (const id of idsOf(vendor, body)) moments.push({ vendor, id, startMs, endMs });
      }
    };
    if (task.latencyMs === 0) finish();
    else setTimeout(finish, task.latencyMs);
  });
}

/** A request of Meta's may hold several events. */
function idsOf(vendor: Vendor, body: string): readonly string[] {
  return [...body.matchAll(vendor === 'meta' ? META_ID : KLAVIYO_ID)].map(([, id = '']) => id);
}

function answerMeta(res: ServerResponse, body: string): void {
  const { data }: { data: readonly unknown[] } = JSON.parse(body);
  const answer = `{"events_received":${data.length},"messages":[],"fbtrace_id":"AbCdEfGhIjKlMnOpQrStUvW"}`;
  res.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': answer.length });
  res.end(answer);
}

function answerKlaviyo(res: ServerResponse): void {
  res.writeHead(202, { 'Content-Length': 0 });
  res.end();
}
