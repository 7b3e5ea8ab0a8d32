// The queue: one row a permitted destination, one head a lane, one partial index for what is due.

import type Database from 'better-sqlite3';

/** The numbers are part of the schema: `state < 3` is what may come due, 4 has left its lane. */
export const JOB_STATES = { due: 0, waiting: 1, retrying: 2, paused: 3, dead: 4 } as const;
export type JobStateName = keyof typeof JOB_STATES;

/** An earlier attempt may have been recorded by the vendor; the first went out as backfill; no consent is needed for it. */
export const JOB_FLAGS = { unknown: 1, backfill: 2, transactional: 4 } as const;
/** Above the flags: in how large a company the job may be sent; 0 = any. */
export const BATCH_CAP_UNIT = 8;
/** Above the cap, which has ten bits: how often the job failed alone. */
export const BACKOFF_UNIT = BATCH_CAP_UNIT * 1024;

/** Jobs of one event are neighbours: event_seq * 8 + place. */
export const JOB_STRIDE = 8;

export interface JobRow {
  readonly id: number;
  readonly destination: number;
  readonly site: number;
  readonly lane: Buffer;
  readonly state: number;
  readonly head: number;
  readonly due_ms: number;
  readonly attempt: number;
  readonly flags: number;
  readonly decision_seq: number;
  readonly capi_status: number | null;
  readonly released_seq: number | null;
  readonly code: string | null;
}

const COLUMNS =
  'id, destination, site, lane, state, head, due_ms, attempt, flags, decision_seq, capi_status, released_seq, code';

export type NewJob = Omit<JobRow, 'head' | 'attempt' | 'code'>;

/** Jobs per destination and state, kept in step with commits. */
export interface JobCounts {
  count(destination: number, state: JobStateName): number;
  /** Heads that are due and were never attempted: what intake may not outrun. */
  fresh(destination: number): number;
}

export interface Jobs extends JobCounts {
  insert(job: NewJob): void;
  get(id: number): JobRow | undefined;
  /** Changes a job; a count follows its state. */
  update(
    job: JobRow,
    change: Partial<Pick<JobRow, 'state' | 'due_ms' | 'attempt' | 'flags' | 'capi_status' | 'released_seq' | 'code'>>,
  ): void;
  /** The job leaves its lane for good, or as a dead letter; the next of the lane becomes head. */
  remove(job: JobRow): void;
  bury(job: JobRow, code: string): void;
  /** A dead letter returns to its lane. */
  revive(job: JobRow, dueMs: number): void;
  /** The job of the same event that waits for this one. */
  waiter(job: Pick<JobRow, 'id'>): JobRow | undefined;
  heads(destination: number, untilMs: number, limit: number): readonly JobRow[];
  /** The jobs that follow one in its lane. */
  followers(job: JobRow, limit: number): readonly JobRow[];
  nextDueMs(destination: number, afterMs: number): number | null;
  parked(destination: number, site: number, limit: number): readonly JobRow[];
  parkedSites(destination: number): readonly number[];
  dead(): readonly JobRow[];
  /** Live jobs of a lane at a destination. */
  ofLane(destination: number, lane: Buffer): readonly JobRow[];
  /** When the oldest live job was accepted, epoch milliseconds. */
  oldestAcceptedMs(destination: number): number | null;
  /** What is left of an event, dead letters included. */
  ofEvent(eventSeq: number): readonly JobRow[];
  /** The last writes of a transaction. */
  sealing(): void;
  committed(): void;
  rolledBack(): void;
}

