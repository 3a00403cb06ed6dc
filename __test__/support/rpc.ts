import { createServer, type Server as TcpServer, type Socket } from 'node:net';
import type { ExecutionContext } from 'ava';
import {
  Client,
  startClearServer,
  type ClientOptions,
  type Modules,
  type Server,
  type ServerOptions,
} from '../../src/index.js';

export const secret = Buffer.from('a secret for tests, 32 bytes long!');

export async function serve(
  t: ExecutionContext,
  modules: Modules,
  options: ServerOptions = {},
): Promise<Server> {
  const server = await startClearServer(secret, modules, {
    host: '127.0.0.1',
    port: 0,
    ...options,
  });
  t.teardown(() => server.close({ timeout: 100 }));
  return server;
}

/** For tests that do not depend on time, because machines may be slow. */
export const PATIENT = { connectTimeout: 120_000, recvTimeout: 120_000 } as const;

export function connect(
  t: ExecutionContext,
  server: { url: string },
  options: Partial<ClientOptions> = {},
): Client {
  const client = new Client({
    url: server.url,
    secret,
    ...PATIENT,
    ...options,
  });
  t.teardown(() => client.close());
  return client;
}

export async function tcpServer(
  t: ExecutionContext,
  onSocket: (socket: Socket, number: number) => void,
): Promise<{ url: string; sockets: Set<Socket> }> {
  const sockets = new Set<Socket>();
  let count = 0;
  const server: TcpServer = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    onSocket(socket, count++);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no address');
  return { url: `http://127.0.0.1:${address.port}`, sockets };
}
