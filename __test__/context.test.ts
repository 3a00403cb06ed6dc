import { once } from 'node:events';
import { connect as connectSocket, createServer, type Socket } from 'node:net';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { expose, OptionError, startClearServer, type CallContext } from '../src/index.js';
import { createRegistry } from '../src/server/registry.js';
import { connect, secret, serve } from './support/rpc.js';
import { requestBytes, signedRequest } from './support/signing.js';

const context = true;

/** The function ends when the test says so. */
function held(): {
  module: { hold: unknown };
  called: Promise<CallContext>;
  release: (value?: unknown) => void;
} {
  let release!: (value: unknown) => void;
  const ended = new Promise((resolve) => (release = resolve));
  let module!: { hold: unknown };
  const called = new Promise<CallContext>((resolve) => {
    const hold = (given: CallContext): Promise<unknown> => {
      resolve(given);
      return ended;
    };
    module = { hold: expose.fn(hold, { context }) };
  });
  return { module, called, release };
}

test.serial('a function does not start if its caller has gone away while it waited', async (t) => {
  const begun: string[] = [];
  const blocking = { until: (): boolean => true };
  const server = await serve(t, {
    m: {
      block() {
        while (!blocking.until());
      },
      late: () => begun.push('late'),
      left: () => begun.push('left'),
      patient: () => begun.push('patient'),
    },
  });
  const open = async (): Promise<Socket> => {
    const socket = connectSocket(server.port, '127.0.0.1');
    t.teardown(() => socket.destroy());
    await once(socket, 'connect');
    return socket;
  };
  const send = (socket: Socket, name: string, timeout?: string): void => {
    const before = server.stats().pending;
    const headers = { 'x-backwater-timeout': timeout };
    const parts = { target: `/backwater/1/m/${name}/0`, headers };
    socket.write(requestBytes(signedRequest(secret, parts)));
    // All requests must arrive before this thread takes the first.
    while (server.stats().pending === before);
  };
  const [block, late, left, patient] = await Promise.all([open(), open(), open(), open()]);
  send(block, 'block');
  send(late, 'late', '500');
  send(left, 'left');
  send(patient, 'patient', '600000');
  const deadline = Date.now() + 500;
  blocking.until = () => {
    left.destroy();
    return Date.now() > deadline && server.stats().connections < 4;
  };
  const answer = async (socket: Socket): Promise<string> =>
    String((await once(socket, 'data'))[0]).split('\r\n', 1)[0]!;
  t.deepEqual(await Promise.all([block, late, patient].map(answer)), [
    'HTTP/1.1 200 OK',
    'HTTP/1.1 504 Gateway Timeout',
    'HTTP/1.1 200 OK',
  ]);
  t.deepEqual(begun, ['patient']);
});

async function aborted(signal: AbortSignal): Promise<Error> {
  if (!signal.aborted) await once(signal, 'abort');
  return signal.reason as Error;
}

/** A proxy that keeps its connection to the server when the caller hangs up. */
async function stubbornProxy(t: ExecutionContext, port: number): Promise<string> {
  const sockets = new Set<Socket>();
  const proxy = createServer({ allowHalfOpen: true }, (incoming) => {
    const outgoing = connectSocket({ port, host: '127.0.0.1', allowHalfOpen: true });
    for (const socket of [incoming, outgoing]) {
      sockets.add(socket);
      socket.on('error', () => {});
    }
    incoming.on('data', (data) => outgoing.write(data));
    outgoing.on('data', (data) => incoming.write(data));
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    proxy.close();
  });
  const address = proxy.address();
  if (address === null || typeof address === 'string') throw new Error('no address');
  return `http://127.0.0.1:${address.port}`;
}

test('a context names the function and the caller', async (t) => {
  const { module, called, release } = held();
  const server = await serve(t, { m: module });
  const client = connect(t, server);
  const call = client.call('m', 'hold');
  const given = await called;
  t.is(given.module, 'm');
  t.is(given.function, 'hold');
  t.is(given.arity, 0);
  t.is(given.peer.address, '127.0.0.1');
  t.true(given.peer.port > 0);
  t.true(given.requestId.length > 0);
  t.is(given.deadline, undefined);
  t.false(given.signal.aborted);
  t.is(given.signal, given.signal);
  release('done');
  t.is(await call, 'done');
  t.false(given.signal.aborted);
});

