import { getEventListeners } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import {
  atom,
  call,
  Client,
  ClosedError,
  ConnectError,
  encode,
  expose,
  isTuple,
  OptionError,
  raise,
  RemoteError,
  RemoteException,
  ResponseAuthenticationError,
  ResponseError,
  startClearServer,
  TermError,
  TimeoutError,
  tryCall,
  tuple,
} from '../src/index.js';
import { connect, PATIENT, secret, serve } from './support/rpc.js';
import { root } from './support/vectors.js';

test('a call returns the result of the function', async (t) => {
  const server = await serve(t, { string: { to_upper: (text: string) => text.toUpperCase() } });
  const client = connect(t, server);
  t.is(await client.call('string', 'to_upper', ['hello']), 'HELLO');
  t.is(server.url, `http://127.0.0.1:${server.port}`);
});

test('url may have any form', async (t) => {
  const server = await serve(t, { m: { f: () => 1 } });
  for (const url of [server.url, new URL(server.url), `127.0.0.1:${server.port}`]) {
    const client = new Client({ url, secret, ...PATIENT });
    t.is(await client.call('m', 'f'), 1);
    await client.close();
  }
});

test('functions may be asynchronous, and many calls run concurrently', async (t) => {
  const server = await serve(t, {
    slow: {
      later: async (value: number) => {
        await new Promise((resolve) => setTimeout(resolve, value % 7));
        return value;
      },
    },
  });
  const client = connect(t, server);
  const numbers = Array.from({ length: 500 }, (_, index) => index);
  t.deepEqual(await Promise.all(numbers.map((n) => client.call('slow', 'later', [n]))), numbers);
  t.like(client.stats(), { pending: 0, calls: 500 });
  t.like(server.stats(), { pending: 0, calls: 500 });
});

for (const name of ['twitter', 'citm', 'canada']) {
  test(`the terms of ${name}.json survive a call`, async (t) => {
    const server = await serve(t, { echo: { it: (value: unknown) => value } });
    const client = connect(t, server);
    const document: unknown = JSON.parse(
      readFileSync(join(root, 'examples', 'data', `${name}.json`), 'utf8'),
    );
    t.deepEqual(await client.call('echo', 'it', [document]), document as never);
  });
}

test('the arity selects the function, and unknown functions are not found', async (t) => {
  const server = await serve(t, {
    math: {
      negate: (n: number) => -n,
      sum: expose.fn((...all: number[]) => all.reduce((a, b) => a + b, 0), { arity: [0, 3] }),
    },
  });
  const client = connect(t, server);
  t.is(await client.call('math', 'negate', [2]), -2);
  t.is(await client.call('math', 'sum', []), 0);
  t.is(await client.call('math', 'sum', [1, 2, 3]), 6);
  for (const [module, fn, args, status, httpStatus, reason] of [
    ['math', 'negate', [1, 2], 'not_found', 404, 'function_not_found'],
    ['math', 'sum', [1], 'not_found', 404, 'function_not_found'],
    ['math', 'toString', [], 'not_found', 404, 'function_not_found'],
    ['math', 'constructor', [1], 'not_found', 404, 'function_not_found'],
    ['nothing', 'f', [], 'forbidden', 403, ''],
    ['__proto__', 'toString', [], 'forbidden', 403, ''],
  ] as const) {
    const error = await t.throwsAsync(client.call(module, fn, args), { instanceOf: RemoteError });
    t.like(error, { status, httpStatus, reason, code: 'ERR_BACKWATER_REMOTE' });
    t.true(error!.message.includes(`the call to ${module}:${fn}/${args.length}: ${httpStatus}`));
  }
});

test('names may contain any characters', async (t) => {
  const server = await serve(t, { 'a/b ü%': { '日?#': () => 'found' } });
  t.is(await connect(t, server).call('a/b ü%', '日?#', []), 'found');
});

