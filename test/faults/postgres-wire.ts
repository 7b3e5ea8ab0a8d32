// A line to the server that a test can cut: at once, or at the very moment when a COMMIT has gone out and its answer has not
// come back.

import { connect, createServer, type Socket } from 'node:net';

export interface Wire {
  readonly port: number;
  /** Cuts the connection over which the next COMMIT goes, once the server has it; resolves then. */
  cutAtCommit(): Promise<void>;
  /** Cuts everything, and refuses what comes until `restore`. */
  cutAll(): void;
  restore(): void;
  end(): Promise<void>;
}

/** Forwards to a port of 127.0.0.1. */
export async function startWire(target: number): Promise<Wire> {
  const sockets = new Set<Socket>();
  let isCut = false;
  let atCommit: (() => void) | null = null;

  const server = createServer((client) => {
    if (isCut) {
      client.destroy();
      return;
    }
    const upstream = connect(target, '127.0.0.1');
    let isDeaf = false;
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        sockets.delete(socket);
        client.destroy();
        // The server finishes what it was given, as it does when a network fails.
        upstream.end();
      });
    }
    client.on('data', (chunk) => {
      upstream.write(chunk);
      const cut = atCommit;
      if (cut === null || !chunk.includes('COMMIT')) return;
      atCommit = null;
      isDeaf = true;
      // Give the server what it needs to commit, and let nobody hear of it.
      upstream.once('data', () => {
        client.destroy();
        cut();
      });
    });
    upstream.on('data', (chunk) => {
      if (!isDeaf) client.write(chunk);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    cutAtCommit: () =>
      new Promise((resolve) => {
        atCommit = resolve;
      }),
    cutAll() {
      isCut = true;
      for (const socket of sockets) socket.destroy();
    },
    restore() {
      isCut = false;
    },
    end: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy();
        server.close(() => resolve());
      }),
  };
}
