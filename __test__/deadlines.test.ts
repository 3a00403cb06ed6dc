import { spawn } from 'node:child_process';
import { getEventListeners } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { runInNewContext } from 'node:vm';
import test, { type ExecutionContext } from 'ava';
import {
  Client,
  expose,
  OptionError,
  TimeoutError,
  encodeRequest,
  type CallContext,
  type Interceptor,
} from '../src/index.js';
import { connect, secret, serve } from './support/rpc.js';

const context = true;
const modules = {
  m: {
    add: (a: number, b: number) => a + b,
    never: () => new Promise(() => {}),
    deadline: expose.fn((given: CallContext) => given.deadline?.getTime() ?? 0, { context }),
    metadata: expose.fn(({ metadata }: CallContext) => [...metadata].flat(), { context }),
  },
};

const foreign = (time: number): Date => runInNewContext('new Date(time)', { time }) as Date;

test('a deadline can be a Date or a number and is sent to the server', async (t) => {
  const server = await serve(t, modules);
  const client = connect(t, server);
  const time = Date.now() + 60_000;
  for (const deadline of [new Date(time), time, time + 0.5, foreign(time)]) {
    const seen = await client.call<number>('m', 'deadline', [], { deadline });
    t.true(Math.abs(seen - time) < 30_000, String(seen - time));
  }
  t.is(await client.call('m', 'deadline'), 0);
  t.is(await client.call('m', 'add', [1, 2], { deadline: new Date(8.64e15) }), 3);
});

test('a call ends at its deadline, and the error names it', async (t) => {
  const server = await serve(t, modules);
  const client = connect(t, server);
  const error = await t.throwsAsync(
    client.call('m', 'never', [], { deadline: new Date(Date.now() + 60) }),
    { instanceOf: TimeoutError },
  );
  t.is(error.option, 'deadline');
  t.is(error.host, '127.0.0.1');
  t.is(error.port, server.port);
  t.true(error.limit > 0 && error.limit <= 61, String(error.limit));
  t.regex(error.message, /option deadline/);
});

test('the earlier of timeout and deadline applies', async (t) => {
  const server = await serve(t, modules);
  const client = connect(t, server, { timeout: 60 });
  const far = Date.now() + 60_000;
  const error = await t.throwsAsync(client.call('m', 'never', [], { deadline: far }));
  t.like(error, { option: 'timeout', limit: 60 });
  const near = await t.throwsAsync(
    client.call('m', 'never', [], { timeout: 60_000, deadline: Date.now() + 50 }),
  );
  t.like(near, { option: 'deadline' });
});

test('nothing is sent after the deadline', async (t) => {
  const server = await serve(t, modules);
  const client = connect(t, server);
  for (const deadline of [new Date(0), 0, Date.now() - 1, new Date(Date.now() - 60_000)]) {
    const error = await t.throwsAsync(client.call('m', 'add', [1, 2], { deadline }));
    t.true(error instanceof TimeoutError);
    t.like(error, { option: 'deadline', phase: 'queued', limit: 0 });
  }
  t.is(client.stats().calls, 0);
  t.is(server.stats().calls, 0);
});

test('an invalid deadline or parent is refused', async (t) => {
  const client = new Client({ url: 'http://127.0.0.1:1', secret });
  for (const deadline of [new Date(NaN), NaN, Infinity, '2030-01-01', {}, 5n]) {
    await t.throwsAsync(client.call('m', 'f', [], { deadline: deadline as never }), {
      instanceOf: OptionError,
      message: /option 'deadline' takes a valid Date, or milliseconds since 1970/,
    });
  }
  const wrong = [{}, 'context', 7, { signal: 1 }, { deadline: 'soon' }, new Map()];
  for (const parent of wrong) {
    await t.throwsAsync(client.call('m', 'f', [], { parent: parent as never }), {
      instanceOf: OptionError,
      message: /option 'parent' takes the context of the call/,
    });
  }
  t.throws(() => new Client({ url: 'http://127.0.0.1:1', secret, deadline: 1 } as never), {
    message: /unknown option 'deadline' of the client/,
  });
  await client.close();
});

test('the deadline of a parent limits the call', async (t) => {
  const server = await serve(t, modules);
  const client = connect(t, server);
  const { signal } = new AbortController();
  const parent = { signal, deadline: new Date(Date.now() + 60) };
  const error = await t.throwsAsync(client.call('m', 'never', [], { parent }));
  t.like(error, { option: 'parent' });
  const both = { parent: { deadline: new Date(Date.now() + 60_000) }, deadline: Date.now() + 50 };
  t.like(await t.throwsAsync(client.call('m', 'never', [], both)), { option: 'deadline' });
  const shorter = { parent: { deadline: new Date(Date.now() + 60_000) }, timeout: 50 };
  t.like(await t.throwsAsync(client.call('m', 'never', [], shorter)), { option: 'timeout' });
});

