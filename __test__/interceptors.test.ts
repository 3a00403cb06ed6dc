import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import {
  call as callOnce,
  Client,
  ClosedError,
  expose,
  type InterceptedCall,
  type Interceptor,
  OptionError,
  RemoteException,
  TimeoutError,
  tryCall,
  type CallContext,
} from '../src/index.js';
import { connect, PATIENT, secret, serve } from './support/rpc.js';

const modules = {
  m: {
    add: (a: number, b: number) => a + b,
    echo: (value: unknown) => value,
    fail: () => {
      throw new TypeError('no');
    },
    never: () => new Promise(() => {}),
    tenant: expose.fn(({ metadata }: CallContext) => metadata.get('tenant') ?? 'none', {
      context: true,
    }),
    id: expose.fn(({ requestId }: CallContext) => requestId, { context: true }),
  },
};

function noting(notes: string[], name: string): Interceptor {
  return async (call, next) => {
    notes.push(`${name} begins`);
    try {
      return await next(call);
    } finally {
      notes.push(`${name} ends`);
    }
  };
}

test('interceptors wrap calls in order on both sides', async (t) => {
  const notes: string[] = [];
  const server = await serve(t, modules, {
    interceptors: [noting(notes, 'c'), noting(notes, 'd')],
  });
  const client = connect(t, server, { interceptors: [noting(notes, 'a'), noting(notes, 'b')] });
  t.is(await client.call('m', 'add', [1, 2]), 3);
  const begin = ['a begins', 'b begins', 'c begins', 'd begins'];
  t.deepEqual(notes, [...begin, 'd ends', 'c ends', 'b ends', 'a ends']);
});

test('interceptors get the call', async (t) => {
  const seen: InterceptedCall[] = [];
  const look: Interceptor = (call, next) => {
    seen.push({ ...call });
    return next(call);
  };
  const server = await serve(t, modules, { interceptors: [look] });
  const client = connect(t, server, { interceptors: [look], metadata: { tenant: 'acme' } });
  const { signal } = new AbortController();
  const before = Date.now();
  t.is(await client.call('m', 'tenant', [], { timeout: 60_000, signal }), 'acme');
  const [made, served] = seen as [InterceptedCall, InterceptedCall];
  for (const call of seen) {
    t.is(call.module, 'm');
    t.is(call.function, 'tenant');
    t.deepEqual(call.args, []);
    t.deepEqual([...call.metadata], [['tenant', 'acme']]);
    const left = call.deadline!.getTime() - before;
    t.true(left > 10_000 && left < 120_000, String(left));
  }
  t.is(made.side, 'client');
  t.is(made.signal, signal);
  t.deepEqual(made.server, { address: '127.0.0.1', port: server.port });
  t.is(made.context, undefined);
  t.is(served.side, 'server');
  t.is(served.server, undefined);
  t.is(served.context!.peer.address, '127.0.0.1');
  t.is(served.signal, served.context!.signal);
  t.is(served.requestId, made.requestId);
});

test('without limits, the call has no signal and no deadline', async (t) => {
  const server = await serve(t, modules, {
    interceptors: [(call, next) => next({ ...call, args: [call.deadline === undefined] })],
  });
  const look: Interceptor = async (call, next) => {
    t.is(call.signal, undefined);
    t.is(call.deadline, undefined);
    return await next(call);
  };
  const client = connect(t, server, { interceptors: [look] });
  t.is(await client.call('m', 'echo', [0]), true);
});

test('a client interceptor can change the target, the arguments and the result', async (t) => {
  const server = await serve(t, modules);
  const change: Interceptor = async (call, next) => {
    call.function = 'tenant';
    call.args = [];
    call.metadata.set('tenant', 'other');
    return `<${String(await next(call))}>`;
  };
  const args = [1];
  const metadata = new Map([['tenant', 'acme']]);
  const client = connect(t, server, { interceptors: [change] });
  t.is(await client.call('m', 'echo', args, { metadata }), '<other>');
  t.deepEqual(args, [1]);
  t.is(metadata.get('tenant'), 'acme');
});

