import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import type { ExecutionContext } from 'ava';
import {
  encode,
  type ClientOptions,
  type ServerOptions,
  type ServerStats,
} from '../../src/index.js';
import { secret } from './rpc.js';
import { requestBytes, signedRequest } from './signing.js';

export const MIB = 1024 * 1024;

export type LoadOptions = ServerOptions & { readonly time?: number };

export interface LoadedServer {
  readonly port: number;
  stats(): Promise<ServerStats>;
  /** In MiB. */
  growth(): number;
  hasEnded(): boolean;
}

export async function startLoaded(
  t: ExecutionContext,
  options: LoadOptions = {},
  execArgv: readonly string[] = [],
): Promise<LoadedServer> {
  const child = start(t, './load-server.js', [JSON.stringify(options)], execArgv);
  const port = await answerOf<number>(child);
  for (let round = 0; round < 5; round++) await statusOf(port, request('ok', []));
  return {
    port,
    stats: () => {
      child.send('stats');
      return answerOf<ServerStats>(child);
    },
    growth: growthOf(child),
    hasEnded: () => child.exitCode !== null || child.signalCode !== null,
  };
}

/** A client whose thread blocks while answers arrive. */
export interface LoadedClient {
  call(count: number): Promise<number>;
  growth(): number;
}

export async function startLoadedClient(
  t: ExecutionContext,
  url: string,
  options: Partial<ClientOptions> = {},
  execArgv: readonly string[] = [],
): Promise<LoadedClient> {
  const child = start(t, './load-client.js', [url, JSON.stringify(options)], execArgv);
  await answerOf(child);
  const call = (count: number): Promise<number> => {
    child.send(count);
    return answerOf<number>(child);
  };
  await call(1);
  return { call, growth: growthOf(child) };
}

function start(
  t: ExecutionContext,
  file: string,
  args: readonly string[],
  execArgv: readonly string[],
): ChildProcess {
  const child = fork(fileURLToPath(new URL(file, import.meta.url)), args, {
    execArgv: [...process.execArgv, ...execArgv],
    stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
  });
  child.stderr!.resume();
  t.teardown(() => child.kill('SIGKILL'));
  return child;
}

async function answerOf<T>(child: ChildProcess): Promise<T> {
  const over = new AbortController();
  const { signal } = over;
  try {
    const answer = once(child, 'message', { signal });
    const exit = once(child, 'exit', { signal }).then(([code]) => {
      throw new Error(`the process ended with ${code}`);
    });
    return ((await Promise.race([answer, exit])) as [T])[0];
  } finally {
    // Rejects the loser, which has no listener.
    over.abort();
  }
}

function growthOf(child: ChildProcess): () => number {
  const figure = (name: string): number => {
    const status = readFileSync(`/proc/${child.pid}/status`, 'latin1');
    return Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)![1]) / 1024;
  };
  if (process.platform !== 'linux') return () => 0;
  writeFileSync(`/proc/${child.pid}/clear_refs`, '5');
  const before = figure('VmRSS');
  return () => figure('VmHWM') - before;
}

/** The arguments may be encoded already. */
export function request(name: string, args: readonly unknown[] | Buffer, gzip = false): Buffer {
  const arity = Buffer.isBuffer(args) ? 1 : args.length;
  const encoded = Buffer.isBuffer(args) ? args : encode(args);
  return gzip
    ? gzipped(name, gzipSync(encoded, { level: 9 }), arity)
    : signed({ target: `/backwater/1/m/${name}/${arity}`, body: encoded });
}

export function gzipped(name: string, body: Buffer, arity = 1): Buffer {
  const headers = { 'content-encoding': 'gzip' };
  return signed({ target: `/backwater/1/m/${name}/${arity}`, body, headers });
}

function signed(request: Parameters<typeof signedRequest>[1]): Buffer {
  return requestBytes(signedRequest(secret, request));
}

/** A list of empty lists, the densest values. */
export function emptyLists(count: number): Buffer {
  const head = Buffer.from([131, 108, 0, 0, 0, 1, 108, 0, 0, 0, 0]);
  head.writeUInt32BE(count, 7);
  return Buffer.concat([head, Buffer.alloc(count + 2, 106)]);
}

/** Resolves to the status, or 0 without an answer. */
export async function statusOf(port: number, bytes: Buffer): Promise<number> {
  const socket = send(port, bytes);
  const status = await nextStatus(socket);
  socket.destroy();
  return status;
}

export function send(port: number, bytes: Buffer): Socket {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  socket.write(bytes);
  return socket;
}

export async function nextStatus(socket: Socket): Promise<number> {
  const start = 'HTTP/1.1 200';
  for (;;) {
    const head = socket.read(start.length) as Buffer | null;
    if (head !== null) return Number(head.toString('latin1', 9));
    const ended = await new Promise<boolean>((resolve) => {
      socket
        .once('readable', () => resolve(socket.readableEnded))
        .once('close', () => resolve(true));
    });
    if (ended) return 0;
  }
}

export async function countsOf(statuses: Promise<number>[]): Promise<Record<number, number>> {
  const result: Record<number, number> = {};
  for (const status of await Promise.all(statuses)) result[status] = (result[status] ?? 0) + 1;
  return result;
}