test('typed modules call their functions', async (t) => {
  const strings = { to_upper: (text: string) => text.toUpperCase(), version: '1' };
  const server = await serve(t, { string: { to_upper: strings.to_upper } });
  const remote = connect(t, server).module<typeof strings>('string');
  const upper: string = await remote.to_upper('hello');
  t.is(upper, 'HELLO');
  t.is(await Promise.resolve(remote), remote);
});

test('call and tryCall work without a client', async (t) => {
  const server = await serve(t, { m: { f: (n: number) => n + 1 } });
  const target = { url: server.url, secret, ...PATIENT };
  t.is(await call(target, 'm', 'f', [1]), 2);
  t.deepEqual(await tryCall(target, 'm', 'f', [2]), { ok: true, value: 3 });
  const failed = await tryCall(target, 'm', 'g', []);
  t.false(failed.ok);
  t.true(!failed.ok && failed.error instanceof RemoteError);
});

test('an error thrown by a function reaches the caller with its stack', async (t) => {
  const server = await serve(t, {
    bank: {
      withdraw: (amount: number) => {
        throw Object.assign(new TypeError(`no ${amount}`), { code: 'E_NO' });
      },
      reject: () => Promise.reject(new Error('later')),
    },
  });
  const client = connect(t, server);
  const error = await t.throwsAsync(client.call('bank', 'withdraw', [5]), {
    instanceOf: RemoteException,
  });
  t.is(error!.class, 'error');
  t.true(isTuple(error!.reason, atom('js_error'), 2));
  t.deepEqual((error!.reason as unknown[])[1], {
    name: 'TypeError',
    message: 'no 5',
    code: 'E_NO',
  });
  const [frame] = error!.stacktrace as unknown[][];
  t.true(isTuple(frame));
  t.is(frame!.length, 4);
  t.is(frame![1], atom('withdraw'));
  const again = await t.throwsAsync(
    client.call('bank', 'withdraw', [5], { rethrowRemoteExceptions: true }),
    { instanceOf: TypeError, message: 'no 5' },
  );
  t.is((again as Error & { code?: string }).code, 'E_NO');
  await t.throwsAsync(client.call('bank', 'reject', []), { instanceOf: RemoteException });
});

test('thrown terms and raise reach the caller as exceptions', async (t) => {
  const server = await serve(t, {
    m: {
      throws: () => {
        throw tuple(atom('oops'), 1);
      },
      exits: () => raise('exit', atom('normal')),
      errors: () => raise('error', tuple(atom('bad'), 'x')),
      nothing: () => {
        throw undefined;
      },
    },
  });
  const client = connect(t, server);
  for (const [fn, kind, reason] of [
    ['throws', 'throw', tuple(atom('oops'), 1)],
    ['exits', 'exit', atom('normal')],
    ['errors', 'error', tuple(atom('bad'), 'x')],
    ['nothing', 'throw', undefined],
  ] as const) {
    const error = await t.throwsAsync(client.call('m', fn), { instanceOf: RemoteException });
    t.is(error!.class, kind);
    t.deepEqual(error!.reason, reason as never);
  }
  const thrown = await client
    .call('m', 'throws', [], { rethrowRemoteExceptions: true })
    .catch((term: unknown) => term);
  t.deepEqual(thrown, tuple(atom('oops'), 1));
});

test('returnExceptionStacktraces: false hides stacks', async (t) => {
  const server = await serve(
    t,
    { m: { f: () => Promise.reject(new Error('x')) } },
    { returnExceptionStacktraces: false },
  );
  const error = await t.throwsAsync(connect(t, server).call('m', 'f'), {
    instanceOf: RemoteException,
  });
  t.deepEqual(error!.stacktrace, []);
});