test('a server interceptor can change arguments, metadata and the result', async (t) => {
  const change: Interceptor = async (call, next) => {
    const metadata = new Map([...call.metadata, ['tenant', 'changed']]);
    const args = call.args.map((arg) => (typeof arg === 'number' ? arg * 10 : arg));
    return [await next({ ...call, args, metadata })];
  };
  const server = await serve(t, modules, { interceptors: [change] });
  const client = connect(t, server);
  t.deepEqual(await client.call('m', 'add', [1, 2]), [30]);
  t.deepEqual(await client.call('m', 'tenant'), ['changed']);
});

test('a server interceptor can change metadata in place', async (t) => {
  const change: Interceptor = (call, next) => {
    call.metadata.set('tenant', 'set');
    return next(call);
  };
  const server = await serve(t, modules, { interceptors: [change] });
  t.is(await connect(t, server).call('m', 'tenant'), 'set');
});

test('a server interceptor cannot change the function or the number of arguments', async (t) => {
  const cases: [Interceptor, RegExp][] = [
    [(call, next) => next({ ...call, args: [1] }), /number of args from 2 to 1.*m:add\/2/],
    [(call, next) => next({ ...call, args: [1, 2, 3] }), /number of args from 2 to 3/],
    [(call, next) => next({ ...call, function: 'fail' }), /redirect a call from m:add\/2/],
    [(call, next) => next({ ...call, module: 'n' }), /redirect a call from m:add\/2/],
    [(_call, next) => next(undefined as never), /'next' takes the call/],
    [(call, next) => next({ ...call, args: 'ab' as never }), /'args' .* takes an array/],
    [(call, next) => next({ ...call, metadata: {} as never }), /'metadata' .* takes a Map/],
    [(call, next) => next({ ...call, trace: 1 as never }), /'trace' .* takes an object/],
  ];
  for (const [interceptor, message] of cases) {
    const server = await serve(t, modules, { interceptors: [interceptor] });
    const error = await t.throwsAsync(connect(t, server).call('m', 'add', [1, 2]));
    t.true(error instanceof RemoteException);
    t.regex(error.message, message);
  }
});

