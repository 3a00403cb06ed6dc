import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import anyTest from 'ava';
import {
  type CallContext,
  ClosedError,
  ConnectError,
  expose,
  type Interceptor,
  RemoteError,
  RemoteException,
  StreamError,
  TimeoutError,
} from '../../src/index.js';
import { FaultyProxy } from '../support/faulty-proxy.js';
import { connect, serve } from '../support/rpc.js';
import { eventually } from '../support/stalling.js';
import { collect, RemoteServer, untilFailure } from '../support/streams/server.js';

// Serial, because each has its own process.
const test = anyTest.serial;

const SOME_TIME = 4000;

/**
 * More than a connection, its buffers and both sides hold, so the generator waits for its consumer.
 */
const ENDLESS = 2 ** 31;

test('an exception arrives once, after the items before it', async (t) => {
  const server = await RemoteServer.start(t);
  const client = connect(t, server);
  for (const count of [0, 1, 100, 50_000]) {
    const { items, error } = await untilFailure(client.stream('s', 'fails', [count]));
    t.is(items.length, count);
    t.true(error instanceof RemoteException);
    const { remote, requestId } = error as RemoteException;
    t.like(remote, { name: 'TypeError', message: 'as expected', code: 'E_EXPECTED' });
    t.deepEqual(remote!.data, { count });
    t.is(typeof requestId, 'string');
    await server.noted(t, 'fails ended');
  }
  const raised = await untilFailure(client.stream('s', 'raises'));
  t.deepEqual(raised.items, [1]);
  t.is((raised.error as RemoteException).class, 'throw');
  for (const [fn, text] of [
    ['broken', 'RangeError: no iterator'],
    ['notAStep', 'TypeError: '],
  ] as const) {
    const { items, error } = await untilFailure(client.stream('s', fn));
    t.deepEqual(items, []);
    t.true((error as Error).message.includes(text), String(error));
  }
  t.is(client.stats().failures['ERR_BACKWATER_REMOTE_EXCEPTION'], 7);
  await server.settled(t, client);
});

test('an item that cannot be encoded ends the stream with an exception that names its path', async (t) => {
  const server = await RemoteServer.start(t);
  const client = connect(t, server);
  for (const count of [0, 1, 20_000]) {
    const { items, error } = await untilFailure(client.stream('s', 'unencodable', [count]));
    t.is(items.length, count);
    t.regex((error as Error).message, /TermError.*item\.inside\[0\] is a function/);
    await server.noted(t, 'unencodable ended');
  }
  await server.settled(t, client);
});

test('leaving the loop ends the generator', async (t) => {
  const server = await RemoteServer.start(t);
  const client = connect(t, server);
  for (const fn of ['sync', 'async', 'turns', 'readable']) {
    for (const last of [0, 70_000]) {
      let count = 0;
      for await (const _ of client.stream('s', fn, [ENDLESS])) if (count++ === last) break;
      const closed = fn === 'readable' ? ['readable closed'] : [];
      await server.noted(t, `${fn} ended`, ...closed);
    }
  }
  for await (const _ of client.stream('s', 'web', [ENDLESS])) break;
  await server.noted(t, 'web cancelled');
  await t.throwsAsync(
    async () => {
      for await (const _ of client.stream('s', 'async', [ENDLESS])) throw new Error('own');
    },
    { message: 'own' },
  );
  await server.noted(t, 'async ended');
  {
    await using stream = client.stream('s', 'async', [ENDLESS]);
    t.deepEqual(await stream.next(), { value: 0, done: false });
  }
  await server.noted(t, 'async ended');
  const stream = client.stream('s', 'async', [ENDLESS]);
  await stream.next();
  await t.throwsAsync(stream.throw(new Error('thrown')), { message: 'thrown' });
  t.deepEqual(await stream.next(), { value: undefined, done: true });
  await server.noted(t, 'async ended');
  for await (const _ of client.stream('s', 'throwsAtEnd')) break;
  await server.noted(t, 'throwsAtEnd ended');
  t.deepEqual(client.stats().failures, {});
  await server.settled(t, client);
});