test('the server answers and stays up whatever a function does', async (t) => {
  const server = await serve(t, {
    m: {
      unencodable: () => () => 1,
      symbol: () => {
        throw Symbol('s');
      },
      hostile: () => {
        throw Object.defineProperty(new Error('x'), 'message', {
          get() {
            throw new Error('getter');
          },
        });
      },
      then: () => ({
        get then() {
          throw new Error('then');
        },
      }),
      twice: () => ({
        then(resolve: (value: number) => void, reject: (error: Error) => void) {
          resolve(1);
          reject(new Error('second'));
          resolve(2);
        },
      }),
      fine: () => 'ok',
    },
  });
  const client = connect(t, server);
  for (const fn of ['unencodable', 'symbol', 'hostile', 'then']) {
    await t.throwsAsync(client.call('m', fn), { instanceOf: RemoteException }, fn);
  }
  t.is(await client.call('m', 'twice'), 1);
  t.is(await client.call('m', 'fine'), 'ok');
});

test('a value that is not a term is refused before sending', async (t) => {
  let calls = 0;
  const server = await serve(t, { m: { f: (_: unknown) => ++calls } });
  const client = connect(t, server);
  const error = await t.throwsAsync(client.call('m', 'f', [{ user: { born: new Date() } }]), {
    instanceOf: TermError,
  });
  t.regex(error!.message, /args\[0\]\.user\.born/);
  t.is(calls, 0);
  t.is(await client.call('m', 'f', [1]), 1);
});

test('client and server both enforce the size limits', async (t) => {
  const server = await serve(
    t,
    { m: { size: (text: string) => text.length, make: (n: number) => 'x'.repeat(n) } },
    { maxEncodedArgsSize: 1000 },
  );
  const client = connect(t, server);
  // A list of one binary: 131, list head 5, binary head 5, tail 1.
  t.is(await client.call('m', 'size', ['x'.repeat(988)]), 988);
  const refused = await t.throwsAsync(client.call('m', 'size', ['x'.repeat(989)]), {
    instanceOf: RemoteError,
  });
  t.like(refused, { status: 'payload_too_large', httpStatus: 413 });
  const strict = connect(t, server, { maxEncodedArgsSize: 100 });
  t.is(await strict.call('m', 'size', ['x'.repeat(88)]), 88);
  const own = await t.throwsAsync(strict.call('m', 'size', ['x'.repeat(89)]), {
    instanceOf: TermError,
  });
  t.regex(own!.message, /100/);
  // {return, Binary}: 131, tuple 2, atom 8, binary head 5.
  t.is(
    ((await client.call('m', 'make', [84], { maxEncodedResultSize: 100 })) as string).length,
    84,
  );
  const large = await t.throwsAsync(client.call('m', 'make', [85], { maxEncodedResultSize: 100 }), {
    instanceOf: ResponseError,
  });
  t.regex(large!.message, /100/);
});

test('compression does not change results', async (t) => {
  const text = 'repeat '.repeat(1000);
  for (const compressionThreshold of [0, 300, Infinity]) {
    const server = await serve(t, { m: { echo: (x: string) => x } }, { compressionThreshold });
    const client = connect(t, server, { compressionThreshold });
    t.is(await client.call('m', 'echo', [text]), text);
    t.is(await client.call('m', 'echo', ['']), '');
  }
});

test('with a wrong secret, the client does not trust the answer', async (t) => {
  const server = await serve(t, { m: { f: () => 1 } });
  const client = connect(t, server, { secret: 'another secret' });
  const error = await t.throwsAsync(client.call('m', 'f'), {
    instanceOf: ResponseAuthenticationError,
  });
  t.is(error!.reason, 'missing_request_id');
  t.false(error!.message.includes('another secret'));
});

test('a server accepts any of several secrets, and a client signs with the first', async (t) => {
  const server = await startClearServer(
    ['new secret', 'old secret'],
    { m: { f: () => 1 } },
    {
      host: '127.0.0.1',
      port: 0,
    },
  );
  t.teardown(() => server.close());
  for (const own of ['new secret', 'old secret', ['old secret', 'new secret']]) {
    const client = connect(t, server, { secret: own });
    if (own === 'old secret') {
      t.is(await client.call('m', 'f'), 1);
    } else {
      t.is(await client.call('m', 'f'), 1);
    }
  }
});