/** Opens the queue of a database. */
export function openJobs(db: Database.Database): Jobs {
  const sql = prepare(db);
  const counts = openCounts(db);

  const promote = (destination: number, lane: Buffer): void => {
    const next = rowOf(sql.laneFirst.get(destination, lane));
    if (next === undefined || next.head === 1) return;
    sql.setHead.run(1, next.id);
    counts.add({ ...next, head: 1 }, 1);
    counts.add(next, -1);
  };
  const write = (job: JobRow, changed: JobRow): void => {
    sql.update.run(
      changed.state,
      changed.head,
      changed.due_ms,
      changed.attempt,
      changed.flags,
      changed.capi_status,
      changed.released_seq,
      changed.code,
      job.id,
    );
    counts.add(job, -1);
    counts.add(changed, 1);
  };

  return {
    count: counts.count,
    fresh: counts.fresh,
    insert(job) {
      const head = sql.laneTaken.get(job.destination, job.lane) === undefined ? 1 : 0;
      const row: JobRow = { ...job, head, attempt: 0, code: null };
      sql.insert.run(
        job.id,
        job.destination,
        job.site,
        job.lane,
        job.state,
        head,
        job.due_ms,
        0,
        job.flags,
        job.decision_seq,
        job.capi_status,
        job.released_seq,
        null,
      );
      counts.add(row, 1);
    },
    get: (id) => rowOf(sql.get.get(id)),
    update: (job, change) => write(job, { ...job, ...change }),
    remove(job) {
      sql.remove.run(job.id);
      counts.add(job, -1);
      promote(job.destination, job.lane);
    },
    bury(job, code) {
      write(job, { ...job, state: JOB_STATES.dead, head: 0, code });
      promote(job.destination, job.lane);
    },
    revive(job, dueMs) {
      const first = rowOf(sql.laneFirst.get(job.destination, job.lane));
      // Only one head a lane: the one that stands behind the revived job steps back.
      if (first?.head === 1 && first.id > job.id) write(first, { ...first, head: 0 });
      const head = first === undefined || first.id > job.id ? 1 : 0;
      write(job, { ...job, state: JOB_STATES.due, head, due_ms: dueMs, attempt: 0, code: null });
    },
    waiter: (job) => rowOf(sql.waiter.get(job.id, (Math.floor(job.id / JOB_STRIDE) + 1) * JOB_STRIDE)),
    heads: (destination, untilMs, limit) => rowsOf(sql.heads.all(destination, untilMs, limit)),
    followers: (job, limit) => rowsOf(sql.followers.all(job.destination, job.lane, job.id, limit)),
    nextDueMs(destination, afterMs) {
      const due = sql.nextDue.get(destination, afterMs);
      return typeof due === 'number' ? due : null;
    },
    parked: (destination, site, limit) => rowsOf(sql.parked.all(destination, site, limit)),
    parkedSites: (destination) => sql.parkedSites.all(destination).map(Number),
    dead: () => rowsOf(sql.dead.all()),
    ofLane: (destination, lane) => rowsOf(sql.ofLane.all(destination, lane)),
    oldestAcceptedMs(destination) {
      const atMs = sql.oldest.get(destination);
      return typeof atMs === 'number' ? atMs : null;
    },
    ofEvent: (eventSeq) => rowsOf(sql.ofEvent.all(eventSeq * JOB_STRIDE, (eventSeq + 1) * JOB_STRIDE)),
    sealing: counts.sealing,
    committed: counts.committed,
    rolledBack: counts.rolledBack,
  };
}

