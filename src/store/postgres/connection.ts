// One connection: pipelined, prepared by name, with the limits that a statement of ours must keep.

import pg from 'pg';

/** A statement with a name: parsed once a connection. */
export interface Statement {
  readonly name: string;
  readonly text: string;
}

export type Parameter = string | number | boolean | Uint8Array | null;
/** A row by its columns; eight-byte integers are numbers, bytes are Buffers. */
export type Row = Readonly<Record<string, unknown>>;

export interface Connection {
  query(statement: Statement, parameters?: readonly Parameter[]): Promise<readonly Row[]>;
  /** Statements without parameters, as one message. */
  run(text: string): Promise<void>;
  onNotification(listener: (payload: string) => void): void;
  /** True once it is of no more use. */
  isBroken(): boolean;
  /** Lets go of it at once, whatever is under way. */
  destroy(): void;
  end(): Promise<void>;
}

export interface ConnectOptions {
  /** `postgres://…`; TLS by its `sslmode`. */
  readonly url: string;
  readonly statementTimeoutMs: number;
  readonly lockTimeoutMs: number;
  readonly connectTimeoutMs: number;
}

const INT8 = 20;
const types: pg.CustomTypesConfig = {
  getTypeParser: (oid, format) =>
    oid === INT8 && format !== 'binary' ? Number : pg.types.getTypeParser(oid, format ?? 'text'),
};

/** The pg driver's own view of the options, also for pools of others (migrations, the read side). */
export function clientConfig(options: ConnectOptions): pg.ClientConfig {
  return {
    connectionString: options.url,
    application_name: 'sluice',
    connectionTimeoutMillis: options.connectTimeoutMs,
    statement_timeout: options.statementTimeoutMs,
    lock_timeout: options.lockTimeoutMs,
    // A paused or cut-off node must not hold what others wait for.
    idle_in_transaction_session_timeout: options.lockTimeoutMs,
    keepAlive: true,
    keepAliveInitialDelayMillis: 5000,
    types,
  };
}

// What the login may do is more than a running server needs: it gives up what only maintenance may.
const AS_APPLICATION = `DO $$ BEGIN
    IF EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'sluice_app' AND pg_has_role(current_user, oid, 'MEMBER'))
    THEN SET ROLE sluice_app; END IF;
  END $$`;

// Every statement of ours finds a few rows by an index, one after the other. A plan made while the tables were empty, or over a
// queue whose size changes within seconds, must not come to read whole tables; and no statement is worth compiling.
const BY_INDEX = ['enable_seqscan', 'enable_hashjoin', 'enable_mergejoin', 'jit']
  .map((name) => `SET ${name} = off`)
  .join('; ');

/** @throws the driver's error */
export async function connect(options: ConnectOptions): Promise<Connection> {
  const client = new pg.Client({ ...clientConfig(options), pipeline: true });
  let isBroken = false;
  const fail = () => {
    isBroken = true;
  };
  client.on('error', fail);
  client.on('end', fail);
  await client.connect();
  try {
    await client.query(AS_APPLICATION);
    await client.query(BY_INDEX);
  } catch (error) {
    destroy(client);
    throw error;
  }
  return {
    async query({ name, text }, parameters = []) {
      const result = await client.query<Row>({ name, text, values: [...parameters] });
      return result.rows;
    },
    async run(text) {
      await client.query(text);
    },
    onNotification(listener) {
      client.on('notification', ({ payload }) => listener(payload ?? ''));
    },
    isBroken: () => isBroken,
    destroy() {
      isBroken = true;
      destroy(client);
    },
    async end() {
      isBroken = true;
      await client.end().catch(() => undefined);
    },
  };
}

// `end` says goodbye behind what is under way; a connection that hangs would never come to it.
function destroy(client: pg.Client): void {
  const { connection } = client as pg.Client & { readonly connection?: { readonly stream?: { destroy(): void } } };
  if (connection?.stream === undefined) client.end().catch(() => undefined);
  else connection.stream.destroy();
}