test('safe decoding refuses unknown atoms', async (t) => {
  const server = await serve(t, { m: { f: (x: unknown) => x } }, { decodeUnsafeTerms: false });
  const client = connect(t, server);
  t.is(await client.call('m', 'f', [atom('made_by_this_program')]), atom('made_by_this_program'));
  const { encode, decode } = await import('../src/index.js');
  const foreign = Buffer.from([131, 119, 9, ...Buffer.from('unheardof')]);
  t.is(String(decode(foreign)), 'unheardof');
  t.throws(() => decode(foreign, { decodeUnsafeTerms: false }), { instanceOf: TermError });
  t.notThrows(() => decode(encode(true), { decodeUnsafeTerms: false }));
});

test('a call ends at its recvTimeout', async (t) => {
  const server = await serve(t, { m: { never: () => new Promise(() => {}), fine: () => 1 } });
  const client = connect(t, server);
  const error = await t.throwsAsync(client.call('m', 'never', [], { recvTimeout: 50 }), {
    instanceOf: TimeoutError,
  });
  t.regex(error!.message, /recvTimeout|50/);
  t.is(await client.call('m', 'fine'), 1);
});

test("an aborted call rejects with the signal's reason", async (t) => {
  const server = await serve(t, { m: { never: () => new Promise(() => {}), fine: () => 1 } });
  const client = connect(t, server);
  const controller = new AbortController();
  const pending = client.call('m', 'never', [], { signal: controller.signal });
  const reason = new Error('enough');
  setTimeout(() => controller.abort(reason), 20);
  t.is(await pending.catch((error: unknown) => error), reason);
  const before = client.call('m', 'fine', [], { signal: AbortSignal.abort(reason) });
  t.is(await before.catch((error: unknown) => error), reason);
  t.is(await client.call('m', 'fine', [], { signal: new AbortController().signal }), 1);
  t.is(client.stats().pending, 0);
});

test('many calls may share a signal', async (t) => {
  const server = await serve(t, {
    m: { never: () => new Promise(() => {}), echo: (value: unknown) => value },
  });
  const client = connect(t, server, { maxConnections: 4 });
  const { signal, abort } = aborting();
  const warnings: Error[] = [];
  const warn = (warning: Error): unknown => warnings.push(warning);
  process.on('warning', warn);
  const numbers = Array.from({ length: 100 }, (_, index) => index);
  const echoed = numbers.map((n) => client.call('m', 'echo', [n], { signal }));
  t.deepEqual(await Promise.all(echoed), numbers);
  t.is(getEventListeners(signal, 'abort').length, 0);
  const others = client.call('m', 'echo', ['other']);
  const given = numbers.map(() =>
    client.call('m', 'never', [], { signal }).catch((error) => error),
  );
  abort('enough');
  t.deepEqual([...new Set(await Promise.all(given))], ['enough']);
  t.is(await others, 'other');
  t.is(client.stats().pending, 0);
  await new Promise(setImmediate);
  process.off('warning', warn);
  t.deepEqual(
    warnings.filter(({ name }) => name === 'MaxListenersExceededWarning'),
    [],
  );
});

test('a getter of an argument may abort calls and close clients', async (t) => {
  const server = await serve(t, {
    m: { never: () => new Promise(() => {}), echo: (value: unknown) => value },
  });
  const client = connect(t, server);
  const [own, others] = [aborting(), aborting()];
  const other = client.call('m', 'never', [], { signal: others.signal });
  const answer = client.call('m', 'echo', [
    {
      get x() {
        others.abort('of another call');
        return 1;
      },
      y: 2,
    },
  ]);
  t.is(await other.catch((reason: unknown) => reason), 'of another call');
  t.deepEqual(await answer, { x: 1, y: 2 });

  const arguments_ = [
    {
      get x() {
        own.abort('of its own call');
        return 1;
      },
    },
  ];
  const given = client.call('m', 'echo', arguments_, { signal: own.signal });
  t.is(await given.catch((reason: unknown) => reason), 'of its own call');

  const leaving = connect(t, server, { idleTimeout: 12_345 });
  let closed: Promise<void> | undefined;
  const last = leaving.call('m', 'echo', [
    {
      get x() {
        closed = leaving.close();
        return 1;
      },
      y: 2,
    },
  ]);
  t.deepEqual(await last, { x: 1, y: 2 });
  await closed;
});

