/**
 * Closes connections in front of a server, in a separate process so that it runs concurrently with
 * the client.
 */
import { createServer, connect, type Socket } from 'node:net';
import type { ClosingPlan, ClosingReport } from './closing.js';

const plan = JSON.parse(process.argv[2]!) as ClosingPlan;
const report: ClosingReport = { connections: 0, requests: 0, closed: 0 };

function messageLength(bytes: Buffer): number | undefined {
  const head = bytes.indexOf('\r\n\r\n');
  if (head < 0) return undefined;
  const match = /\r\ncontent-length: *(\d+)/i.exec(bytes.toString('latin1', 0, head));
  const length = head + 4 + Number(match?.[1] ?? 0);
  return bytes.length < length ? undefined : length;
}

function onMessages(socket: Socket, onMessage: (message: Buffer) => void): void {
  let pending = Buffer.alloc(0);
  socket.on('data', (chunk: Buffer) => {
    pending = Buffer.concat([pending, chunk]);
    for (let length = messageLength(pending); length !== undefined;) {
      onMessage(pending.subarray(0, length));
      pending = pending.subarray(length);
      length = messageLength(pending);
    }
  });
}

const server = createServer({ noDelay: true }, (client) => {
  report.connections++;
  const upstream = connect({ port: plan.port, host: '127.0.0.1', noDelay: true });
  let answers = 0;
  let idle: NodeJS.Timeout | undefined;
  const close = (): void => {
    report.closed++;
    clearTimeout(idle);
    if (plan.abruptly === true) client.destroy();
    else client.end();
    upstream.destroy();
  };
  onMessages(client, (request) => {
    report.requests++;
    clearTimeout(idle);
    if (!client.destroyed && !client.writableEnded) upstream.write(request);
  });
  onMessages(upstream, (answer) => {
    answers++;
    const isLast = answers === plan.after;
    if (isLast && plan.announced === true) {
      const end = answer.indexOf('\r\n') + 2;
      client.write(answer.subarray(0, end));
      client.write('connection: close\r\n');
      client.write(answer.subarray(end));
    } else {
      client.write(answer);
    }
    if (isLast) close();
    else if (plan.idle !== undefined) idle = setTimeout(close, plan.idle);
  });
  for (const socket of [client, upstream]) socket.on('error', () => {});
  client.on('close', () => {
    clearTimeout(idle);
    upstream.destroy();
  });
});
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  if (address !== null && typeof address !== 'string') process.send!(address.port);
});
process.on('message', () => process.send!(report));
process.on('disconnect', () => process.exit());
