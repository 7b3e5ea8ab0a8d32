// The floor: a bare node:http server that reads a body and answers 202 with eleven bytes. Nothing durable can be faster.

import { createServer } from 'node:http';
import { endWithParent, tell } from '../task.ts';

const BODY = '{"ok":true}';

endWithParent(600_000);
const server = createServer((req, res) => {
  const chunks: Buffer[] = [];
  req.on('data', (chunk: Buffer) => chunks.push(chunk));
  req.on('end', () => {
    Buffer.concat(chunks);
    res.writeHead(202, { 'Content-Type': 'application/json', 'Content-Length': BODY.length });
    res.end(BODY);
  });
});
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  void tell({ port: typeof address === 'object' ? address?.port : null });
});