// As arrays: rows as objects cost more than twice the time of their reading.
function prepare(db: Database.Database) {
  const rows = (text: string) => db.prepare(text).raw();
  return {
    insert: db.prepare('INSERT INTO job VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)'),
    get: rows(`SELECT ${COLUMNS} FROM job WHERE id = ?`),
    update: db.prepare(
      'UPDATE job SET state = ?, head = ?, due_ms = ?, attempt = ?, flags = ?, capi_status = ?, released_seq = ?, code = ? WHERE id = ?',
    ),
    setHead: db.prepare('UPDATE job SET head = ? WHERE id = ?'),
    remove: db.prepare('DELETE FROM job WHERE id = ?'),
    laneTaken: db.prepare('SELECT 1 FROM job WHERE destination = ? AND lane = ? AND state <> 4 LIMIT 1'),
    laneFirst: rows(`SELECT ${COLUMNS} FROM job WHERE destination = ? AND lane = ? AND state <> 4 ORDER BY id LIMIT 1`),
    ofLane: rows(`SELECT ${COLUMNS} FROM job WHERE destination = ? AND lane = ? AND state <> 4 ORDER BY id`),
    waiter: rows(`SELECT ${COLUMNS} FROM job WHERE id > ? AND id < ? AND state = 1 ORDER BY id LIMIT 1`),
    heads: rows(
      `SELECT ${COLUMNS} FROM job WHERE destination = ? AND head = 1 AND state < 3 AND due_ms <= ? ORDER BY due_ms, id LIMIT ?`,
    ),
    followers: rows(
      `SELECT ${COLUMNS} FROM job WHERE destination = ? AND lane = ? AND id > ? AND state <> 4 ORDER BY id LIMIT ?`,
    ),
    nextDue: db
      .prepare(
        'SELECT due_ms FROM job WHERE destination = ? AND head = 1 AND state < 3 AND due_ms > ? ORDER BY due_ms LIMIT 1',
      )
      .pluck(),
    parked: rows(`SELECT ${COLUMNS} FROM job WHERE destination = ? AND site = ? AND state = 3 ORDER BY id LIMIT ?`),
    parkedSites: db.prepare('SELECT DISTINCT site FROM job WHERE destination = ? AND state = 3').pluck(),
    dead: rows(`SELECT ${COLUMNS} FROM job WHERE state = 4 ORDER BY id`),
    oldest: db
      .prepare(
        'SELECT at_ms FROM log_entry WHERE seq = (SELECT decision_seq FROM job NOT INDEXED WHERE destination = ? AND state <> 4 ORDER BY id LIMIT 1)',
      )
      .pluck(),
    ofEvent: rows(`SELECT ${COLUMNS} FROM job WHERE id >= ? AND id < ? ORDER BY id`),
  };
}

type Column = number | string | Buffer | null;

// The table is STRICT and written here alone: its rows are what their columns say, in the order of COLUMNS.
function rowOf(row: unknown): JobRow | undefined {
  if (row === undefined) return undefined;
  const [
    id,
    destination,
    site,
    lane,
    state,
    head,
    due_ms,
    attempt,
    flags,
    decision_seq,
    capi_status,
    released_seq,
    code,
  ] = row as Column[];
  return {
    id,
    destination,
    site,
    lane,
    state,
    head,
    due_ms,
    attempt,
    flags,
    decision_seq,
    capi_status,
    released_seq,
    code,
  } as JobRow;
}

function rowsOf(rows: readonly unknown[]): readonly JobRow[] {
  return rows.flatMap((row) => rowOf(row) ?? []);
}

type Counted = Pick<JobRow, 'destination' | 'state' | 'head' | 'attempt'>;

function openCounts(db: Database.Database) {
  const counts = new Map<string, number>();
  let delta = new Map<string, number>();
  const keysOf = (job: Counted): readonly string[] => {
    const state = `${job.destination} ${job.state}`;
    const isFresh = job.state === JOB_STATES.due && job.head === 1 && job.attempt === 0;
    return isFresh ? [state, `${job.destination} fresh`] : [state];
  };
  const addTo = (map: Map<string, number>, key: string, n: number) => map.set(key, (map.get(key) ?? 0) + n);
  const stored = db.prepare('SELECT key, jobs FROM job_count').raw().all() as [string, number][];
  for (const [key, jobs] of stored) counts.set(key, jobs);
  const change = db.prepare(
    'INSERT INTO job_count (key, jobs) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET jobs = jobs + excluded.jobs',
  );

  return {
    add(job: Counted, n: number): void {
      for (const key of keysOf(job)) addTo(delta, key, n);
    },
    count: (destination: number, state: JobStateName) => counts.get(`${destination} ${JOB_STATES[state]}`) ?? 0,
    fresh: (destination: number) => counts.get(`${destination} fresh`) ?? 0,
    sealing(): void {
      for (const [key, n] of delta) if (n !== 0) change.run(key, n);
    },
    committed(): void {
      for (const [key, n] of delta) addTo(counts, key, n);
      delta = new Map();
    },
    rolledBack(): void {
      delta = new Map();
    },
  };
}