test('leaving the loop while it waits ends the wait', async (t) => {
  const server = await RemoteServer.start(t);
  const client = connect(t, server);
  const stream = client.stream('s', 'once');
  await stream.next();
  const waiting = [stream.next(), stream.next()];
  await stream.return();
  t.deepEqual(await Promise.all(waiting), Array(2).fill({ value: undefined, done: true }));
  await server.noted(t, 'once ended: AbortError');
  await server.settled(t, client);
});

test('a signal ends the stream and the generator in any phase', async (t) => {
  const server = await RemoteServer.start(t);
  const client = connect(t, server);
  const reason = new Error('enough');
  const early = client.stream('s', 'sync', [1], { signal: AbortSignal.abort(reason) });
  t.is((await untilFailure(early)).error, reason);
  t.is((await server.stats()).calls, 0);

  for (const [fn, end] of [
    ['silent', 'silent ended: AbortError'],
    ['once', 'once ended: AbortError'],
    ['async', 'async ended'],
  ] as const) {
    const controller = new AbortController();
    const { signal } = controller;
    const stream = client.stream('s', fn, fn === 'async' ? [ENDLESS] : [], { signal });
    const failed = untilFailure(stream);
    await eventually('the call runs', async () => (await server.stats()).streams > 0);
    controller.abort(reason);
    t.is((await failed).error, reason);
    await server.noted(t, end);
    await server.settled(t, client);
  }
  t.deepEqual(client.stats().failures, { ABORT_ERR: 4 });

  const controller = new AbortController();
  const stream = client.stream('s', 'sync', [100], { signal: controller.signal });
  await stream.next();
  controller.abort(reason);
  await t.throwsAsync(stream.next(), { is: reason });
  t.deepEqual(await stream.next(), { value: undefined, done: true });
  await server.settled(t, client);
});

test('a stream that its consumer has dropped ends when garbage is collected', async (t) => {
  const server = await RemoteServer.start(t);
  const client = connect(t, server);
  const { setFlagsFromString } = await import('node:v8');
  const { runInNewContext } = await import('node:vm');
  setFlagsFromString('--expose-gc');
  const collectGarbage = runInNewContext('gc') as () => void;
  const begin = async (fn: string): Promise<void> => {
    const stream = client.stream('s', fn, [ENDLESS]);
    await stream.next();
  };
  await begin('sync');
  await begin('async');
  const intercepted = connect(t, server, { interceptors: [(call, next) => next(call)] });
  const beginIntercepted = async (): Promise<void> => {
    await intercepted.stream('s', 'turns', [ENDLESS]).next();
  };
  await beginIntercepted();
  await eventually('all are collected', async () => {
    collectGarbage();
    await turn();
    return client.stats().pending === 0 && intercepted.stats().pending === 0;
  });
  await server.noted(t, 'sync ended', 'async ended', 'turns ended');
  await server.settled(t, client);
});

test('a stream that a consumer waits for is not collected', async (t) => {
  const server = await RemoteServer.start(t);
  const client = connect(t, server);
  const { setFlagsFromString } = await import('node:v8');
  const { runInNewContext } = await import('node:vm');
  setFlagsFromString('--expose-gc');
  const controller = new AbortController();
  const items: unknown[] = [];
  const reading = (async () => {
    for await (const item of client.stream('s', 'once', [], { signal: controller.signal })) {
      items.push(item);
    }
  })();
  await eventually('the first item is there', () => Promise.resolve(items.length === 1));
  for (let round = 0; round < 20; round++) {
    (runInNewContext('gc') as () => void)();
    await turn();
  }
  t.is((await server.stats()).streams, 1);
  controller.abort();
  t.is(await reading.catch((error: unknown) => error), controller.signal.reason);
  await server.noted(t, 'once ended: AbortError');
});

