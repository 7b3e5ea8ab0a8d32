// What the demonstration reads of its own log, beside the running server and with the same means as the other commands.

import { z } from 'zod';
import type { Verification } from '../demo/report.ts';
import type { LoggedEvent } from '../demo/row.ts';
import { destinations } from '../destinations/index.ts';
import { checkOrder } from '../pipeline/order.ts';
import { verifyLog } from '../pipeline/verify.ts';
import { openQueries } from '../store/queries.ts';
import { openForReading } from '../store/read.ts';
import { openStoredLog } from '../store/stored-log.ts';

export interface DemoLog {
  /** Every event that was accepted, oldest first. */
  events(): Promise<readonly LoggedEvent[]>;
  verify(): Promise<Verification>;
  close(): void;
}

const decided = z.object({ verdict: z.enum(['permit', 'drop']), region: z.enum(['regulated', 'opt_out', 'open']) });

type Draft = { -readonly [K in keyof LoggedEvent]: LoggedEvent[K] } & {
  readonly decisions: LoggedEvent['decisions'][number][];
  readonly deliveries: LoggedEvent['deliveries'][number][];
};

/**
 * Opens the log of a running server.
 * @throws CannotRun when it cannot be read
 */
export async function openDemoLog(file: string): Promise<DemoLog> {
  const store = openForReading(file);
  const queries = await openQueries(store);

  const events = async (): Promise<readonly LoggedEvent[]> => {
    const found = new Map<string, Draft>();
    for await (const page of queries.decisions({})) {
      for (const { event_id, event_name, time, destination, reason, ...row } of page) {
        const { verdict, region } = decided.parse(row);
        const event = found.get(event_id) ?? {
          eventId: event_id,
          eventName: event_name,
          acceptedMs: Date.parse(time),
          region,
          decisions: [],
          deliveries: [],
        };
        event.decisions.push({ destination, verdict, reason });
        found.set(event_id, event);
      }
    }
    for await (const page of queries.deliveries({})) {
      for (const { event_id, destination, outcome, code } of page) {
        found.get(event_id)?.deliveries.push({ destination, outcome, code });
      }
    }
    return [...found.values()];
  };

  const verify = async (): Promise<Verification> => {
    const log = openStoredLog(store);
    const findings: string[] = [];
    const listener = { finding: ({ what }: { readonly what: string }) => void findings.push(what) };
    const { entries, batches, head } = await verifyLog(log, listener);
    const { decisions, attempts, open } = await checkOrder(log.order, destinations[0]?.id ?? '', listener);
    return { entries, batches, head, decisions, attempts, open, findings };
  };

  return { events, verify, close: () => store.close() };
}
