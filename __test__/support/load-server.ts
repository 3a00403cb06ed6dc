/** This server sends its port, and its figures on request. */
import { setTimeout as sleep } from 'node:timers/promises';
import { isMainThread } from 'node:worker_threads';
import { startClearServer, type ServerOptions } from '../../src/index.js';
import { secret } from './rpc.js';

const {
  time = 0,
  workers = 0,
  ...options
} = JSON.parse(process.argv[2] ?? '{}') as ServerOptions & {
  time?: number;
};

const held: (() => void)[] = [];

export const m = {
  ok: () => 'ok',
  size: (value: { length: number }) => value.length,
  later: async (value: { length: number }) => {
    await sleep(time);
    return value.length;
  },
  never: (_value: unknown) => new Promise<never>(() => {}),
  held: (_value: unknown) => new Promise<string>((resolve) => held.push(() => resolve('ok'))),
  release: () => {
    for (const settle of held.splice(0)) settle();
    return 'ok';
  },
  make: (size: number) => Buffer.alloc(size, 255),
  makeLater: async (size: number) => {
    await sleep(time);
    return Buffer.alloc(size, 255);
  },
  echo: (value: unknown) => value,
  block: (milliseconds: number) => {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
    return 'ok';
  },
};

if (isMainThread) {
  const all = { host: '127.0.0.1', port: 0, ...options };
  const server =
    workers > 0
      ? await startClearServer(secret, new URL(import.meta.url), { ...all, workers })
      : await startClearServer(secret, { m }, all);
  process.on('message', () => process.send!(server.stats()));
  process.on('disconnect', () => process.exit());
  process.send!(server.port);
}
