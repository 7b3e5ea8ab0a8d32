// The same echo in Express, with a reader of its own and the features off that Sluice has off as well.

import express, { type Request } from 'express';
import { endWithParent, tell } from '../task.ts';

const BODY = '{"ok":true}';

endWithParent(600_000);
const app = express();
app.disable('x-powered-by');
app.disable('etag');
app.set('query parser', false);
app.post('/collect', async (req, res) => {
  await readBody(req);
  res.writeHead(202, { 'Content-Type': 'application/json', 'Content-Length': BODY.length });
  res.end(BODY);
});
const server = app.listen(0, '127.0.0.1', () => {
  const address = server.address();
  void tell({ port: typeof address === 'object' ? address?.port : null });
});

function readBody(req: Request): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    req.on('data', (chunk: Buffer) => chunks.push(chunk));
    req.on('end', () => resolve(Buffer.concat(chunks)));
    req.on('error', reject);
  });
}
