import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { readdirSync, readlinkSync } from 'node:fs';
import type { ExecutionContext } from 'ava';

export function openSockets(): number {
  return readdirSync('/proc/self/fd').filter((descriptor) => {
    try {
      return readlinkSync(`/proc/self/fd/${descriptor}`).startsWith('socket:');
    } catch {
      return false;
    }
  }).length;
}

export async function eventually(
  what: string,
  holds: () => boolean | Promise<boolean>,
): Promise<void> {
  const end = Date.now() + 120_000;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(`never happened: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Returns a port where TCP handshakes get no answer, because the backlog is full. */
export async function deafPort(t: ExecutionContext): Promise<number> {
  // Node would accept, unless the process is stopped.
  const { spawn } = await import('node:child_process');
  const source = `
    const server = require('node:net').createServer();
    server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => console.log(server.address().port));`;
  const child = spawn(process.execPath, ['-e', source], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.teardown(() => child.kill('SIGKILL'));
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  const port = Number(line.toString());
  spawnSync('kill', ['-STOP', String(child.pid)]);
  const { connect } = await import('node:net');
  // A backlog of one takes two; more get no answer.
  const fillers = Array.from({ length: 8 }, () => connect({ port, host: '127.0.0.1' }));
  for (const filler of fillers) filler.on('error', () => {});
  t.teardown(() => fillers.forEach((filler) => filler.destroy()));
  await Promise.all(fillers.slice(0, 2).map((filler) => once(filler, 'connect')));
  return port;
}

/** `closed` counts the ends of connections. */
export async function stallingServer(
  t: ExecutionContext,
  onSocket: (socket: Socket) => void,
): Promise<{ url: string; port: number; accepted: () => number; closed: () => number }> {
  let accepted = 0;
  let closed = 0;
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    accepted++;
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => {
      closed++;
      sockets.delete(socket);
    });
    onSocket(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no address');
  const { port } = address;
  return { url: `http://127.0.0.1:${port}`, port, accepted: () => accepted, closed: () => closed };
}