function aborting(): { signal: AbortSignal; abort: (reason: unknown) => void } {
  const controller = new AbortController();
  return { signal: controller.signal, abort: (reason) => controller.abort(reason) };
}

test('close waits for calls that wait for a place, a connection or a name', async (t) => {
  const server = await serve(t, { m: { echo: (value: unknown) => value } });
  for (const url of [server.url, `http://localhost:${server.port}`]) {
    const client = new Client({ url, secret, ...PATIENT, maxConnections: 1 });
    const calls = Array.from({ length: 20 }, (_, index) => client.call('m', 'echo', [index]));
    const closed = client.close();
    await t.throwsAsync(client.call('m', 'echo', ['late']), { instanceOf: ClosedError });
    t.deepEqual(await Promise.all(calls), [...calls.keys()]);
    await closed;
    t.like(client.stats(), { pending: 0, calls: 20, connections: 0, queued: 0 });
  }
});

test('one-shot calls succeed with more targets than cached clients', async (t) => {
  const server = await serve(t, { m: { echo: (value: unknown) => value } });
  const { recvTimeout } = PATIENT;
  // Resolving a name takes time, so a later client may replace this one first.
  const target = { url: `http://localhost:${server.port}`, secret, ...PATIENT };
  const calls = Array.from({ length: 150 }, (_, index) =>
    call({ ...target, recvTimeout: recvTimeout + index }, 'm', 'echo', [index]),
  );
  t.deepEqual(await Promise.all(calls), [...calls.keys()]);
});

test('using a closed client is a ClosedError', async (t) => {
  const server = await serve(t, { m: { f: () => 1 } });
  const client = connect(t, server);
  t.is(await client.call('m', 'f'), 1);
  await Promise.all([client.close(), client.close()]);
  await client.close();
  const error = await t.throwsAsync(client.call('m', 'f'), { instanceOf: ClosedError });
  t.regex(error!.message, /closed/);
});

