import test from 'ava';
import { OptionError, QueueFullError } from '../src/index.js';
import { connect, serve } from './support/rpc.js';
import { startClosingProxy } from './support/closing.js';
import { eventually } from './support/stalling.js';

test('connections are opened ahead of calls and replaced when they are closed', async (t) => {
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

test('no connections are opened ahead of calls by default', async (t) => {
  const server = await serve(t, { m: { f: () => 1 } });
  const client = connect(t, server);
  t.is(await client.call('m', 'f'), 1);
  t.like(client.stats(), { connections: 1, idle: 1, queued: 0, connectFailures: 0 });
  t.is(server.stats().connections, 1);
});

test('minConnections is at most maxConnections', (t) => {
  const target = { url: 'http://127.0.0.1:1' };
  const limits = { maxConnections: 2, minConnections: 3 };
  const error = t.throws(() => connect(t, target, limits), { instanceOf: OptionError });
  t.is((error as OptionError).option, 'minConnections');
  t.true(error!.message.includes('maxConnections'), error!.message);
});

test('a connection that has come of age is not used again', async (t) => {
  const server = await serve(t, { m: { f: () => 1 } });
  const proxy = await startClosingProxy(t, { port: server.port });
  const client = connect(t, proxy, { maxConnectionAge: 300 });
  await client.call('m', 'f');
  await new Promise((resolve) => setTimeout(resolve, 310));
  await client.call('m', 'f');
  t.is((await proxy.report()).connections, 2);
});

test('as many calls as may wait do, and one more is told so', async (t) => {
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
