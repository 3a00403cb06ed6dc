import test from 'ava';
import { connect, serve } from './support/rpc.js';
import { type ClosingPlan, startClosingProxy } from './support/closing.js';

const CALLS = 600;

const plans: readonly (readonly [what: string, plan: Omit<ClosingPlan, 'port'>])[] = [
  1, 7, 200,
].flatMap((after) => [
  [`after every ${after}. answer, announced`, { after, announced: true }] as const,
  [`after every ${after}. answer`, { after, abruptly: true }] as const,
]);

for (const [what, plan] of plans) {
  test(`nobody sees a server that closes ${what}`, async (t) => {
    let ran = 0;
    const server = await serve(t, { m: { count: () => ++ran } });
    const proxy = await startClosingProxy(t, { port: server.port, ...plan });
    const client = connect(t, proxy, { recvTimeout: 60_000, connectTimeout: 60_000 });
    let started = 0;
    const worker = async (): Promise<void> => {
      while (started < CALLS) {
        started++;
        await client.call('m', 'count');
      }
    };
    await Promise.all(Array.from({ length: 8 }, worker));
    // Each call has run, and none twice.
    t.is(ran, CALLS);
    const { connections, requests } = await proxy.report();
    t.is(requests, CALLS);
    t.true(connections >= CALLS / plan.after!, `${connections} connections`);
  });
}

test('nobody sees a server that closes idle connections just when the next call comes', async (t) => {
  let ran = 0;
  const server = await serve(t, { m: { count: () => ++ran } });
  const proxy = await startClosingProxy(t, { port: server.port, idle: 60, abruptly: true });
  const client = connect(t, proxy, { recvTimeout: 60_000, connectTimeout: 60_000 });
  for (let call = 0; call < 60; call++) {
    await client.call('m', 'count');
    // From a little too early to a little too late.
    await new Promise((resolve) => setTimeout(resolve, 57 + (call % 6)));
  }
  t.is(ran, 60);
  t.is((await proxy.report()).requests, 60);
});
