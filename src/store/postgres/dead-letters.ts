// Jobs that ended without success: kept with their payload for a while, so that an operator may send them after all.

import type { DeadLetter } from '../../core/ports.ts';
import { JOB_STATES } from '../sqlite/jobs.ts';
import type { PostgresContext } from './context.ts';
import type { Link } from './link.ts';
import { eventOf } from './numbers.ts';
import type { Operation } from './operation.ts';

export interface DeadLetters {
  list(): Promise<readonly DeadLetter[]>;
  /** Queues them anew. `done` hears how many there were. */
  retry(ids: readonly number[], ends: Ends): Operation<number>;
  /** Forgets these for good. */
  forget(ids: readonly number[], ends: Ends): Operation<number>;
  expired(beforeMs: number): Promise<readonly number[]>;
}

type Ends = Pick<Operation<number>, 'done' | 'failed'>;

const LIST = {
  name: 'dead letters',
  text: `SELECT j.id, j.site, j.destination, j.attempt, j.code, e.event_id, e.event_name, e.at_ms
    FROM job j JOIN outbox_event e ON e.event = j.id / 8 WHERE j.state = 4 ORDER BY j.id`,
};
const EXPIRED = {
  name: 'dead letters expired',
  text: `SELECT j.id FROM job j JOIN outbox_event e ON e.event = j.id / 8 WHERE j.state = 4 AND e.at_ms < $1 ORDER BY j.id LIMIT 500`,
};

/** Binds the dead letters of a store. */
export function openDeadLetters(link: Pick<Link, 'query'>, { dictionary, options }: PostgresContext): DeadLetters {
  const want = (ids: readonly number[]): Pick<Operation, 'want' | 'weight' | 'mustKeep'> => ({
    weight: 0,
    mustKeep: false,
    want(wants) {
      for (const id of ids) wants.events.add(eventOf(id));
    },
  });
  return {
    async list() {
      const rows = await link.query(LIST);
      await dictionary.cover(rows.flatMap((row) => [Number(row['site']), Number(row['destination'])]));
      return rows.map((row) => ({
        id: Number(row['id']),
        site: dictionary.text(Number(row['site'])),
        destination: dictionary.text(Number(row['destination'])),
        eventId: String(row['event_id']),
        eventName: String(row['event_name']),
        acceptedMs: Number(row['at_ms']),
        attempts: Number(row['attempt']),
        code: typeof row['code'] === 'string' ? row['code'] : '',
      }));
    },
    retry: (ids, ends) => ({
      ...want(ids),
      ...ends,
      run(draft) {
        const dead = ids.flatMap((id) => draft.job(id) ?? []).filter(({ state }) => state === JOB_STATES.dead);
        for (const job of dead) {
          draft.updateJob({ ...job, state: JOB_STATES.due, dueMs: options.clock(), attempt: 0, code: null });
        }
        return dead.length;
      },
    }),
    forget: (ids, ends) => ({
      ...want(ids),
      ...ends,
      run(draft) {
        const dead = ids.flatMap((id) => draft.job(id) ?? []).filter(({ state }) => state === JOB_STATES.dead);
        for (const job of dead) {
          draft.removeJob(job);
          if (draft.ofEvent(eventOf(job.id)).length === 0) draft.removeEvent(eventOf(job.id));
        }
        return dead.length;
      },
    }),
    async expired(beforeMs) {
      return (await link.query(EXPIRED, [beforeMs])).map((row) => Number(row['id']));
    },
  };
}

export const idsOf = (letters: readonly DeadLetter[], wanted: readonly number[] | 'all'): readonly number[] =>
  letters.map(({ id }) => id).filter((id) => wanted === 'all' || wanted.includes(id));
