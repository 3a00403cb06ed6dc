import { existsSync, writeFileSync } from 'node:fs';
import { isMainThread, threadId } from 'node:worker_threads';
import { Client, expose, type CallContext } from '../../../src/index.js';

export const thread = {
  id: () => threadId,
  is_main: () => isMainThread,
  environment: (name: string) => process.env[name],
};

export const work = {
  echo: (value: unknown) => value,
  block: (milliseconds: number) => {
    const end = Date.now() + milliseconds;
    while (Date.now() < end);
    return threadId;
  },
  block_while_there_is: (file: string) => {
    writeFileSync(`${file}.begun`, '');
    while (existsSync(file));
    return threadId;
  },
  write: (file: string) => writeFileSync(file, 'written'),
  never: () => new Promise(() => {}),
  fail: () => {
    throw new TypeError('as expected');
  },
  relay: async (url: string, secret: Uint8Array, value: unknown) => {
    const client = new Client({ url, secret });
    try {
      return await client.call('m', 'echo', [value]);
    } finally {
      await client.close();
    }
  },
  about: expose.fn((context: CallContext) => [context.module, context.function, context.arity], {
    context: true,
  }),
};

export const end = {
  by_exit: () => process.exit(7),
  by_throwing_later: () => {
    setImmediate(() => {
      throw new Error('nobody catches this');
    });
    return new Promise(() => {});
  },
  by_memory: () => {
    const kept: unknown[] = [];
    for (;;) kept.push(Array.from({ length: 1000 }, (_, index) => ({ index })));
  },
};

export const constant = {};