test('the signals of the parent and of the call both abort it, and their listeners are removed', async (t) => {
  const server = await serve(t, modules);
  const pass: Interceptor = (call, next) => next(call);
  for (const interceptors of [[], [pass]]) {
    const client = connect(t, server, { interceptors });
    for (const which of ['own', 'parent'] as const) {
      const controllers = { own: new AbortController(), parent: new AbortController() };
      const parent = { signal: controllers.parent.signal };
      const { signal } = controllers.own;
      const call = client.call('m', 'never', [], { parent, signal });
      setTimeout(() => controllers[which].abort(new Error(which)), 20);
      await t.throwsAsync(call, { message: which });
      t.is(await client.call('m', 'add', [1, 2], { parent: { deadline: Date.now() + 60_000 } }), 3);
      const other = controllers[which === 'own' ? 'parent' : 'own'].signal;
      t.is(getEventListeners(other, 'abort').length, 0);
      await t.throwsAsync(client.call('m', 'add', [1, 2], { parent, signal }), { message: which });
    }
  }
});

test('encodeRequest accepts a deadline and a parent', (t) => {
  const target = { url: 'http://127.0.0.1:1', secret };
  const { headers } = encodeRequest(target, 'm', 'f', [], { deadline: Date.now() + 60_000 });
  const timeout = Number(headers['x-backwater-timeout']);
  t.true(timeout > 30_000 && timeout <= 60_000, String(timeout));
  t.throws(() => encodeRequest(target, 'm', 'f', [], { deadline: 0 }), {
    instanceOf: TimeoutError,
  });
});

test('with() returns a view with other defaults', async (t) => {
  const server = await serve(t, modules);
  const client = connect(t, server, { metadata: { a: '1', b: '1' } });
  const view = client.with({ timeout: 50, metadata: { b: '2' } });
  const nested = view.with({ metadata: { c: '3' } });
  t.like(await t.throwsAsync(view.call('m', 'never')), { option: 'timeout', limit: 50 });
  t.like(await t.throwsAsync(nested.call('m', 'never')), { option: 'timeout', limit: 50 });
  t.deepEqual(await view.with({ timeout: 60_000 }).call('m', 'metadata'), ['a', '1', 'b', '2']);
  const patient = nested.with({ timeout: 60_000 });
  t.deepEqual(await patient.call('m', 'metadata'), ['a', '1', 'b', '2', 'c', '3']);
  const module = patient.module<{ add(a: number, b: number): number }>('m');
  t.is(await module.add(1, 2), 3);
  t.deepEqual(await patient.tryCall('m', 'add', [1, 2]), { ok: true, value: 3 });
  t.is(await view.call('m', 'add', [1, 2], { timeout: 60_000 }), 3);
  t.deepEqual(await client.call('m', 'metadata'), ['a', '1', 'b', '1']);
  t.is(server.stats().connections, client.stats().connections);
  t.throws(() => client.with({ timeuot: 5 } as never), { instanceOf: OptionError });
  t.false('close' in view);
});

test('a view may have a signal, a deadline or a parent', async (t) => {
  const server = await serve(t, modules);
  const client = connect(t, server);
  const controller = new AbortController();
  const { signal } = controller;
  const call = client.with({ signal }).call('m', 'never');
  const child = client.with({ parent: { signal } }).call('m', 'never');
  setTimeout(() => controller.abort(new Error('enough')), 20);
  await t.throwsAsync(call, { message: 'enough' });
  await t.throwsAsync(child, { message: 'enough' });
  const view = client.with({ deadline: Date.now() + 60_000 });
  t.is(await view.call('m', 'add', [1, 2]), 3);
  const late = client.with({ deadline: Date.now() - 1 });
  await t.throwsAsync(late.call('m', 'add', [1, 2]), { instanceOf: TimeoutError });
});

interface Relay {
  readonly url: string;
  next(): Promise<Record<string, unknown>>;
}

async function startRelay(t: ExecutionContext, next?: string): Promise<Relay> {
  const script = join(import.meta.dirname, 'support', 'relay-child.js');
  const child = spawn(process.execPath, [script, ...(next === undefined ? [] : [next])], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  t.teardown(() => child.kill());
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const read = async (): Promise<Record<string, unknown>> =>
    JSON.parse(String((await lines.next()).value)) as Record<string, unknown>;
  return { url: String((await read())['url']), next: read };
}

for (const how of ['aborts', 'runs out of time'] as const) {
  test(`when the first of three chained callers ${how}, the last function's signal aborts`, async (t) => {
    const last = await startRelay(t);
    const middle = await startRelay(t, last.url);
    const first = await startRelay(t, middle.url);
    const client = connect(
      t,
      { url: first.url },
      { secret: 'a secret of more than thirty-two bytes' },
    );
    const controller = new AbortController();
    const options = how === 'aborts' ? { signal: controller.signal } : { timeout: 2_000 };
    const call = client.call('relay', 'hold', [], options);
    const settled = t.throwsAsync(call);
    for (const relay of how === 'aborts' ? [first, middle, last] : []) {
      t.deepEqual(await relay.next(), { begun: false });
    }
    controller.abort(new Error('enough'));
    if (how === 'aborts') {
      t.is((await settled)?.message, 'enough');
      for (const relay of [first, middle, last]) {
        t.deepEqual(await relay.next(), { aborted: 'AbortError' });
      }
    } else {
      t.true((await settled) instanceof TimeoutError);
      for (const relay of [first, middle, last]) {
        t.deepEqual(await relay.next(), { begun: true });
        t.regex(String((await relay.next())['aborted']), /^(Timeout|Abort)Error$/);
      }
    }
  });
}
