import anyTest, { type ExecutionContext } from 'ava';
import {
  atom,
  type Client,
  decode,
  encode,
  OptionError,
  RemoteException,
  TermError,
  tuple,
  type Tuple,
} from '../../src/index.js';
import { connect } from '../support/rpc.js';
import { record } from '../support/streams/functions.js';
import { collect, RemoteServer, untilFailure } from '../support/streams/server.js';

// Serial, because each has its own process.
const test = anyTest.serial;

const numbers = (count: number): number[] => Array.from({ length: count }, (_, number) => number);

async function both(
  t: ExecutionContext,
  options: Parameters<typeof RemoteServer.start>[1] = {},
  clientOptions: Parameters<typeof connect>[2] = {},
): Promise<{ server: RemoteServer; client: Client }> {
  const server = await RemoteServer.start(t, options);
  return { server, client: connect(t, server, clientOptions) };
}

test('every kind of stream yields its items once and in order, and then ends', async (t) => {
  const { server, client } = await both(t);
  for (const fn of ['sync', 'async', 'later', 'turns', 'readable', 'web', 'bare', 'truthy']) {
    for (const count of [0, 1, 2, 300]) {
      t.deepEqual(await collect(client.stream('s', fn, [count])), numbers(count), fn);
    }
  }
  await server.settled(t, client);
  const ended = ['sync', 'async', 'later', 'turns', 'readable'].flatMap((name) =>
    Array.from({ length: 4 }, () => `${name} ended`),
  );
  const closed = Array.from({ length: 4 }, () => 'readable closed');
  await server.noted(t, ...ended, ...closed);
});

test('items keep the value that they had when yielded', async (t) => {
  const { client } = await both(t);
  const reused = await collect(client.stream('s', 'reused', [3]));
  t.deepEqual(
    reused,
    numbers(3).map((number) => ({ number, bytes: Buffer.alloc(16, number) })),
  );
  t.deepEqual(await collect(client.stream('s', 'records', [1000])), numbers(1000).map(record));
});

test('large streams and large items arrive complete', async (t) => {
  const { server, client } = await both(t);
  t.is((await collect(client.stream('s', 'sync', [200_000]))).length, 200_000);
  for (const [count, size] of [
    [200, 1000],
    [40, 65_535],
    [20, 65_536],
    [3, 3_000_000],
  ] as const) {
    let number = 0;
    for await (const item of client.stream<Buffer>('s', 'bytes', [count, size])) {
      if (!item.equals(Buffer.alloc(size, number++))) t.fail(`item ${number} of ${size} bytes`);
    }
    t.is(number, count);
  }
  await server.settled(t, client);
});

test('calling a streaming function returns a list', async (t) => {
  const { server, client } = await both(t);
  for (const fn of ['sync', 'async', 'later', 'turns', 'readable', 'web', 'bare']) {
    for (const count of [0, 1, 300])
      t.deepEqual(await client.call('s', fn, [count]), numbers(count));
  }
  t.deepEqual(await client.call('s', 'records', [1000]), numbers(1000).map(record));
  await t.throwsAsync(client.call('s', 'fails', [3]), {
    instanceOf: RemoteException,
    message: /TypeError \[E_EXPECTED\]: as expected/,
  });
  t.deepEqual(await client.tryCall('s', 'none'), { ok: true, value: [] });
  await server.settled(t, client);
});

test('maxEncodedResultSize of the server limits the list but not the stream', async (t) => {
  const items = numbers(1000);
  const limit = encode(tuple(atom('return'), items)).length;
  for (const [maxEncodedResultSize, fits] of [
    [limit, true],
    [limit - 1, false],
  ] as const) {
    const { server, client } = await both(t, { maxEncodedResultSize });
    const result = await client.tryCall('s', 'async', [1000]);
    t.is(result.ok, fits, String(maxEncodedResultSize));
    if (!result.ok) t.true(result.error instanceof RemoteException, String(result.error));
    t.deepEqual(await collect(client.stream('s', 'async', [1000])), items);
    t.is((await collect(client.stream('s', 'async', [20_000]))).length, 20_000);
    await server.settled(t, client);
    await server.noted(t, 'async ended', 'async ended', 'async ended');
  }
});

test('maxEncodedResultSize of the server limits each item', async (t) => {
  const size = 100_000;
  const limit = encode(Buffer.alloc(size), { markBytes: true }).length - 1;
  const fitting = await both(t, { maxEncodedResultSize: limit });
  t.is((await collect(fitting.client.stream('s', 'bytes', [3, size]))).length, 3);
  const { server, client } = await both(t, { maxEncodedResultSize: limit - 1 });
  const { items, error } = await untilFailure(client.stream('s', 'bytes', [3, size]));
  t.is(items.length, 0);
  t.true(error instanceof RemoteException, String(error));
  await server.noted(t, 'bytes ended');
  await server.settled(t, client);
});

