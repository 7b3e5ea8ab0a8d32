// NOTIFY and LISTEN: a node that queued something wakes those that deliver. A notice may be lost; the next tick wakes as well.

import type { PostgresOptions } from './context.ts';
import { createLink, type Link } from './link.ts';

export interface Notices {
  /** Keeps the listening connection alive; `wake` is called for what other nodes queue. @throws the driver's error */
  listen(wake: () => void): Promise<void>;
  /** Tells the others, a few times a second at most: notices of all nodes are committed one by one. */
  notify(link: Pick<Link, 'query'>): void;
  close(): Promise<void>;
}

const CHANNEL = 'sluice_jobs';
const NOTIFY = { name: 'notify', text: `SELECT pg_notify('${CHANNEL}', $1)` };
const PING = { name: 'ping', text: 'SELECT 1' };
const EVERY_MS = 50;

/** Prepares the connection that listens. */
export function createNotices({ connection, node, role }: PostgresOptions): Notices {
  let wakeUp = () => {};
  const link = createLink(connection, async (made) => {
    made.onNotification((from) => {
      if (from !== node) wakeUp();
    });
    await made.run(`LISTEN ${CHANNEL}`);
  });
  let timer: NodeJS.Timeout | null = null;
  return {
    async listen(wake) {
      wakeUp = wake;
      if (role !== 'collect') await link.query(PING);
    },
    notify(through) {
      timer ??= setTimeout(() => {
        timer = null;
        through.query(NOTIFY, [node]).catch(() => undefined);
      }, EVERY_MS);
      timer.unref();
    },
    async close() {
      if (timer !== null) clearTimeout(timer);
      await link.close();
    },
  };
}
