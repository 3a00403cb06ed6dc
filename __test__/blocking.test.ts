import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import test, { type ExecutionContext } from 'ava';
import { RemoteError, TimeoutError } from '../src/index.js';
import type { BlockingData, BlockingMessage } from './support/blocking-worker.js';
import { connect, secret, serve } from './support/rpc.js';
import { exchangeRaw, requestBytes, signedRequest } from './support/signing.js';

// Calls while the JavaScript thread of one side is blocked for ten seconds. Other threads enforce
// all limits.

async function start(t: ExecutionContext): Promise<{
  small: string;
  large: string;
  ask(request: 'call' | 'pending' | 'end'): void;
  told<Type extends BlockingMessage['type']>(
    type: Type,
  ): Promise<Extract<BlockingMessage, { type: Type }>>;
  release(): void;
}> {
  const own = await serve(t, { m: { quick: () => 'quick', never: () => new Promise(() => {}) } });
  const signal = new Int32Array(new SharedArrayBuffer(8));
  const worker = new Worker(new URL('./support/blocking-worker.js', import.meta.url), {
    workerData: { url: own.url, signal } satisfies BlockingData,
  });
  const release = (): void => {
    Atomics.store(signal, 1, 1);
    Atomics.notify(signal, 1);
  };
  t.teardown(async () => {
    release();
    worker.postMessage('end');
    await once(worker, 'exit');
  });
  const told = async <Type extends BlockingMessage['type']>(
    type: Type,
  ): Promise<Extract<BlockingMessage, { type: Type }>> => {
    for (;;) {
      const [message] = (await once(worker, 'message')) as [BlockingMessage];
      if (message.type === type) return message as Extract<BlockingMessage, { type: Type }>;
    }
  };
  const { small, large } = await told('ready');
  return { small, large, ask: (request) => worker.postMessage(request), told, release };
}

test('a function that blocks its thread for ten seconds delays calls but no limit', async (t) => {
  const { small, large, ask, told, release } = await start(t);
  const toSmall = connect(t, { url: small });
  const toLarge = connect(t, { url: large });
  await toLarge.call('m', 'quick');

  const begun = told('blocked');
  let isBlocked = true;
  const block = toSmall.call('m', 'block').finally(() => (isBlocked = false));
  await begun;

  const late = await Promise.all(
    Array.from({ length: 5 }, () => toLarge.tryCall('m', 'quick', [], { recvTimeout: 300 })),
  );
  for (const { ok, error } of late.map((each) => ({ error: undefined, ...each }))) {
    t.false(ok);
    t.true(error instanceof TimeoutError, String(error));
  }
  const many = Array.from({ length: 6 }, () => toSmall.tryCall('m', 'quick'));
  const refused: unknown[] = [];
  for (const call of many) void call.then((each) => each.ok || refused.push(each.error));
  while (refused.length < 3) await new Promise(setImmediate);
  for (const error of refused) t.is((error as RemoteError).httpStatus, 503);
  const port = Number(new URL(large).port);
  const forged = requestBytes(signedRequest('another secret, of thirty-two bytes'));
  t.is((await exchangeRaw(port, forged)).answers[0]?.status, 401);
  const half = requestBytes(signedRequest(secret, { target: '/backwater/1/m/quick/0' }));
  const [unfinished] = (await exchangeRaw(port, half.subarray(0, -1))).answers;
  t.is(unfinished?.status, 408);
  t.true(unfinished?.headers.has('signature'));
  t.is((await fetch(`${large}/health`)).status, 200);
  t.true(isBlocked);

  release();
  t.is(await block, 'done');
  const others = (await Promise.all(many)).filter(({ ok }) => ok);
  t.deepEqual(others, Array(3).fill({ ok: true, value: 'quick' }));
  for (const client of [toSmall, toLarge]) t.is(await client.call('m', 'quick'), 'quick');
  const pending = told('pending');
  ask('pending');
  t.is((await pending).calls, 0);
});

test('a caller that blocks its thread for ten seconds gets the answers that arrived meanwhile', async (t) => {
  const { ask, told, release } = await start(t);
  const called = told('called');
  ask('call');
  release();
  const { outcomes, next } = await called;
  t.deepEqual(outcomes, ['TimeoutError', ...Array<string>(5).fill('quick')]);
  t.is(next, 'quick');
  const pending = told('pending');
  ask('pending');
  t.is((await pending).calls, 0);
});