test('streaming an ordinary function yields the items of its list, or its value', async (t) => {
  const { server, client } = await both(t);
  t.deepEqual(await collect(client.stream('s', 'list')), [1, 'two', null]);
  t.deepEqual(await collect(client.stream('s', 'nothing')), []);
  t.deepEqual(await collect(client.stream('s', 'one')), [{ a: 1 }]);
  t.deepEqual(await collect(client.stream('s', 'text')), ['text']);
  t.deepEqual(await collect(client.stream('s', 'set')), [{ a: 1 }]);
  const [pair] = await collect(client.stream<Tuple>('s', 'pair'));
  t.deepEqual(pair, tuple('a', 1));
  await server.settled(t, client);
});

test('typed modules can stream with the options and views of the client', async (t) => {
  const { server, client } = await both(t, {}, { metadata: { tenant: 'acme' } });
  interface S {
    sync(count: number): Iterator<number> & Iterable<number>;
    about(key: string): AsyncIterable<string | number | null>;
  }
  t.deepEqual(await collect(client.streams<S>('s').sync(3)), [0, 1, 2]);
  t.deepEqual(await client.module<S>('s').sync(3), [0, 1, 2]);
  const [tenant, requestId, deadline, called] = await collect(
    client.streams<S>('s').about('tenant'),
  );
  t.is(tenant, 'acme');
  t.regex(requestId as string, /^[A-Za-z0-9+/]{22}==$/);
  t.is(deadline, null);
  t.is(called, 's 1');
  const before = Date.now();
  const view = client.with({ timeout: 100_000, metadata: { region: 'eu' } });
  const [region, , until] = await collect(view.streams<S>('s').about('region'));
  t.is(region, 'eu');
  t.true((until as number) >= before + 99_000 && (until as number) <= Date.now() + 101_000);
  const [own] = await collect(
    view.stream('s', 'about', ['region'], { metadata: { region: 'us' } }),
  );
  t.is(own, 'us');
  await server.settled(t, client);
});

test("the client's options determine how items are decoded", async (t) => {
  const { client } = await both(t);
  const [float] = await collect(client.stream('s', 'records', [1], { terms: 'exact' }));
  t.deepEqual(float, decode(encode(record(0)), { terms: 'exact' }));
  const revivers = [{ tag: 'a', length: 2, revive: ([, count]: readonly unknown[]) => count }];
  t.deepEqual(await collect(client.stream('s', 'pair', [], { revivers })), [tuple('a', 1)]);
});

test('concurrent calls of next get the items in order', async (t) => {
  const { client } = await both(t);
  const stream = client.stream<number>('s', 'turns', [3]);
  const steps = await Promise.all(Array.from({ length: 5 }, () => stream.next()));
  t.deepEqual(
    steps.map(({ value }) => value),
    [0, 1, 2, undefined, undefined],
  );
  t.deepEqual(
    steps.map(({ done }) => done),
    [false, false, false, true, true],
  );
});

test('the function is not called before the consumer requests an item', async (t) => {
  const { server, client } = await both(t);
  const stream = client.stream('s', 'sync', [1]);
  t.is((await server.stats()).calls, 0);
  t.deepEqual(await stream.return(), { value: undefined, done: true });
  t.deepEqual(await stream.next(), { value: undefined, done: true });
  t.is((await server.stats()).calls, 0);
  t.is(client.stats().calls, 0);
});

test('invalid arguments and options reject the first next, and make typed modules throw at once', async (t) => {
  const { client } = await both(t);
  const refused: [unknown[], string][] = [
    [['', 'sync'], 'module'],
    [['s', 'x'.repeat(256)], 'function'],
    [['s', 'sync', 'x'], 'args'],
    [['s', 'sync', [], { idleTimeout: 0 }], 'idleTimeout'],
    [['s', 'sync', [], { maxStreams: 1 }], 'maxStreams'],
  ];
  for (const [args, option] of refused) {
    const stream = (client.stream as any)(...args) as AsyncIterableIterator<unknown>;
    const error = (await t.throwsAsync(stream.next())) as OptionError;
    t.true(error instanceof OptionError);
    t.is(error.option, option);
    t.deepEqual(await stream.next(), { value: undefined, done: true });
  }
  const error = await t.throwsAsync(client.stream('s', 'sync', [() => {}]).next());
  t.true(error instanceof TermError);
  t.throws(() => client.streams('s', { idleTimeout: -1 }), { instanceOf: OptionError });
  t.throws(() => client.streams(''), { instanceOf: OptionError });
  t.is(client.stats().pending, 0);
});