test('the deadline reflects how long the caller waits', async (t) => {
  const { module, called, release } = held();
  const server = await serve(t, { m: module });
  const client = connect(t, server);
  const before = Date.now();
  const call = client.call('m', 'hold', [], { timeout: 30_000 });
  const { deadline } = await called;
  const left = deadline!.getTime() - before;
  t.true(left > 5_000 && left <= 31_000, String(left));
  release(1);
  t.is(await call, 1);
});

test('the arguments follow the context', async (t) => {
  const module = {
    one: expose.fn((_: CallContext, a: number) => a, { context }),
    none: expose.fn(() => 'none', { context }),
    many: expose.fn(({ arity }: CallContext, ...args: number[]) => [arity, ...args], {
      context,
      arity: [0, 2],
    }),
    plain: (a: number) => a,
  };
  const server = await serve(t, { m: module });
  const client = connect(t, server);
  t.is(await client.call('m', 'one', [5]), 5);
  t.is(await client.call('m', 'none'), 'none');
  t.deepEqual(await client.call('m', 'many'), [0]);
  t.deepEqual(await client.call('m', 'many', [7, 8]), [2, 7, 8]);
  t.is(await client.call('m', 'plain', [6]), 6);
  await t.throwsAsync(client.call('m', 'one', [1, 2]), { message: /404/ });
  const remote = client.module<typeof module>('m');
  const one: number = await remote.one(9);
  t.is(one, 9);
  t.is(await remote.plain(1), 1);
});

test('a function that takes a context can throw exceptions', async (t) => {
  const fail = expose.fn(
    (_: CallContext, later: boolean) => {
      if (later) return Promise.reject(new RangeError('later'));
      throw new RangeError('now');
    },
    { context },
  );
  const server = await serve(t, { m: { fail } });
  const client = connect(t, server, { rethrowRemoteExceptions: true });
  await t.throwsAsync(client.call('m', 'fail', [false]), {
    instanceOf: RangeError,
    message: 'now',
  });
  await t.throwsAsync(client.call('m', 'fail', [true]), {
    instanceOf: RangeError,
    message: 'later',
  });
});

test('the signal aborts when the caller hangs up', async (t) => {
  const { module, called } = held();
  const server = await serve(t, { m: module });
  const client = connect(t, server);
  const controller = new AbortController();
  const call = t.throwsAsync(client.call('m', 'hold', [], { signal: controller.signal }), {
    any: true,
  });
  const { signal } = await called;
  t.false(signal.aborted);
  controller.abort();
  await call;
  t.is((await aborted(signal)).name, 'AbortError');
});

test('the signal is already aborted when first read after the caller hung up', async (t) => {
  const { module, called } = held();
  const server = await serve(t, { m: module });
  const client = connect(t, server);
  const controller = new AbortController();
  const call = t.throwsAsync(client.call('m', 'hold', [], { signal: controller.signal }), {
    any: true,
  });
  const given = await called;
  controller.abort();
  await call;
  while (server.stats().connections > 0) await new Promise((resolve) => setTimeout(resolve, 5));
  t.true(given.signal.aborted);
});

test('the signal aborts at the deadline, even if the caller stays', async (t) => {
  const { module, called } = held();
  const server = await serve(t, { m: module });
  const client = connect(t, { url: await stubbornProxy(t, server.port) });
  const call = t.throwsAsync(client.call('m', 'hold', [], { timeout: 1000 }));
  const { signal } = await called;
  t.is((await aborted(signal)).name, 'TimeoutError');
  await call;
});

test('the signal aborts when a closing server ends the call', async (t) => {
  const { module, called } = held();
  const server = await startClearServer(secret, { m: module }, { host: '127.0.0.1', port: 0 });
  const client = connect(t, server);
  const call = t.throwsAsync(client.call('m', 'hold'));
  const { signal } = await called;
  const abortion = aborted(signal);
  await server.close({ timeout: 0 });
  t.is((await abortion).name, 'AbortError');
  await call;
});

