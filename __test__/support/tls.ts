import { createConnection, type AddressInfo } from 'node:net';
import { createServer, type TLSSocket, type TlsOptions } from 'node:tls';
import type { ExecutionContext } from 'ava';
import {
  startTlsServer,
  type Modules,
  type SecureServerOptions,
  type TlsServer,
} from '../../src/index.js';
import { secret } from './rpc.js';

export async function serveTls(
  t: ExecutionContext,
  modules: Modules,
  options: SecureServerOptions,
): Promise<TlsServer> {
  const server = await startTlsServer(secret, modules, {
    host: '127.0.0.1',
    port: 0,
    recvTimeout: 60_000,
    ...options,
  });
  t.teardown(() => server.close({ timeout: 100 }));
  return server;
}

export interface TlsProxy {
  readonly url: string;
  readonly port: number;
  readonly sockets: readonly TLSSocket[];
}

/** Passes bytes from Node's own TLS to a server without TLS. */
export async function tlsProxy(
  t: ExecutionContext,
  target: { port: number },
  options: TlsOptions,
  onSocket: (socket: TLSSocket) => void = () => {},
): Promise<TlsProxy> {
  const sockets: TLSSocket[] = [];
  const server = createServer(options, (socket) => {
    sockets.push(socket);
    const upstream = createConnection(target.port, '127.0.0.1');
    socket.on('error', () => upstream.destroy());
    upstream.on('error', () => socket.destroy());
    socket.on('close', () => upstream.destroy());
    onSocket(socket);
    socket.pipe(upstream).pipe(socket);
  });
  server.on('tlsClientError', () => {});
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { url: `https://127.0.0.1:${port}`, port, sockets };
}
