// The look before the send: in one statement the fencing token is shown, the attempt is marked as under way, and the consent
// state is read. Nothing of it is remembered. Looks of one turn go together.

import type { KeyObject } from 'node:crypto';
import type { Claim } from '../../core/ports.ts';
import { arrayOf } from './arrays.ts';
import { Unanswered } from './failure.ts';
import { latin1 } from './job.ts';
import type { Link } from './link.ts';
import { readVisitorStates, type VisitorStates } from './visitor-states.ts';

export interface Look {
  /** False: the job was cancelled, or its partition is another node's by now. Nothing may be sent or recorded. */
  readonly isOurs: boolean;
  readonly withdrawnMs: number | null;
}

// A withdrawal that committed before locked the job first, and it is gone; one that comes later finds it under way, and is
// seen by the next look.
const LOOK = {
  name: 'look',
  text: `WITH ours AS (
      UPDATE job j SET under_way = t.token FROM unnest($1::int8[], $2::int8[]) AS t (id, token)
      WHERE j.id = t.id AND j.state <> 4 AND t.token = (
        SELECT l.token FROM partition_lease l WHERE l.part = j.part AND l.holder = $4 AND l.until > now())
      RETURNING j.id)
    SELECT id, NULL::bytea AS ref, NULL::bytea AS sealed FROM ours
    UNION ALL SELECT NULL, ref, sealed FROM consent_state WHERE ref = ANY ($3::bytea[])`,
};

interface Waiting {
  readonly claim: Claim;
  readonly token: number;
  resolve(look: Look): void;
  reject(error: unknown): void;
}

export interface LookOptions {
  readonly link: Pick<Link, 'query'>;
  readonly node: string;
  readonly key: KeyObject;
  readonly retryMs: number;
}

export interface Looks {
  look(claim: Claim, token: number): Promise<Look>;
  stop(): void;
}

/** While the database cannot be asked, looks wait: nothing is sent unseen. */
export function createLooks({ link, node, key, retryMs }: LookOptions): Looks {
  let waiting: Waiting[] = [];
  let isStopped = false;

  async function ask(): Promise<void> {
    const asked = waiting;
    waiting = [];
    try {
      const rows = await link.query(LOOK, [
        arrayOf(
          'int8',
          asked.map(({ claim }) => claim.jobId),
        ),
        arrayOf(
          'int8',
          asked.map(({ token }) => token),
        ),
        arrayOf('bytea', [...new Set(asked.flatMap(({ claim }) => claim.visitorRefs))]),
        node,
      ]);
      const ours = new Set(rows.map((row) => row['id']));
      const sealed = rows.flatMap((row) =>
        row['id'] === null ? [[latin1(row['ref']) ?? '', latin1(row['sealed']) ?? ''] as const] : [],
      );
      const states = readVisitorStates(new Map(sealed), key, () => '');
      for (const { claim, resolve } of asked) resolve(answer(claim, ours.has(claim.jobId), states));
    } catch (error) {
      if (isStopped) return;
      if (!(error instanceof Unanswered)) {
        for (const { reject } of asked) reject(error);
        return;
      }
      waiting = [...asked, ...waiting];
      setTimeout(() => void ask(), retryMs).unref();
    }
  }

  return {
    look: (claim, token) =>
      new Promise((resolve, reject) => {
        waiting.push({ claim, token, resolve, reject });
        if (waiting.length === 1) setImmediate(() => void ask());
      }),
    stop() {
      isStopped = true;
    },
  };
}

function answer(claim: Claim, isOurs: boolean, states: VisitorStates): Look {
  return { isOurs, withdrawnMs: states.withdrawnMs(claim.visitorRefs, claim.destination) };
}
