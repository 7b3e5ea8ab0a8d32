// One keep-alive connection that posts prepared bytes. Less than an HTTP client on purpose: autocannon and undici end at
// 29,000 and 45,000 requests/s on a core, below the bare server that they would have to measure, and so flatter the rest.

import { connect, type Socket } from 'node:net';

export interface Answer {
  readonly status: number;
  readonly body: string;
}

export interface Connection {
  /** One request at a time. */
  post(bytes: Buffer, onAnswer: (answer: Answer) => void): void;
  close(): void;
}

/** Opens a connection to loopback. `onBroken`: it ended or said something that is not understood. */
export function openConnection(port: number, onBroken: (why: string) => void): Promise<Connection> {
  const socket = connect(port, '127.0.0.1');
  socket.setNoDelay(true);
  let waiting: ((answer: Answer) => void) | null = null;
  let received = '';
  let isClosed = false;
  const fail = (why: string) => {
    if (isClosed) return;
    isClosed = true;
    socket.destroy();
    onBroken(why);
  };
  socket.setEncoding('latin1');
  socket.on('data', (chunk: string) => {
    received = received === '' ? chunk : received + chunk;
    const parsed = parseAnswer(received);
    if (parsed === 'more') return;
    const answered = waiting;
    if (parsed === 'unreadable' || answered === null) return fail('an answer that is not understood');
    received = '';
    waiting = null;
    answered(parsed);
  });
  socket.on('error', (error) => fail(error.message));
  socket.on('close', () => fail('the connection was closed'));
  return connected(socket, {
    post(bytes, onAnswer) {
      waiting = onAnswer;
      socket.write(bytes);
    },
    close() {
      isClosed = true;
      socket.destroy();
    },
  });
}

function connected(socket: Socket, connection: Connection): Promise<Connection> {
  return new Promise((resolve, reject) => {
    socket.once('connect', () => resolve(connection));
    socket.once('error', reject);
  });
}

const LENGTH = /\r\ncontent-length: *(\d+)/i;

/** An answer with a Content-Length; every server of the bench gives one. */
function parseAnswer(text: string): Answer | 'more' | 'unreadable' {
  const end = text.indexOf('\r\n\r\n');
  if (end < 0) return text.length > 65_536 ? 'unreadable' : 'more';
  const head = text.slice(0, end);
  const length = LENGTH.exec(head)?.[1];
  if (!head.startsWith('HTTP/1.1 ') || length === undefined) return 'unreadable';
  const begin = end + 4;
  const missing = begin + Number(length) - text.length;
  if (missing > 0) return 'more';
  return missing < 0 ? 'unreadable' : { status: Number(head.slice(9, 12)), body: text.slice(begin) };
}