test('the signal does not abort after the call has ended', async (t) => {
  const { module, called, release } = held();
  const server = await serve(t, { m: module });
  const client = connect(t, server);
  const call = client.call('m', 'hold', [], { timeout: 60_000 });
  const given = await called;
  const { signal } = given;
  release(1);
  await call;
  await client.close();
  while (server.stats().connections > 0) await new Promise((resolve) => setTimeout(resolve, 5));
  t.false(signal.aborted);
});

async function blockedServer(
  t: ExecutionContext,
): Promise<{ port: number; url: string; release: () => void; connections: () => number }> {
  const server = await startClearServer(
    secret,
    new URL('./support/workers/modules.js', import.meta.url),
    { host: '127.0.0.1', port: 0, workers: 1 },
  );
  const folder = mkdtempSync(join(tmpdir(), 'backwater-context-'));
  const file = join(folder, 'blocked');
  writeFileSync(file, '');
  t.teardown(async () => {
    rmSync(folder, { recursive: true, force: true });
    await server.close({ timeout: 0 });
  });
  const client = connect(t, server, { recvTimeout: Infinity });
  void client.tryCall('work', 'block_while_there_is', [file]);
  while (server.stats().workers[0]!.calls < 1) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return {
    port: server.port,
    url: server.url,
    release: () => rmSync(file),
    connections: () => server.stats().connections,
  };
}

test('a function is not called if its caller hung up before it started', async (t) => {
  const { url, release, connections } = await blockedServer(t);
  const client = connect(t, { url }, { recvTimeout: Infinity });
  const folder = mkdtempSync(join(tmpdir(), 'backwater-context-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const [first, second] = [join(folder, 'first'), join(folder, 'second')];
  const controller = new AbortController();
  const call = client.call('work', 'write', [first], { signal: controller.signal });
  const other = client.call('work', 'write', [second]);
  while (connections() < 3) await new Promise((resolve) => setTimeout(resolve, 5));
  controller.abort();
  await t.throwsAsync(call, { any: true });
  while (connections() > 2) await new Promise((resolve) => setTimeout(resolve, 5));
  release();
  await other;
  t.true(existsSync(second));
  t.false(existsSync(first));
});

test('a function is not called if its deadline passed before it started', async (t) => {
  const { url, port, release, connections } = await blockedServer(t);
  const folder = mkdtempSync(join(tmpdir(), 'backwater-context-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const [first, second] = [join(folder, 'first'), join(folder, 'second')];
  const patient = connect(t, { url: await stubbornProxy(t, port) });
  const call = patient.call('work', 'write', [first], { timeout: 500 });
  while (connections() < 2) await new Promise((resolve) => setTimeout(resolve, 5));
  await t.throwsAsync(call, { any: true });
  // The server counts from the arrival of the request.
  await new Promise((resolve) => setTimeout(resolve, 1000));
  const client = connect(t, { url }, { recvTimeout: Infinity });
  const other = client.call('work', 'write', [second]);
  release();
  await other;
  t.true(existsSync(second));
  t.false(existsSync(first));
});

test('expose.fn refuses invalid and unknown options', (t) => {
  const fn = (_: CallContext, a: number): number => a;
  for (const bad of [{ context: 1 }, { context: 'true' }, { context, contex: true }]) {
    t.throws(() => expose.fn(fn, bad as never), { instanceOf: OptionError });
  }
  for (const arity of [256, -1, [], '1']) {
    t.throws(() => expose.fn(fn, { context, arity } as never), { instanceOf: OptionError });
  }
  const { functions } = createRegistry({
    m: {
      a: expose.fn(fn, { context }),
      b: expose.fn(fn, { context, arity: [0, 255] }),
      c: expose.fn((a: number) => a, { arity: 2 }),
      d: expose.fn((a: number) => a, { arity: 2, context: false } as never),
    },
  });
  t.deepEqual(
    functions.map(({ name, arity, context: wanted }) => [name, arity, wanted]),
    [
      ['a', 1, true],
      ['b', 0, true],
      ['b', 255, true],
      ['c', 2, false],
      ['d', 2, false],
    ],
  );
});