test('a stream dropped by its consumer is not collected while it waits for an item', async (t) => {
  const server = await RemoteServer.start(t);
  const { setFlagsFromString } = await import('node:v8');
  const { runInNewContext } = await import('node:vm');
  setFlagsFromString('--expose-gc');
  const collectGarbage = runInNewContext('gc') as () => void;
  for (const interceptors of [undefined, [(call, next) => next(call)] satisfies Interceptor[]]) {
    const client = connect(t, server, { interceptors });
    const controller = new AbortController();
    const begin = async (): Promise<{ readonly waiting: Promise<unknown>[] }> => {
      const stream = client.stream('s', 'once', [], { signal: controller.signal });
      await stream.next();
      return { waiting: [stream.next(), stream.next()] };
    };
    const { waiting } = await begin();
    for (let round = 0; round < 20; round++) {
      collectGarbage();
      await turn();
    }
    t.is((await server.stats()).streams, 1);
    controller.abort();
    t.is(await waiting[0]!.catch((error: unknown) => error), controller.signal.reason);
    t.deepEqual(await waiting[1], { value: undefined, done: true });
    await server.noted(t, 'once ended: AbortError');
  }
});

test('the timeout limits the whole stream and ends the generator', async (t) => {
  const server = await RemoteServer.start(t);
  const client = connect(t, server);
  const { items, error } = await untilFailure(
    client.stream('s', 'once', [], { timeout: SOME_TIME }),
  );
  t.deepEqual(items, [1]);
  t.true(error instanceof TimeoutError);
  t.is((error as TimeoutError).option, 'timeout');
  await server.noted(t, 'once ended: (Timeout|Abort)Error');
  const deadline = new Date(Date.now() + SOME_TIME);
  const overdue = await untilFailure(client.stream('s', 'silent', [], { deadline }));
  t.is((overdue.error as TimeoutError).option, 'deadline');
  await server.noted(t, 'silent ended: (Timeout|Abort)Error');
  await server.settled(t, client);
});

test('the timeout also ends a stream that is not read', async (t) => {
  const server = await RemoteServer.start(t);
  const client = connect(t, server);
  const stream = client.stream('s', 'async', [ENDLESS], { timeout: SOME_TIME });
  await stream.next();
  await server.noted(t, 'async ended');
  const { error } = await untilFailure(stream);
  t.true(error instanceof TimeoutError, String(error));
  await server.settled(t, client);
});

test('idleTimeout ends a silent stream, unless pings arrive', async (t) => {
  const silent = await RemoteServer.start(t, { streamPingInterval: Infinity });
  const client = connect(t, silent);
  const { items, error } = await untilFailure(client.stream('s', 'once', [], { idleTimeout: 200 }));
  t.deepEqual(items, [1]);
  t.true(error instanceof TimeoutError, String(error));
  t.is((error as TimeoutError).option, 'idleTimeout');
  t.is((error as TimeoutError).limit, 200);
  await silent.noted(t, 'once ended: AbortError');
  await silent.settled(t, client);
  const ofClient = connect(t, silent, { streamIdleTimeout: 200 });
  const own = await untilFailure(ofClient.stream('s', 'silent'));
  t.is((own.error as TimeoutError).option, 'idleTimeout');

  const pinging = await RemoteServer.start(t, { streamPingInterval: 20 });
  const patient = connect(t, pinging);
  const stream = patient.stream('s', 'once', [], { idleTimeout: 10_000, timeout: 15_000 });
  const pinged = await untilFailure(stream);
  t.is((pinged.error as TimeoutError).option, 'timeout', String(pinged.error));
});

test('a closing server lets streams finish and then ends them', async (t) => {
  const server = await RemoteServer.start(t);
  const client = connect(t, server);
  const short = client.stream<number>('s', 'turns', [2000]);
  await short.next();
  const long = client.stream('s', 'once');
  await long.next();
  const closing = server.close(60_000);
  t.is((await collect(short)).length, 1999);
  await long.return();
  await closing;
  await server.noted(t, 'turns ended', 'once ended: AbortError');

  const other = await RemoteServer.start(t);
  const begun = connect(t, other).stream('s', 'once');
  await begun.next();
  await other.close(50);
  const { error } = await untilFailure(begun);
  t.true(error instanceof RemoteException, String(error));
  t.is((error as RemoteException).class, 'exit');
  t.regex((error as RemoteException).message, /server_closing/);
  await other.noted(t, 'once ended: AbortError');
});

