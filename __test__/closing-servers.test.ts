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
  test(`callers do not notice a server that closes after every ${after}. answer and says so`, async (t) => {
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

test('idempotent calls survive a server that closes after every 20th answer without a word', async (t) => {
  let ran = 0;
  const server = await serve(t, { m: { count: () => ++ran } });
  const proxy = await startClosingProxy(t, { port: server.port, after: 20, abruptly: true });
  const client = connect(t, proxy, { ...PATIENT, idempotent: true });
  await callAll(() => client.call('m', 'count'));
  t.true(ran >= CALLS);
});

test('a connection is not reused once the server is about to close it', async (t) => {
  const server = await serve(t, { m: { f: () => 1 } }, { keepAliveTimeout: 5000 });
  const proxy = await startClosingProxy(t, { port: server.port });
  const client = connect(t, proxy, PATIENT);
  await client.call('m', 'f');
  await new Promise((resolve) => setTimeout(resolve, 4100));
  await client.call('m', 'f');
  t.is((await proxy.report()).connections, 2);
});
