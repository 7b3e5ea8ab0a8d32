// The second half of a batch's transaction: entries, jobs, states and the chain's new head, and the commit behind them.
// One trip to the server; whatever fails, nothing of it stays.

import { DICTIONARY_FIELDS } from '../log-tables.ts';
import { type Column, columnsOf, type Sent } from './columns.ts';
import type { Connection, Statement } from './connection.ts';
import type { PostgresContext } from './context.ts';
import type { Term } from './dictionary.ts';
import type { Written } from './draft.ts';
import { logStatements } from './write-log.ts';
import { queueStatements } from './write-queue.ts';

const MASKS: Statement = {
  name: 'update keys',
  text: `UPDATE seen s SET mask = t.mask FROM unnest($1::bytea[], $2::int4[]) AS t (key, mask) WHERE s.key = t.key`,
};
const STATES: Statement = {
  name: 'write states',
  text: `INSERT INTO consent_state (ref, changed_ms, sealed)
    SELECT t.ref, $3::int8, t.sealed FROM unnest($1::bytea[], $2::bytea[]) AS t (ref, sealed) ORDER BY ref
    ON CONFLICT (ref) DO UPDATE SET changed_ms = excluded.changed_ms, sealed = excluded.sealed`,
};

const MASK_COLUMNS: readonly Column<readonly [string, number]>[] = [
  ['bytea', ([key]) => key],
  ['int4', ([, mask]) => mask],
];
const STATE_COLUMNS: readonly Column<readonly [string, string]>[] = [
  ['bytea', ([ref]) => ref],
  ['bytea', ([, sealed]) => sealed],
];

/** Every term that a batch will need a number for. */
export function termsOf(written: Written): readonly Term[] {
  const terms = new Map<string, Term>();
  const add = (kind: string, text: string | null) => {
    if (text !== null) terms.set(`${kind} ${text}`, { kind, text });
  };
  for (const { entry } of written.entries) for (const kind of DICTIONARY_FIELDS) add(kind, entry[kind]);
  for (const { regionBasis } of written.events) add('region_basis', regionBasis);
  for (const { destination, site, capiStatus } of [...written.inserted, ...written.updated]) {
    add('destination', destination);
    add('site', site);
    add('capi_status', capiStatus);
  }
  return [...terms.values()];
}

/** Writes and commits. @throws the first error; the transaction is then undone, or its end is not known */
export async function write(connection: Connection, context: PostgresContext, written: Written): Promise<void> {
  const statements = [
    ...queueStatements(context.dictionary, written),
    ...stateStatements(written),
    ...logStatements(context, written),
  ];
  const sent = [
    ...statements.map(([statement, parameters]) => connection.query(statement, parameters)),
    connection.run('COMMIT'),
  ];
  const ends = await Promise.allSettled(sent);
  // Behind an error the server answers COMMIT by undoing everything.
  for (const end of ends) if (end.status === 'rejected') throw end.reason;
}

function stateStatements({ masks, states, changedMs }: Written): readonly Sent[] {
  const sent: Sent[] = [];
  if (masks.length > 0) sent.push([MASKS, columnsOf(masks, MASK_COLUMNS)]);
  if (states.size > 0) sent.push([STATES, [...columnsOf([...states], STATE_COLUMNS), changedMs]]);
  return sent;
}