test('killing a server process ends its streams with an error', async (t) => {
  const server = await RemoteServer.start(t);
  const client = connect(t, server);
  const waiting = client.stream('s', 'once');
  await waiting.next();
  const reading = client.stream('s', 'turns', [ENDLESS]);
  await reading.next();
  const failures = Promise.all([untilFailure(waiting), untilFailure(reading)]);
  server.process.kill('SIGKILL');
  await once(server.process, 'exit');
  for (const { items, error } of await failures) {
    t.true(error instanceof StreamError, String(error));
    t.is((error as StreamError).items, items.length + 1);
    t.is(typeof (error as StreamError).requestId, 'string');
  }
  const refused = await untilFailure(client.stream('s', 'once'));
  t.true(refused.error instanceof ConnectError, String(refused.error));
  t.is(client.stats().pending, 0);
});

test('a stream whose connection breaks at any byte ends with an error, and not earlier', async (t) => {
  const server = await RemoteServer.start(t);
  const proxy = await FaultyProxy.start(Number(new URL(server.url).port));
  t.teardown(() => proxy.close());
  const client = connect(t, { url: `http://127.0.0.1:${proxy.port}` });
  const names = new Set<string>();
  const all = await collect(client.stream('s', 'sync', [400]));
  // Omits the last frame and the rest, whose length depends on how the server writes them.
  const length = proxy.carried.response - 64;
  for (const kind of ['cut', 'reset'] as const) {
    for (let offset = 1; offset < length; offset += 29) {
      const afresh = connect(t, { url: `http://127.0.0.1:${proxy.port}` });
      proxy.next = { kind, direction: 'response', offset };
      const { items, error } = await untilFailure(afresh.stream('s', 'sync', [400]));
      names.add((error as Error).name);
      t.deepEqual(items, all.slice(0, items.length), `${kind} at ${offset}`);
      if (error instanceof StreamError) t.is(error.items, items.length);
      t.is(afresh.stats().pending, 0);
    }
  }
  t.deepEqual([...names].sort(), ['ConnectionLostError', 'StreamError']);
});

test('a worker that exits ends its own streams with an exception, and no others', async (t) => {
  const server = await RemoteServer.start(t, { workers: 2 });
  const client = connect(t, server);
  t.is((await collect(client.stream('s', 'async', [10_000]))).length, 10_000);
  const streams = Array.from({ length: 2 }, () => client.stream('s', 'once'));
  for (const stream of streams) await stream.next();
  const failures = streams.map((stream) => untilFailure(stream));
  const exit = await client.tryCall('s', 'exit');
  t.false(exit.ok);
  const first = await Promise.race(failures);
  t.true(first.error instanceof RemoteException, String(first.error));
  t.regex((first.error as Error).message, /ERR_BACKWATER_WORKER_ENDED/);
  t.deepEqual(first.items, []);
  t.deepEqual(await collect(client.stream('s', 'sync', [3])), [0, 1, 2]);
  for (const stream of streams) await stream.return();
  await Promise.allSettled(failures);
  await server.settled(t, client);
});

test('a server with workers ends generators before its threads', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'backwater-streams-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const server = await RemoteServer.start(t, { workers: 1 });
  const client = connect(t, server);
  const stream = client.stream('s', 'leaves', [join(folder, 'file')]);
  await stream.next();
  await server.close(0);
  t.is(readFileSync(join(folder, 'file'), 'utf8'), 'ended');
  await stream.return();
});

