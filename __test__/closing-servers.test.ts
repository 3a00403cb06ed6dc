import test from 'ava';
import { connect, serve } from './support/rpc.js';
import { startClosingProxy } from './support/closing.js';

const CALLS = 600;
const PATIENT = { recvTimeout: 60_000, connectTimeout: 60_000 };

async function callAll(call: () => Promise<unknown>): Promise<void> {
  let started = 0;
  const worker = async (): Promise<void> => {
    while (started < CALLS) {
      started++;
      await call();
    }
  };
  await Promise.all(Array.from({ length: 8 }, worker));
}

for (const after of [1, 7, 200]) {
  test(`a server that announces when it closes fails no call (answers per connection: ${after})`, async (t) => {
    let ran = 0;
    const server = await serve(t, { m: { count: () => ++ran } });
    const proxy = await startClosingProxy(t, { port: server.port, after, announced: true });
    const client = connect(t, proxy, PATIENT);
    await callAll(() => client.call('m', 'count'));
    t.is(ran, CALLS);
    const { connections, requests } = await proxy.report();
    t.is(requests, CALLS);
    t.true(connections >= CALLS / after, `${connections} connections`);
  });
}

test('a server that closes unannounced after every 20th answer fails no idempotent call', async (t) => {
  let ran = 0;
  const server = await serve(t, { m: { count: () => ++ran } });
  const proxy = await startClosingProxy(t, { port: server.port, after: 20, abruptly: true });
  const client = connect(t, proxy, { ...PATIENT, idempotent: true });
  await callAll(() => client.call('m', 'count'));
  t.true(ran >= CALLS);
});

test('a client does not reuse a connection that the server is about to close', async (t) => {
  const server = await serve(t, { m: { f: () => 1 } }, { keepAliveTimeout: 5000 });
  const proxy = await startClosingProxy(t, { port: server.port });
  const client = connect(t, proxy, PATIENT);
  await client.call('m', 'f');
  await new Promise((resolve) => setTimeout(resolve, 4100));
  await client.call('m', 'f');
  t.is((await proxy.report()).connections, 2);
});
