import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import type { ExecutionContext } from 'ava';

const program = `
const server = require('node:net').createServer();
server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
  require('node:fs').writeSync(1, String(server.address().port));
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
});`;

/** Returns an address where, on Linux, TCP handshakes never end, because the backlog is full. */
export async function deaf(t: ExecutionContext): Promise<{ url: string }> {
  const running = spawn(process.execPath, ['-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.teardown(() => running.kill('SIGKILL'));
  const [port] = (await once(running.stdout, 'data')) as [Buffer];
  const sockets = Array.from({ length: 8 }, () => connect(Number(port), '127.0.0.1'));
  for (const socket of sockets) socket.on('error', () => {});
  t.teardown(() => sockets.forEach((socket) => socket.destroy()));
  await Promise.all(sockets.slice(0, 2).map((socket) => once(socket, 'connect')));
  return { url: `http://127.0.0.1:${port}` };
}