test('close lets running calls finish', async (t) => {
  let finish = (_: string): void => {};
  const server = await serve(t, {
    m: {
      wait: () => new Promise<string>((resolve) => (finish = resolve)),
      echo: (value: string) => value,
    },
  });
  const client = connect(t, server);
  const pending = client.call('m', 'wait');
  while (server.stats().pending === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  const closing = server.close({ timeout: 10_000 });
  // A new connection is answered if the system had accepted it before the listener closed, and
  // refused soon after.
  let refusal: unknown;
  while (refusal === undefined) {
    try {
      t.is(await connect(t, server).call('m', 'echo', ['late']), 'late');
    } catch (error) {
      refusal = error;
    }
  }
  t.true(refusal instanceof ConnectError, String(refusal));
  finish('done');
  t.is(await pending, 'done');
  await closing;
  await server.close();
});

test('close ends calls that exceed its timeout', async (t) => {
  const server = await serve(t, { m: { never: () => new Promise(() => {}) } });
  const client = connect(t, server);
  const pending = t.throwsAsync(client.call('m', 'never'));
  while (server.stats().pending === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  await server.close({ timeout: 20 });
  await pending;
});

test('the error for a port in use has its address', async (t) => {
  const server = await serve(t, {});
  const error = await t.throwsAsync(async function starter() {
    await startClearServer(secret, {}, { host: '127.0.0.1', port: server.port });
  });
  t.is((error as NodeJS.ErrnoException).code, 'EADDRINUSE');
  t.regex(error.stack!, /EADDRINUSE.*\n[^]*at async starter /);
  t.notRegex(error.stack!, /bridge/);
  t.true(error!.message.includes(`127.0.0.1:${server.port}`));
});

test('invalid names and arguments are OptionErrors', async (t) => {
  const server = await serve(t, { m: { f: () => 1 } });
  const client = connect(t, server);
  for (const [module, fn, args] of [
    ['', 'f', []],
    ['m', 'x'.repeat(256), []],
    [1, 'f', []],
    ['m', 'f', 'text'],
    ['m', 'f', Array.from({ length: 256 }, () => 0)],
  ] as const) {
    await t.throwsAsync(client.call(module as string, fn, args as never), {
      instanceOf: OptionError,
    });
  }
  await t.throwsAsync(client.call('m', 'f', [], { nonsense: 1 } as never), {
    instanceOf: OptionError,
    message: /nonsense/,
  });
});

test('both sides support exact terms', async (t) => {
  let seen: unknown;
  const server = await serve(t, { m: { f: (x: unknown) => (seen = x) } }, { terms: 'exact' });
  const client = connect(t, server, { terms: 'exact' });
  const result = await client.call('m', 'f', [{ a: [true, 'x'] }]);
  const expected = new Map([[Buffer.from('a'), [atom('true'), Buffer.from('x')]]]);
  t.deepEqual(seen, expected);
  t.deepEqual(result, expected as never);
});

test('arguments and results may be nested up to maxDepth and no deeper', async (t) => {
  const nested = (depth: number): unknown => {
    let value: unknown = [];
    for (let level = 0; level < depth; level++) value = [value];
    return value;
  };
  for (const maxDepth of [5, 1000, 1500]) {
    const options = { maxDepth };
    const server = await serve(t, { m: { nested, size: (_: unknown) => 1 } }, { maxDepth: 1500 });
    const client = connect(t, server, options);
    t.deepEqual(
      encode(await client.call('m', 'nested', [maxDepth]), options),
      encode(nested(maxDepth), options),
    );
    if (maxDepth < 1500) {
      const error = await t.throwsAsync(client.call('m', 'nested', [maxDepth + 1]), {
        instanceOf: ResponseError,
      });
      t.regex(error!.message, new RegExp(`deeper than ${maxDepth} levels`));
    }
    // The list of arguments is a level itself.
    t.is(await client.call('m', 'size', [nested(maxDepth - 1)]), 1);
    await t.throwsAsync(client.call('m', 'size', [nested(maxDepth)]), {
      instanceOf: TermError,
      message: new RegExp(`deeper than ${maxDepth} levels \\(option maxDepth\\)$`),
    });
  }
});

test('a getter of an argument may make a call', async (t) => {
  const server = await serve(t, { m: { f: (x: unknown) => x } });
  const client = connect(t, server);
  let inner: Promise<unknown> = Promise.resolve();
  const value = Object.defineProperty({ first: 1.5 }, 'x', {
    enumerable: true,
    get: () => {
      inner = client.call('m', 'f', [{ first: 2.5, x: 'inner' }]);
      return 'late';
    },
  });
  t.deepEqual(await client.call('m', 'f', [value]), { first: 1.5, x: 'late' });
  t.deepEqual(await inner, { first: 2.5, x: 'inner' });
});

test('the error for a value that is not a term has its path, and each string is checked separately', async (t) => {
  const server = await serve(t, {
    m: { echo: (value: unknown) => value, split: () => ['a\ud83d', '\udc4d'] },
  });
  const client = connect(t, server);
  const error = await t.throwsAsync(client.call('m', 'echo', [['a\ud83d', '\udc4d']]), {
    instanceOf: TermError,
  });
  t.is((error as TermError).path, 'args[0][0]');
  await t.throwsAsync(client.call('m', 'split'), { message: /result\[0\].*lone surrogate/ });
  t.is(await client.call('m', 'echo', ['a\ud83d\udc4d']), 'a\ud83d\udc4d');
});
