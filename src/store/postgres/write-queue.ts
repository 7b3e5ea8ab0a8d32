// What a batch changes in the queue: events and jobs that come, change and go.

import { type Column, columnsOf, type Sent } from './columns.ts';
import type { Statement } from './connection.ts';
import type { Dictionary } from './dictionary.ts';
import type { NewEvent, Written } from './draft.ts';
import type { Job } from './job.ts';
import { partitionOf } from './numbers.ts';

const EVENTS: Statement = {
  name: 'write events',
  text: `INSERT INTO outbox_event (event, at_ms, time_ms, event_id, event_name, country, region_basis, evidence, visitor, others,
      seal_id, sealed)
    SELECT * FROM unnest($1::int8[], $2::int8[], $3::int8[], $4::text[], $5::text[], $6::text[], $7::int4[], $8::int8[],
      $9::bytea[], $10::int4[], $11::bytea[], $12::bytea[])`,
};
const VISITORS: Statement = {
  name: 'write visitors',
  text: 'INSERT INTO outbox_visitor (ref, event) SELECT * FROM unnest($1::bytea[], $2::int8[]) ON CONFLICT DO NOTHING',
};
const JOBS: Statement = {
  name: 'write jobs',
  text: `INSERT INTO job (id, destination, site, lane, part, state, behind, ord, due_ms, attempt, flags, decision_seq,
      capi_status, released_chain, released_seq)
    SELECT id, destination, site, lane, part, state, false, ord, due_ms, 0, flags, decision_seq, capi_status, released_chain,
      released_seq
    FROM unnest($1::int8[], $2::int4[], $3::int4[], $4::bytea[], $5::int2[], $6::int2[], $7::int8[], $8::int8[], $9::int8[],
      $10::int4[], $11::int4[], $12::int8[], $13::int4[])
      AS t (id, destination, site, lane, part, state, ord, due_ms, decision_seq, capi_status, released_chain, released_seq, flags)`,
};
const UPDATE_JOBS: Statement = {
  name: 'update jobs',
  text: `UPDATE job j SET state = t.state, behind = false, due_ms = t.due_ms, attempt = t.attempt, flags = t.flags,
      capi_status = t.capi_status, released_chain = t.released_chain, released_seq = t.released_seq, code = t.code,
      under_way = NULL
    FROM unnest($1::int8[], $2::int2[], $3::int8[], $4::int4[], $5::int4[], $6::int4[], $7::int4[], $8::int8[], $9::text[])
      AS t (id, state, due_ms, attempt, flags, capi_status, released_chain, released_seq, code)
    WHERE j.id = t.id`,
};
const REMOVE_JOBS: Statement = { name: 'remove jobs', text: 'DELETE FROM job WHERE id = ANY ($1::int8[])' };
const REMOVE_EVENTS: Statement = {
  name: 'remove events',
  text: `WITH gone AS (DELETE FROM outbox_event WHERE event = ANY ($1::int8[]) RETURNING event, others)
    DELETE FROM outbox_visitor v USING gone WHERE gone.others > 0 AND v.event = gone.event`,
};
// A statement of its own behind those that end jobs, so that it sees what they left.
const PROMOTE: Statement = {
  name: 'promote',
  text: `UPDATE job SET behind = false WHERE behind AND id IN (
      SELECT (SELECT j.id FROM job j WHERE j.lane = t.lane AND j.destination = t.destination AND j.state <> 4
        ORDER BY j.ord, j.id LIMIT 1)
      FROM unnest($1::bytea[], $2::int4[]) AS t (lane, destination))`,
};

const eventColumns = (dictionary: Dictionary): readonly Column<NewEvent>[] => [
  ['int8', ({ event }) => event],
  ['int8', ({ atMs }) => atMs],
  ['int8', ({ timeMs }) => timeMs],
  ['text', ({ eventId }) => eventId],
  ['text', ({ eventName }) => eventName],
  ['text', ({ country }) => country],
  ['int4', ({ regionBasis }) => dictionary.number('region_basis', regionBasis)],
  ['int8', ({ evidence }) => evidence],
  ['bytea', ({ visitor }) => visitor],
  ['int4', ({ others }) => others.length],
  ['bytea', ({ sealId }) => sealId],
  ['bytea', ({ sealed }) => sealed],
];

const statusColumn = (dictionary: Dictionary): Column<Job> => [
  'int4',
  ({ capiStatus }) => (capiStatus === null ? null : dictionary.number('capi_status', capiStatus)),
];
const RELEASED_COLUMNS: readonly Column<Job>[] = [
  ['int4', ({ released }) => released?.chain ?? null],
  ['int8', ({ released }) => released?.seq ?? null],
];

const insertColumns = (dictionary: Dictionary): readonly Column<Job>[] => [
  ['int8', ({ id }) => id],
  ['int4', ({ destination }) => dictionary.number('destination', destination)],
  ['int4', ({ site }) => dictionary.number('site', site)],
  ['bytea', ({ lane }) => lane],
  ['int2', ({ lane }) => partitionOf(lane)],
  ['int2', ({ state }) => state],
  ['int8', ({ ord }) => ord],
  ['int8', ({ dueMs }) => dueMs],
  ['int8', ({ decisionSeq }) => decisionSeq],
  statusColumn(dictionary),
  ...RELEASED_COLUMNS,
  ['int4', ({ flags }) => flags],
];

const updateColumns = (dictionary: Dictionary): readonly Column<Job>[] => [
  ['int8', ({ id }) => id],
  ['int2', ({ state }) => state],
  ['int8', ({ dueMs }) => dueMs],
  ['int4', ({ attempt }) => attempt],
  ['int4', ({ flags }) => flags],
  statusColumn(dictionary),
  ...RELEASED_COLUMNS,
  ['text', ({ code }) => code],
];

const VISITOR_COLUMNS: readonly Column<{ readonly ref: string; readonly event: number }>[] = [
  ['bytea', ({ ref }) => ref],
  ['int8', ({ event }) => event],
];
const ID_COLUMNS: readonly Column<number>[] = [['int8', (id) => id]];

/** The statements for the queue, in the order in which they must run. */
export function queueStatements(dictionary: Dictionary, written: Written): readonly Sent[] {
  const { events, inserted, updated, removed, removedEvents, left } = written;
  const sent: Sent[] = [];
  if (updated.length > 0) sent.push([UPDATE_JOBS, columnsOf(updated, updateColumns(dictionary))]);
  if (removed.length > 0) sent.push([REMOVE_JOBS, columnsOf(removed, ID_COLUMNS)]);
  if (removedEvents.length > 0) sent.push([REMOVE_EVENTS, columnsOf(removedEvents, ID_COLUMNS)]);
  if (left.length > 0) sent.push([PROMOTE, columnsOf(left, laneColumns(dictionary))]);
  if (events.length > 0) sent.push([EVENTS, columnsOf(events, eventColumns(dictionary))]);
  const named = events.flatMap(({ event, others }) => others.map((ref) => ({ ref, event })));
  if (named.length > 0) sent.push([VISITORS, columnsOf(named, VISITOR_COLUMNS)]);
  if (inserted.length > 0) sent.push([JOBS, columnsOf(inserted, insertColumns(dictionary))]);
  return sent;
}

const laneColumns = (dictionary: Dictionary): readonly Column<Job>[] => [
  ['bytea', ({ lane }) => lane],
  ['int4', ({ destination }) => dictionary.number('destination', destination)],
];