test('a client interceptor gets an OptionError for an invalid call', async (t) => {
  const server = await serve(t, modules);
  const cases: [Interceptor, RegExp][] = [
    [(_call, next) => next(undefined as never), /'next' takes the call/],
    [(call, next) => next({ ...call, module: 7 as never }), /the module's name must be a string/],
    [(call, next) => next({ ...call, function: '' }), /function's name must have 1 to 255/],
    [(call, next) => next({ ...call, args: {} as never }), /'args' .* takes an array/],
    [(call, next) => next({ ...call, signal: 1 as never }), /'signal' takes an AbortSignal/],
    [(call, next) => next({ ...call, deadline: 5 as never }), /'deadline' takes a Date/],
    [(call, next) => next({ ...call, requestId: 'mine' }), /'requestId' must not be changed/],
    [
      (call, next) => next({ ...call, metadata: new Map([['UPPER', 'x']]) }),
      /option 'metadata' has a malformed name/,
    ],
  ];
  for (const [interceptor, message] of cases) {
    const client = connect(t, server, { interceptors: [interceptor] });
    const error = await t.throwsAsync(client.call('m', 'add', [1, 2]));
    t.true(error instanceof OptionError, String(error));
    t.regex(error.message, message);
  }
  t.is(server.stats().calls, 0);
});

test('an interceptor can answer without next, synchronously or asynchronously', async (t) => {
  const cache: Interceptor = (call, next) => {
    if (call.args[0] === 1) return 'cached' as never;
    if (call.args[0] === 2) return Promise.resolve('later');
    return next(call);
  };
  for (const side of ['client', 'server'] as const) {
    const server = await serve(t, modules, side === 'server' ? { interceptors: [cache] } : {});
    const client = connect(t, server, side === 'client' ? { interceptors: [cache] } : {});
    t.is(await client.call('m', 'echo', [1]), 'cached');
    t.is(await client.call('m', 'echo', [2]), 'later');
    t.is(await client.call('m', 'echo', [3]), 3);
    t.is(server.stats().calls, side === 'server' ? 3 : 1);
  }
});

test('calling next twice on the client sends two requests', async (t) => {
  const ids: string[] = [];
  const inner: Interceptor = (call, next) => {
    ids.push(call.requestId);
    return next(call);
  };
  const twice: Interceptor = async (call, next) => [await next(call), await next(call)];
  let runs = 0;
  const counting = { m: { count: () => ++runs, id: modules.m.id } };
  const server = await serve(t, counting);
  const client = connect(t, server, { interceptors: [twice, inner] });
  t.deepEqual(await client.call('m', 'count'), [1, 2]);
  t.is(new Set(ids).size, 2);
  ids.length = 0;
  t.deepEqual(await client.call('m', 'id'), ids);
});

test('calling next twice on the server runs the function twice', async (t) => {
  const twice: Interceptor = async (call, next) => [await next(call), await next(call)];
  let runs = 0;
  const server = await serve(t, { m: { count: () => ++runs } }, { interceptors: [twice] });
  t.deepEqual(await connect(t, server).call('m', 'count'), [1, 2]);
});

test('errors have the identifier that interceptors and the server saw', async (t) => {
  const seen: string[] = [];
  const look: Interceptor = (call, next) => {
    seen.push(call.requestId);
    return next(call);
  };
  const server = await serve(t, modules, { interceptors: [look] });
  const client = connect(t, server, { interceptors: [look] });
  const error = await t.throwsAsync<RemoteException>(client.call('m', 'fail'));
  const late = await t.throwsAsync<TimeoutError>(client.call('m', 'never', [], { timeout: 300 }));
  t.is(seen.length, 4);
  t.deepEqual([...new Set(seen)], [error.requestId, late.requestId]);
});

test('a hanging server interceptor frees its place when the caller leaves', async (t) => {
  let begun!: () => void;
  const begin = new Promise<void>((resolve) => (begun = resolve));
  const hang: Interceptor = () => {
    begun();
    return new Promise(() => {});
  };
  const server = await serve(t, modules, { interceptors: [hang], maxCallsInFlight: 1 });
  const client = connect(t, server);
  const controller = new AbortController();
  const call = client.call('m', 'add', [1, 2], { signal: controller.signal });
  await begin;
  t.like(server.stats(), { pending: 1, abandoned: 0 });
  controller.abort(new Error('enough'));
  await t.throwsAsync(call, { message: 'enough' });
  while (server.stats().abandoned === 0) await sleep(5);
  t.like(server.stats(), { pending: 0, abandoned: 1 });
});

test('interceptors see errors and can throw or replace them', async (t) => {
  const seen: unknown[] = [];
  const watch: Interceptor = async (call, next) => {
    try {
      return await next(call);
    } catch (error) {
      seen.push(error);
      throw error;
    }
  };
  const server = await serve(t, modules, { interceptors: [watch] });
  const client = connect(t, server, { interceptors: [watch] });
  const error = await t.throwsAsync(client.call('m', 'fail'), { instanceOf: RemoteException });
  t.true(seen[0] instanceof TypeError);
  t.is(seen[1], error);

  const refuse: Interceptor = () => {
    throw new RangeError('not today');
  };
  const strict = await serve(t, modules, { interceptors: [refuse] });
  const refused = connect(t, strict, { rethrowRemoteExceptions: true });
  await t.throwsAsync(refused.call('m', 'add', [1, 2]), { name: 'RangeError' });
  const local = connect(t, server, { interceptors: [refuse] });
  await t.throwsAsync(local.call('m', 'add', [1, 2]), { instanceOf: RangeError });
  const fallback = connect(t, server, {
    interceptors: [(call, next) => next(call).catch(() => 'fallback')],
  });
  t.is(await fallback.call('m', 'fail'), 'fallback');
});

test('every way of making calls runs the interceptors', async (t) => {
  const server = await serve(t, modules);
  let count = 0;
  const counting: Interceptor = (call, next) => {
    count++;
    return next(call);
  };
  const client = connect(t, server, { interceptors: [counting] });
  const module = client.module<{ add(a: number, b: number): number }>('m');
  t.is(await module.add(1, 2), 3);
  t.deepEqual(await client.tryCall('m', 'add', [1, 2]), { ok: true, value: 3 });
  t.is(await client.with({ timeout: 60_000 }).call('m', 'add', [1, 2]), 3);
  t.is(await client.with({}).module<typeof module>('m').add(1, 2), 3);
  const target = { url: server.url, secret, ...PATIENT, interceptors: [counting] };
  t.is(await callOnce(target, 'm', 'add', [1, 2]), 3);
  t.deepEqual(await tryCall(target, 'm', 'add', [1, 2]), { ok: true, value: 3 });
  t.is(count, 6);
});

test('one-shot calls with different interceptors share a client', async (t) => {
  const server = await serve(t, modules);
  for (let round = 0; round < 5; round++) {
    const interceptors: Interceptor[] = [async (call, next) => [round, await next(call)]];
    const target = { url: server.url, secret, ...PATIENT, interceptors };
    t.deepEqual(await callOnce(target, 'm', 'add', [1, 2]), [round, 3]);
  }
  t.is(server.stats().connections, 1);
});

test('a client copies the list of interceptors', async (t) => {
  const server = await serve(t, modules);
  const interceptors: Interceptor[] = [async (call, next) => [await next(call)]];
  const client = connect(t, server, { interceptors });
  interceptors.push(async () => 'never');
  t.deepEqual(await client.call('m', 'add', [1, 2]), [3]);
});

test('an option that is not a list of functions is refused', async (t) => {
  const wrong: unknown[] = [() => {}, [1], [async () => {}, undefined], {}, 'log'];
  for (const interceptors of wrong) {
    const options = { interceptors } as never;
    const check = { instanceOf: OptionError, message: /option 'interceptors' takes a list/ };
    t.throws(
      () => new Client({ url: 'http://127.0.0.1:1', secret, ...(options as object) }),
      check,
    );
    await t.throwsAsync(serve(t, modules, options), check);
  }
  const server = await serve(t, modules, { interceptors: [] });
  t.is(await connect(t, server, { interceptors: [] }).call('m', 'add', [1, 2]), 3);
});

test('the timeout, deadline and signal end a hanging interceptor', async (t) => {
  const server = await serve(t, modules);
  const before: Interceptor = () => new Promise(() => {});
  const after: Interceptor = async (call, next) => {
    await next(call);
    return await new Promise(() => {});
  };
  for (const interceptor of [before, after]) {
    const client = connect(t, server, { interceptors: [interceptor] });
    const timed = await t.throwsAsync(client.call('m', 'add', [1, 2], { timeout: 50 }));
    t.true(timed instanceof TimeoutError);
    t.like(timed, { option: 'timeout', limit: 50, phase: 'interceptors' });
    t.regex(timed.message, /an interceptor has not settled/);
    const late = await t.throwsAsync(
      client.call('m', 'add', [1, 2], { deadline: Date.now() + 50 }),
    );
    t.like(late, { option: 'deadline', phase: 'interceptors' });
    const controller = new AbortController();
    const aborted = client.call('m', 'add', [1, 2], { signal: controller.signal });
    setTimeout(() => controller.abort(new Error('enough')), 20);
    await t.throwsAsync(aborted, { message: 'enough' });
  }
});

test('a call that is interrupted twice settles once and leaves no unhandled rejection', async (t) => {
  const server = await serve(t, modules);
  const client = connect(t, server, { interceptors: [() => new Promise(() => {})] });
  const listeners: (() => void)[] = [];
  const signal = {
    aborted: false,
    reason: new Error('enough'),
    addEventListener: (_type: string, listener: () => void) => void listeners.push(listener),
    removeEventListener: () => {},
  };
  const call = client.call('m', 'add', [1, 2], { signal });
  for (const listener of [...listeners, ...listeners]) listener();
  await t.throwsAsync(call, { message: 'enough' });
});

test("the time that interceptors take is subtracted from the request's", async (t) => {
  const server = await serve(t, modules);
  const slow: Interceptor = async (call, next) => {
    await sleep(100);
    return await next(call);
  };
  const client = connect(t, server, { interceptors: [slow] });
  const error = await t.throwsAsync<TimeoutError>(client.call('m', 'never', [], { timeout: 3000 }));
  t.like(error, { phase: 'wait', option: 'timeout', limit: 3000 });
  t.true(error.times.wait < 2950, String(error.times.wait));
});

test('an interceptor can handle a timeout', async (t) => {
  const server = await serve(t, modules);
  const fallback: Interceptor = (call, next) => next(call).catch(() => 'fallback');
  const client = connect(t, server, { interceptors: [fallback] });
  t.is(await client.call('m', 'never', [], { timeout: 100 }), 'fallback');
});

test('an interceptor can shorten the time of a request but not extend it', async (t) => {
  const server = await serve(t, modules);
  const shorten: Interceptor = async (call, next) => {
    try {
      return await next({ ...call, deadline: new Date(Date.now() + 50) });
    } catch (error) {
      return (error as TimeoutError).option;
    }
  };
  const client = connect(t, server, { interceptors: [shorten] });
  t.is(await client.call('m', 'never', [], { timeout: 60_000 }), 'deadline');
  const extend: Interceptor = (call, next) =>
    next({ ...call, deadline: new Date(Date.now() + 60_000) });
  const extending = connect(t, server, { interceptors: [extend] });
  const error = await t.throwsAsync(extending.call('m', 'never', [], { timeout: 50 }));
  t.like(error, { option: 'timeout', limit: 50 });
});

test('an interceptor can abort a request with its own signal', async (t) => {
  const server = await serve(t, modules);
  const impatient: Interceptor = async (call, next) => {
    const controller = new AbortController();
    setTimeout(() => controller.abort(new Error('mine')), 20);
    try {
      return await next({ ...call, signal: controller.signal });
    } catch (error) {
      return (error as Error).message;
    }
  };
  const client = connect(t, server, { interceptors: [impatient] });
  t.is(await client.call('m', 'never'), 'mine');
});

test('interceptors do not run for a call that is already aborted', async (t) => {
  const server = await serve(t, modules);
  const client = connect(t, server, { interceptors: [() => Promise.resolve(t.fail())] });
  await t.throwsAsync(client.call('m', 'add', [1, 2], { signal: AbortSignal.abort(Error('no')) }));
  await t.throwsAsync(client.call('m', 'add', [1, 2], { deadline: Date.now() - 1 }));
});

test('close waits for interceptors, which can still send requests', async (t) => {
  const server = await serve(t, modules);
  let release!: () => void;
  const gate = new Promise<void>((resolve) => (release = resolve));
  const wait: Interceptor = async (call, next) => {
    await gate;
    return await next(call);
  };
  const client = connect(t, server, { interceptors: [wait] });
  const call = client.call('m', 'add', [1, 2]);
  const closing = client.close();
  await t.throwsAsync(client.call('m', 'add', [1, 2]), { instanceOf: ClosedError });
  release();
  t.is(await call, 3);
  await closing;
});

test('next rejects with a ClosedError after the client is closed', async (t) => {
  const server = await serve(t, modules);
  let late!: () => Promise<unknown>;
  const keep: Interceptor = async (call, next) => {
    late = () => next(call);
    return await next(call);
  };
  const client = connect(t, server, { interceptors: [keep] });
  await client.call('m', 'add', [1, 2]);
  t.is(await late(), 3);
  await client.close();
  await t.throwsAsync(late(), { instanceOf: ClosedError });
});

test('a function does not start if its caller left while interceptors ran', async (t) => {
  let ran = false;
  let ended!: (error: unknown) => void;
  const end = new Promise((resolve) => (ended = resolve));
  let begun!: () => void;
  const begin = new Promise<void>((resolve) => (begun = resolve));
  const slow: Interceptor = async (call, next) => {
    begun();
    await new Promise((resolve) => call.signal!.addEventListener('abort', resolve));
    try {
      return await next(call);
    } catch (error) {
      ended(error);
      throw error;
    }
  };
  const server = await serve(t, { m: { f: () => (ran = true) } }, { interceptors: [slow] });
  const controller = new AbortController();
  const call = connect(t, server).call('m', 'f', [], { signal: controller.signal });
  await begin;
  controller.abort(new Error('gone'));
  await t.throwsAsync(call, { message: 'gone' });
  t.is(((await end) as Error).name, 'AbortError');
  t.false(ran);
});

test('stacks lead to the code that awaits the call', async (t) => {
  const server = await serve(t, modules);
  const client = connect(t, server, { interceptors: [(call, next) => next(call)] });
  async function awaitsTheCall(): Promise<void> {
    await client.call('m', 'missing');
  }
  const error = await t.throwsAsync(awaitsTheCall());
  t.regex(error.stack!, /awaitsTheCall/);
});
