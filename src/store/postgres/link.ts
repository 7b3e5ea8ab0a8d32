// A connection that comes back: made when first needed, made again after it broke.

import {
  type Connection,
  type ConnectOptions,
  connect,
  type Parameter,
  type Row,
  type Statement,
} from './connection.ts';
import { failureKind, Unanswered } from './failure.ts';

export interface Link {
  /** @throws Unanswered where another try may succeed: it connects anew where the connection broke */
  query(statement: Statement, parameters?: readonly Parameter[]): Promise<readonly Row[]>;
  /** The connection itself, for transactions. */
  open(): Promise<Connection>;
  /** Throws the connection away: after an error in a transaction its prepared statements are not what the driver believes. */
  drop(): void;
  close(): Promise<void>;
}

/** Prepares a link; nothing is connected yet. `made` hears of each new connection before it is used. */
export function createLink(
  options: ConnectOptions,
  made: (connection: Connection) => Promise<void> = async () => {},
): Link {
  let current: Promise<Connection> | null = null;
  let isClosed = false;
  const fresh = async () => {
    const connection = await connect(options);
    await made(connection);
    return connection;
  };
  const open = async (): Promise<Connection> => {
    if (isClosed) throw new Error('the store is closed');
    const held = current;
    if (held !== null) {
      const connection = await held;
      if (!connection.isBroken()) return connection;
      if (current !== held && current !== null) return current;
    }
    const next = fresh();
    current = next;
    next.catch(() => {
      if (current === next) current = null;
    });
    return next;
  };
  const drop = () => {
    const held = current;
    current = null;
    held?.then((connection) => connection.destroy()).catch(() => undefined);
  };
  return {
    open,
    drop,
    async query(statement, parameters) {
      try {
        return await (await open()).query(statement, parameters);
      } catch (cause) {
        throw failureKind(cause) === 'ours' ? cause : new Unanswered('the database did not answer', { cause });
      }
    },
    async close() {
      isClosed = true;
      const held = current;
      current = null;
      if (held === null) return;
      await held.then((connection) => connection.end()).catch(() => undefined);
    },
  };
}

/** Spreads queries over several links. */
export function createLinks(options: ConnectOptions, count: number): Pick<Link, 'query' | 'close'> {
  const links = Array.from({ length: Math.max(1, count) }, () => createLink(options));
  let next = 0;
  return {
    async query(statement, parameters) {
      next = (next + 1) % links.length;
      const link = links[next];
      if (link === undefined) throw new Error('there is no connection');
      return link.query(statement, parameters);
    },
    async close() {
      await Promise.all(links.map((link) => link.close()));
    },
  };
}
