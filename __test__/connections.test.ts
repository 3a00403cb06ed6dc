import test from 'ava';
import { OptionError, QueueFullError, type Server } from '../src/index.js';
import { connect, secret, serve } from './support/rpc.js';
import { exchangeRaw, requestBytes, signedRequest } from './support/signing.js';
import { startClosingProxy } from './support/closing.js';
import { eventually } from './support/stalling.js';

test('warm connections are opened before calls and replaced when closed', async (t) => {
  const server = await serve(t, { m: { f: () => 1 } });
  const proxy = await startClosingProxy(t, { port: server.port, after: 1 });
  const client = connect(t, proxy, { minConnections: 3 });
  await eventually('three are open', () => client.stats().idle === 3);
  const accepted = async (count: number): Promise<boolean> =>
    (await proxy.report()).connections === count;
  await eventually('the server has three', () => accepted(3));
  t.is(await client.call('m', 'f'), 1);
  await eventually('the one that was closed is replaced', () => client.stats().idle === 3);
  await eventually(
    'the server has had another',
    async () => (await proxy.report()).connections > 3,
  );
  await client.close();
  t.like(client.stats(), { connections: 0, idle: 0 });
});

test('a client opens no connections before calls by default', async (t) => {
  const server = await serve(t, { m: { f: () => 1 } });
  const client = connect(t, server);
  t.is(await client.call('m', 'f'), 1);
  t.like(client.stats(), { connections: 1, idle: 1, queued: 0, connectFailures: 0 });
  t.is(server.stats().connections, 1);
});

test('minConnections must not exceed maxConnections', (t) => {
  const target = { url: 'http://127.0.0.1:1' };
  const limits = { maxConnections: 2, minConnections: 3 };
  const error = t.throws(() => connect(t, target, limits), { instanceOf: OptionError });
  t.is((error as OptionError).option, 'minConnections');
  t.true(error!.message.includes('maxConnections'), error!.message);
});

test('a connection is not reused after maxConnectionAge', async (t) => {
  const server = await serve(t, { m: { f: () => 1 } });
  const proxy = await startClosingProxy(t, { port: server.port });
  const client = connect(t, proxy, { maxConnectionAge: 300 });
  await client.call('m', 'f');
  await new Promise((resolve) => setTimeout(resolve, 310));
  await client.call('m', 'f');
  t.is((await proxy.report()).connections, 2);
});

for (const [idleTimeout, connections] of [
  [300, 2],
  [300_000, 1],
] as const) {
  // prettier-ignore
  test(`an idleTimeout of ${idleTimeout} ms takes ${connections} connections`, async (t) => {
    const server = await serve(t, { m: { f: () => 1 } });
    const proxy = await startClosingProxy(t, { port: server.port });
    const client = connect(t, proxy, { idleTimeout });
    await client.call('m', 'f');
    await new Promise((resolve) => setTimeout(resolve, 310));
    await client.call('m', 'f');
    t.is((await proxy.report()).connections, connections);
  });
}

test('calls wait in the queue up to its limit, and the next one fails', async (t) => {
  const waiting: (() => void)[] = [];
  const hold = (): Promise<void> => new Promise((resolve) => waiting.push(resolve));
  const server = await serve(t, { m: { hold } });
  const limits = { maxConnections: 2, maxQueuedCalls: 3, recvTimeout: 60_000 };
  const client = connect(t, server, limits);
  const calls = Array.from({ length: 5 }, () => client.call('m', 'hold'));
  await eventually('two are held and three wait', () => {
    return waiting.length === 2 && client.stats().queued === 3;
  });
  t.like(client.stats(), { pending: 5, connections: 2, idle: 0 });
  const error = await t.throwsAsync(client.call('m', 'hold'), { instanceOf: QueueFullError });
  t.like(error, { code: 'ERR_BACKWATER_QUEUE_FULL', option: 'maxQueuedCalls', limit: 3 });
  for (let answered = 0; answered < 5; answered++) {
    await eventually('the next one is held', () => waiting.length > answered);
    waiting[answered]!();
  }
  await Promise.all(calls);
  t.like(client.stats(), { pending: 0, queued: 0, connections: 2, idle: 2 });
});

test('responses say how long an idle connection stays open', async (t) => {
  const told = async (
    server: Server,
    headers: Record<string, string> = {},
    version = 'HTTP/1.1',
    target = '/backwater/1/m/f/0',
  ): Promise<(string | undefined)[]> => {
    const request = requestBytes(signedRequest(secret, { target, headers }));
    const bytes = Buffer.from(request.toString('latin1').replace('HTTP/1.1', version), 'latin1');
    const { answers } = await exchangeRaw(server.port, bytes, 1);
    const received = answers[0]!.headers;
    t.notRegex(received.get('signature') ?? '', /keep-alive|connection/);
    return [received.get('connection'), received.get('keep-alive')];
  };
  const modules = { m: { f: () => 1 } };
  const server = await serve(t, modules);
  t.deepEqual(await told(server), ['keep-alive', 'timeout=65']);
  t.deepEqual(await told(server, { connection: 'keep-alive' }), ['keep-alive', 'timeout=65']);
  t.deepEqual(await told(server, { connection: 'close' }), ['close', undefined]);
  t.deepEqual(await told(server, { connection: 'x, Close' }), ['close', undefined]);
  t.deepEqual(await told(server, {}, 'HTTP/1.1', '/backwater/1/m/none/0'), ['close', undefined]);
  t.is((await told(server, {}, 'HTTP/1.0'))[1], undefined);
  const brief = await serve(t, modules, { keepAliveTimeout: 2999 });
  t.deepEqual(await told(brief), ['keep-alive', 'timeout=2']);
  const briefest = await serve(t, modules, { keepAliveTimeout: 999 });
  t.deepEqual(await told(briefest), ['keep-alive', 'timeout=0']);

  const client = connect(t, server);
  await client.call('m', 'f');
  const closed = server.close({ drainDelay: 600_000 });
  t.deepEqual(await told(server), ['close', undefined]);
  await server.close({ timeout: 0 });
  await closed;
});