test('a stream ends with its parent call, even if it has its own signal', async (t) => {
  const server = await RemoteServer.start(t);
  const inner = connect(t, server);
  const { signal } = new AbortController();
  const failures: unknown[] = [];
  const relay = async (context: CallContext, own: boolean): Promise<void> => {
    const options = own ? { parent: context, signal } : { parent: context };
    failures.push((await untilFailure(inner.stream('s', 'once', [], options))).error);
  };
  const modules = { m: { relay: expose.fn(relay, { context: true }) } };
  const outer = connect(t, await serve(t, modules));
  for (const own of [false, true]) {
    const controller = new AbortController();
    const call = outer.call('m', 'relay', [own], { signal: controller.signal });
    await eventually('the inner one runs', async () => (await server.stats()).streams === 1);
    controller.abort();
    t.is(await call.catch((error: unknown) => error), controller.signal.reason);
    await server.noted(t, 'once ended: AbortError');
    t.is((failures.pop() as Error).name, 'AbortError');
  }
  await server.settled(t, inner);
});

test("streams beyond the server's maxStreams are refused, and their generators ended", async (t) => {
  const server = await RemoteServer.start(t, { maxStreams: 1 });
  const client = connect(t, server);
  const first = client.stream('s', 'once');
  await first.next();
  const { error } = await untilFailure(client.stream('s', 'async', [ENDLESS]));
  t.true(error instanceof RemoteError, String(error));
  t.is((error as RemoteError).httpStatus, 503);
  t.is((error as RemoteError).reason, 'overloaded');
  await server.noted(t, 'async ended');
  t.deepEqual(await client.call('s', 'sync', [2]), [0, 1]);
  await server.noted(t, 'sync ended');
  await first.return();
  await server.noted(t, 'once ended: AbortError');
  await server.settled(t, client);
  t.deepEqual(await collect(client.stream('s', 'sync', [2])), [0, 1]);
});

test('a stream waits for a place', async (t) => {
  const server = await RemoteServer.start(t);
  const client = connect(t, server, { maxStreams: 1 });
  const first = client.stream('s', 'once');
  await first.next();
  const second = collect(client.stream('s', 'sync', [2]));
  t.deepEqual(await client.call('s', 'sync', [2]), [0, 1]);
  t.is((await server.stats()).streams, 1);
  await first.return();
  t.deepEqual(await second, [0, 1]);
  await server.settled(t, client);
});

test('a closed client starts no stream and waits for running ones', async (t) => {
  const server = await RemoteServer.start(t);
  const client = connect(t, server);
  const stream = client.stream<number>('s', 'turns', [100]);
  await stream.next();
  const closing = client.close();
  const { error } = await untilFailure(client.stream('s', 'sync', [1]));
  t.true(error instanceof ClosedError);
  t.is((await collect(stream)).length, 99);
  await closing;
  await server.settled(t);
});

test('an unread stream pauses its generator without delaying calls', async (t) => {
  const server = await RemoteServer.start(t);
  const client = connect(t, server);
  const stream = client.stream<Buffer>('s', 'bytes', [ENDLESS, 1000]);
  const { value } = await stream.next();
  t.deepEqual(value, Buffer.alloc(1000));
  for (let round = 0; round < 50; round++) t.is(await client.call('s', 'text'), 'text');
  const { bytesInFlight } = await server.stats();
  t.true(bytesInFlight < 4 * 1024 * 1024, String(bytesInFlight));
  let count = 1;
  for await (const item of stream) {
    if (item[0] !== count % 256) t.fail(`item ${count}`);
    if (++count === 20_000) break;
  }
  await server.noted(t, 'bytes ended');
  await server.settled(t, client);
});

test('connections of ended streams are reused', async (t) => {
  const server = await RemoteServer.start(t);
  const client = connect(t, server);
  for (let round = 0; round < 20; round++) {
    t.is((await collect(client.stream('s', 'sync', [10]))).length, 10);
    t.is(await client.call('s', 'text'), 'text');
  }
  t.true(client.stats().connections <= 2, String(client.stats().connections));
});
