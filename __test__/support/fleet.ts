import { fork, type ChildProcess } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server as TcpServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';
import { startClearServer, type Server } from '../../src/index.js';
import { secret } from './rpc.js';
import { eventually } from './stalling.js';

/** All of 127.0.0.0/8 is this machine. */
export function address(index: number): string {
  return `127.0.0.${index + 1}`;
}

export async function freePort(t: ExecutionContext, addresses: number): Promise<number> {
  return portThat(t, async (port) => {
    const hosts = Array.from({ length: addresses }, (_, index) => address(index));
    const free = await Promise.all(hosts.map((host) => isFree(host, port)));
    return free.every(Boolean);
  });
}

/** Tests reserve a port by listening on it at this address. */
const REGISTER = process.platform === 'linux' ? address(249) : '::1';

/**
 * Returns a port that other tests avoid until this one ends, and that the system does not hand out.
 */
export async function portThat(
  t: ExecutionContext,
  holds: (port: number) => Promise<boolean>,
): Promise<number> {
  for (let attempt = 0; attempt < 50; attempt++) {
    const port = randomInt(10_000, 30_000);
    const entry = await listening(REGISTER, port);
    if (entry === undefined) continue;
    if (await holds(port)) {
      t.teardown(() => entry.close());
      return port;
    }
    entry.close();
  }
  throw new Error('no such port');
}

export async function nobody(t: ExecutionContext): Promise<{ url: string; port: number }> {
  const port = await freePort(t, 1);
  return { url: `http://${address(0)}:${port}`, port };
}

export async function isFree(host: string, port: number): Promise<boolean> {
  const server = await listening(host, port);
  if (server === undefined) return false;
  server.close();
  await once(server, 'close');
  return true;
}

async function listening(host: string, port: number): Promise<TcpServer | undefined> {
  const server = createServer();
  try {
    server.listen(port, host);
    await once(server, 'listening');
    return server;
  } catch {
    return undefined;
  }
}

/** `who` tells which server answers. */
export async function fleet(
  t: ExecutionContext,
  count: number,
  functions: (index: number) => Record<string, Function> = () => ({}),
): Promise<{ servers: Server[]; port: number; urls: string[] }> {
  const port = await freePort(t, count);
  const servers = await Promise.all(
    Array.from({ length: count }, (_, index) => member(t, index, port, functions(index))),
  );
  return { servers, port, urls: servers.map(({ url }) => url) };
}

export async function member(
  t: ExecutionContext,
  index: number,
  port: number,
  functions: Record<string, Function> = {},
): Promise<Server> {
  const modules = { m: { who: () => index, ...functions } };
  const recvTimeout = 300_000;
  const options = { host: address(index), port, recvTimeout };
  const server = await startClearServer(secret, modules, options);
  t.teardown(() => server.close({ timeout: 0 }));
  return server;
}

export interface ServerProcess {
  readonly url: string;
  readonly index: number;
  holding(count: number): Promise<void>;
  kill(): Promise<void>;
}

const child = fileURLToPath(new URL('./fleet-child.js', import.meta.url));

/** `hold(ms)` answers after that time, `who()` at once. */
export async function serverProcess(
  t: ExecutionContext,
  index: number,
  port: number,
): Promise<ServerProcess> {
  const running = fork(child, [address(index), String(port), String(index)], { stdio: 'inherit' });
  t.teardown(() => stop(running));
  await message(running, (got) => got === 'listening');
  return {
    url: `http://${address(index)}:${port}`,
    index,
    holding: async (count) => {
      const reached = message(running, (got) => got === count);
      running.send(count);
      await reached;
    },
    kill: () => stop(running),
  };
}

async function message(running: ChildProcess, wanted: (got: unknown) => boolean): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const exited = (): void => reject(new Error('the server has ended'));
    const look = (got: unknown): void => {
      if (!wanted(got)) return;
      running.off('message', look);
      running.off('exit', exited);
      resolve();
    };
    running.on('message', look);
    running.on('exit', exited);
  });
}

async function stop(running: ChildProcess): Promise<void> {
  if (running.exitCode !== null || running.signalCode !== null) return;
  const exited = once(running, 'exit');
  running.kill('SIGKILL');
  await exited;
}

export async function until(holds: () => boolean | Promise<boolean>, what: string): Promise<void> {
  return eventually(what, holds);
}
