import { writeFileSync } from 'node:fs';
import { Readable } from 'node:stream';
import { ReadableStream } from 'node:stream/web';
import { setImmediate as turn } from 'node:timers/promises';
import { threadId } from 'node:worker_threads';
import { type CallContext, expose, raise, tuple } from '../../../src/index.js';

export const notes: string[] = [];

function* ending<T>(name: string, items: Iterable<T>): Generator<T, string> {
  try {
    yield* items;
    return 'not an item';
  } finally {
    notes.push(`${name} ended`);
  }
}

function* numbers(count: number): Generator<number> {
  for (let number = 0; number < count; number++) yield number;
}

function* records(count: number): Generator<unknown> {
  for (const number of numbers(count)) yield record(number);
}

export const s = {
  thread: () => threadId,
  notes: () => notes.splice(0),
  sync: (count: number) => ending('sync', numbers(count)),
  async *async(count: number) {
    try {
      for (let number = 0; number < count; number++) yield number;
    } finally {
      notes.push('async ended');
    }
  },
  later: async (count: number) => ending('later', numbers(count)),
  async *turns(count: number) {
    try {
      for (let number = 0; number < count; number++) {
        await turn();
        yield number;
      }
    } finally {
      await turn();
      notes.push('turns ended');
    }
  },
  records: (count: number) => ending('records', records(count)),
  async *bytes(count: number, size: number) {
    try {
      for (let number = 0; number < count; number++) yield Buffer.alloc(size, number);
    } finally {
      notes.push('bytes ended');
    }
  },
  async *reused(count: number) {
    const item = { number: 0, bytes: Buffer.alloc(16) };
    for (; item.number < count; item.number++) {
      item.bytes.fill(item.number);
      yield item;
    }
  },
  async *fails(count: number) {
    try {
      yield* numbers(count);
      throw Object.assign(new TypeError('as expected'), { code: 'E_EXPECTED', data: { count } });
    } finally {
      notes.push('fails ended');
    }
  },
  *raises() {
    yield 1;
    raise('throw', tuple('no', 1));
  },
  async *unencodable(count: number) {
    try {
      yield* numbers(count);
      yield { inside: [() => {}] };
      yield 'never';
    } finally {
      notes.push('unencodable ended');
    }
  },
  async *throwsAtEnd() {
    try {
      for (;;) yield 1;
    } finally {
      notes.push('throwsAtEnd ended');
      // oxlint-disable-next-line no-unsafe-finally
      throw new Error('of the finally block');
    }
  },
  silent: expose.fn(
    async function* ({ signal }: CallContext) {
      try {
        await new Promise((resolve) => signal.addEventListener('abort', resolve));
        yield* [] as number[];
      } finally {
        notes.push(`silent ended: ${(signal.reason as Error).name}`);
      }
    },
    { context: true },
  ),
  once: expose.fn(
    async function* ({ signal }: CallContext) {
      try {
        yield 1;
        await new Promise((resolve) => signal.addEventListener('abort', resolve));
      } finally {
        notes.push(`once ended: ${(signal.reason as Error | undefined)?.name}`);
      }
    },
    { context: true },
  ),
  readable: (count: number) =>
    Readable.from(ending('readable', numbers(count))).on('close', () =>
      notes.push('readable closed'),
    ),
  web: (count: number) => {
    const source = numbers(count);
    return new ReadableStream({
      pull(controller) {
        const step = source.next();
        if (step.done) controller.close();
        else controller.enqueue(step.value);
      },
      cancel: () => void notes.push('web cancelled'),
    });
  },
  bare: (count: number) => {
    let number = 0;
    const next = (): IteratorResult<number> =>
      number < count ? { value: number++, done: false } : { value: undefined, done: true };
    return {
      next,
      [Symbol.iterator]() {
        return this;
      },
    };
  },
  truthy: (count: number) => {
    let number = 0;
    const next = async () => (number < count ? { value: number++ } : { done: 1 });
    return { [Symbol.asyncIterator]: () => ({ next }) };
  },
  broken: () => ({
    [Symbol.asyncIterator]() {
      throw new RangeError('no iterator');
    },
  }),
  notAStep: () => ({ [Symbol.asyncIterator]: () => ({ next: async () => 1 }) }),
  none: () => ending('none', []),
  list: () => [1, 'two', null],
  nothing: () => [],
  one: () => ({ a: 1 }),
  text: () => 'text',
  pair: () => tuple('a', 1),
  set: () => new Map([['a', 1]]),
  about: expose.fn(
    async function* ({ metadata, requestId, deadline, module, arity }: CallContext, key: string) {
      yield metadata.get(key) ?? null;
      yield requestId;
      yield deadline === undefined ? null : deadline.getTime();
      yield `${module} ${arity}`;
    },
    { context: true },
  ),
  async *leaves(path: string) {
    try {
      for (;;) yield Buffer.alloc(1000);
    } finally {
      writeFileSync(path, 'ended');
    }
  },
  exit: () => process.exit(7),
};

export default { s };

export function record(number: number): Record<string, unknown> {
  return {
    id: number,
    name: `name ${number}`,
    price: number / 4,
    active: number % 2 === 0,
    tags: ['a', String(number % 7)],
  };
}
