// How much is queued: asked of the database now and then, and followed by what this node commits meanwhile.

import { JOB_STATES } from '../sqlite/jobs.ts';
import type { QueueState } from '../store.ts';
import type { PostgresContext } from './context.ts';
import type { Written } from './draft.ts';
import type { Link } from './link.ts';

export interface Backlog {
  /** Jobs that are due and were never attempted: what intake may not outrun. */
  fresh(destination: string): number;
  follow(written: Written): void;
  refresh(): Promise<void>;
  queue(destination: string, inFlight: number): Promise<QueueState>;
}

// Counting stops where the answer no longer matters.
const FRESH = {
  name: 'backlog',
  text: `SELECT count(*) AS n FROM (
    SELECT 1 FROM job WHERE destination = $1 AND NOT behind AND state = 0 AND attempt = 0 LIMIT $2) AS t`,
};
const STATES = {
  name: 'queue states',
  text: 'SELECT state, count(*) AS n FROM job WHERE destination = $1 GROUP BY state',
};
const OLDEST = {
  name: 'queue oldest',
  text: `SELECT e.at_ms FROM job j JOIN outbox_event e ON e.event = j.id / 8
    WHERE j.destination = $1 AND j.state <> 4 ORDER BY j.ord LIMIT 1`,
};

/** Begins with an empty count: `refresh` fills it. */
export function createBacklog(link: Pick<Link, 'query'>, { options, dictionary }: PostgresContext): Backlog {
  const counts = new Map<string, number>();
  return {
    fresh: (destination) => counts.get(destination) ?? 0,
    follow({ inserted }) {
      for (const { destination, state } of inserted) {
        if (state === JOB_STATES.due) counts.set(destination, (counts.get(destination) ?? 0) + 1);
      }
    },
    async refresh() {
      for (const destination of options.destinations) {
        const number = dictionary.number('destination', destination);
        const [row] = await link.query(FRESH, [number, options.maxDueJobs + 1]);
        counts.set(destination, Number(row?.['n'] ?? 0));
      }
    },
    async queue(destination, inFlight) {
      const number = dictionary.number('destination', destination);
      const rows = await link.query(STATES, [number]);
      const count = (state: number) => Number(rows.find((row) => row['state'] === state)?.['n'] ?? 0);
      const [oldest] = await link.query(OLDEST, [number]);
      return {
        due: count(JOB_STATES.due),
        waiting: count(JOB_STATES.waiting),
        in_flight: inFlight,
        retrying: count(JOB_STATES.retrying),
        paused: count(JOB_STATES.paused),
        dead: count(JOB_STATES.dead),
        oldestMs: typeof oldest?.['at_ms'] === 'number' ? oldest['at_ms'] : null,
      };
    },
  };
}
