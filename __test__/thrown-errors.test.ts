import { inspect } from 'node:util';
import vm from 'node:vm';
import test, { type ExecutionContext } from 'ava';
import {
  atom,
  type ClientOptions,
  raise,
  RemoteException,
  type ServerOptions,
  type ThrownError,
  tuple,
} from '../src/index.js';
import { elixir } from '../src/elixir.js';
import { connect, serve } from './support/rpc.js';

async function thrown(
  t: ExecutionContext,
  make: () => unknown,
  options: ServerOptions = {},
  clientOptions: Partial<ClientOptions> = {},
): Promise<RemoteException> {
  const fail = (): never => {
    throw make();
  };
  const client = connect(t, await serve(t, { m: { fail } }, options), clientOptions);
  const error: unknown = await t.throwsAsync(client.call('m', 'fail'));
  if (!(error instanceof RemoteException)) throw new Error(`not raised: ${inspect(error)}`);
  return error;
}

test('name, message, code, data and cause of an error reach the caller', async (t) => {
  const { remote } = await thrown(t, () => {
    const cause = Object.assign(new RangeError('inner'), { code: 7 });
    const data = { id: 'a', ok: true, missing: [null, 2.5], bytes: Buffer.of(255, 0) };
    return Object.assign(new TypeError('outer', { cause }), { code: 'E_OUTER', data });
  });
  t.deepEqual(remote, {
    name: 'TypeError',
    message: 'outer',
    code: 'E_OUTER',
    data: { id: 'a', ok: true, missing: [null, 2.5], bytes: Buffer.of(255, 0) },
    cause: { name: 'RangeError', message: 'inner', code: '7' },
  });
});

test('an error without details has a name and a message', async (t) => {
  const error = await thrown(t, () => new Error('plain'));
  t.deepEqual(error.remote, { name: 'Error', message: 'plain' });
  t.deepEqual(error.reason, tuple(atom('js_error'), { name: 'Error', message: 'plain' }) as never);
  t.is(error.message, 'remote error: Error: plain');
  t.false(Object.keys(error).includes('remote'));
});

test('fields that only a proxy of an error has reach the caller', async (t) => {
  const { remote } = await thrown(t, () => {
    const fields: Record<string, unknown> = { code: 'E_PROXY', data: [1] };
    return new Proxy(new Error('x'), {
      get: (error, key) => fields[String(key)] ?? (Reflect.get(error, key) as unknown),
    });
  });
  t.deepEqual(remote, { name: 'Error', message: 'x', code: 'E_PROXY', data: [1] });
});

test('exceptions other than JavaScript errors have no remote', async (t) => {
  t.is((await thrown(t, () => 'text')).remote, undefined);
  const fields = { name: 'Error', message: 'm' };
  for (const kind of ['exit', 'throw'] as const) {
    const reason = tuple(atom('js_error'), fields);
    const error = await thrown(t, () => raised(kind, reason));
    t.is(error.remote, undefined);
  }
});

function raised(kind: 'exit' | 'throw', reason: unknown): unknown {
  try {
    return raise(kind, reason);
  } catch (error) {
    return error;
  }
}

test('data may be any term and uses the hooks of both sides', async (t) => {
  const born = new Date(0);
  const { remote } = await thrown(
    t,
    () => Object.assign(new Error('x'), { data: { born, tag: atom('a') } }),
    { encoders: elixir().encoders },
    { revivers: elixir().revivers },
  );
  t.deepEqual(remote!.data, { born, tag: atom('a') });
  const nothing = await thrown(t, () => Object.assign(new Error('x'), { data: null }));
  t.deepEqual(nothing.remote, { name: 'Error', message: 'x', data: null });
});

test('in exact mode, texts are strings and data is exact', async (t) => {
  const make = (): Error => Object.assign(new Error('x'), { code: 'E', data: 'text' });
  const { remote } = await thrown(t, make, {}, { terms: 'exact' });
  t.deepEqual(remote, { name: 'Error', message: 'x', code: 'E', data: Buffer.from('text') });
});

// An encoded binary has a 6-byte header.
for (const [size, arrives] of [
  [65_536 - 6, true],
  [65_536 - 5, false],
  [10_000_000, false],
] as const) {
  test(`data of ${size} bytes ${arrives ? 'arrives' : 'is omitted with a note'}`, async (t) => {
    const make = (): Error =>
      Object.assign(new Error('full'), { code: 'E', data: 'x'.repeat(size) });
    const { remote } = await thrown(t, make);
    t.like(remote, { name: 'Error', message: 'full', code: 'E' });
    t.is((remote!.data as string | undefined)?.length, arrives ? size : undefined);
    if (arrives) t.false('omitted' in remote!);
    else t.regex(remote!.omitted!, /^data.*65536 bytes/);
  });
}

test('an error and its causes share the limit for data', async (t) => {
  const data = 'x'.repeat(40_000);
  const make = (): Error => {
    const cause = Object.assign(new Error('inner'), { data });
    return Object.assign(new Error('outer', { cause }), { data });
  };
  const { remote } = await thrown(t, make);
  t.is(remote!.data, data);
  t.is(remote!.cause!.data, undefined);
  t.regex(remote!.cause!.omitted!, /^data/);
});

test('data never makes an exception too large for the server', async (t) => {
  const make = (): Error => Object.assign(new Error('x'), { data: 'x'.repeat(3000) });
  const large = await thrown(t, make, { maxEncodedResultSize: 20_000 });
  t.is((large.remote!.data as string).length, 3000);
  const small = await thrown(t, make, { maxEncodedResultSize: 3000 });
  t.is(small.remote!.message, 'x');
  t.regex(small.remote!.omitted!, /maxEncodedResultSize/);
  const deep = await thrown(t, () => Object.assign(new Error('x'), { data: [[[[1]]]] }), {
    maxDepth: 6,
  });
  t.regex(deep.remote!.omitted!, /^data.*maxDepth/);
});

const trap = (): never => {
  throw new Error('trap');
};
const cyclic: unknown[] = [];
cyclic.push(cyclic);

for (const [what, data, note] of [
  ['a Date', { when: new Date(0) }, /^data\.when is an instance of Date/],
  ['an instance of a class', new (class Order {})(), /^data is an instance of Order/],
  ['a function', trap, /^data is a function/],
  ['a symbol', [Symbol('s')], /^data\[0\] is a symbol/],
  ['a cycle', cyclic, /^data\[0\] contains itself/],
  ['NaN', { ratio: NaN }, /^data\.ratio is NaN/],
  [
    'a getter that throws',
    Object.defineProperty({}, 'x', { get: trap, enumerable: true }),
    /^data: trap$/,
  ],
  [
    'a proxy that traps everything',
    new Proxy({}, { ownKeys: trap, getPrototypeOf: trap }),
    /^data/,
  ],
  ['a promise', Promise.resolve(1), /^data is a promise/],
  ['too deeply nested values', nested(2000), /^data/],
] as const) {
  test(`${what} as data is omitted with a note`, async (t) => {
    const { remote } = await thrown(t, () => Object.assign(new Error('kept'), { data, code: 'E' }));
    t.like(remote, { name: 'Error', message: 'kept', code: 'E' });
    t.false('data' in remote!);
    t.regex(remote!.omitted!, note);
  });
}

function nested(depth: number): unknown {
  let value: unknown = 1;
  for (let level = 0; level < depth; level++) value = [value];
  return value;
}

test('throwing getters of data and cause are ignored', async (t) => {
  for (const field of ['data', 'cause']) {
    const make = (): Error => Object.defineProperty(new Error('x'), field, { get: trap });
    const { remote } = await thrown(t, make);
    t.deepEqual(remote, { name: 'Error', message: 'x' });
  }
});

test('a getter that changes each time loses the details but not the exception', async (t) => {
  let count = 0;
  const data = Object.defineProperty({}, 'x', {
    get: () => (count++ === 0 ? 1 : Symbol('s')),
    enumerable: true,
  });
  const { remote } = await thrown(t, () => Object.assign(new Error('kept'), { data }));
  t.is(remote!.message, 'kept');
  t.is(remote!.data, undefined);
});

test('at most eight causes arrive', async (t) => {
  for (const [causes, omitted] of [
    [8, undefined],
    [9, 'cause: at most 8 causes are sent'],
  ] as const) {
    const { remote } = await thrown(t, () => {
      let error = new Error('0');
      for (let each = 1; each <= causes; each++) error = new Error(`${each}`, { cause: error });
      return error;
    });
    let last: ThrownError = remote!;
    let count = 0;
    for (; last.cause !== undefined; last = last.cause) count++;
    t.is(count, 8);
    t.is(last.omitted, omitted);
  }
});

test('circular causes end', async (t) => {
  const { remote } = await thrown(t, () => {
    const outer = new Error('outer');
    outer.cause = new Error('inner', { cause: outer });
    return outer;
  });
  t.like(remote, { message: 'outer', cause: { message: 'inner' } });
  t.is(remote!.cause!.cause, undefined);
  t.regex(remote!.cause!.omitted!, /^cause/);
});

test('a cause may be any value or an error of another realm', async (t) => {
  const foreign: unknown = vm.runInNewContext("new TypeError('far')");
  const { remote } = await thrown(t, () => new Error('x', { cause: foreign }));
  t.deepEqual(remote!.cause, { name: 'TypeError', message: 'far' });
  const text = await thrown(t, () => new Error('x', { cause: 'text' }));
  t.deepEqual(text.remote!.cause, { name: 'NonError', message: "'text'", data: 'text' });
  const symbol = await thrown(t, () => new Error('x', { cause: Symbol('s') }));
  t.like(symbol.remote!.cause, { name: 'NonError', message: 'Symbol(s)' });
  t.regex(symbol.remote!.cause!.omitted!, /^data is a symbol/);
});

test('long texts of causes are truncated', async (t) => {
  const cause = new Error('x'.repeat(5000));
  const { remote } = await thrown(t, () => new Error('y'.repeat(5000), { cause }));
  t.is(remote!.message.length, 5000);
  t.is(remote!.cause!.message.length, 4096);
});

test('a server that hides stacks sends data but no causes', async (t) => {
  const make = (): Error => Object.assign(new Error('x', { cause: new Error('y') }), { data: 1 });
  const { remote } = await thrown(t, make, { returnExceptionStacktraces: false });
  t.deepEqual(remote, { name: 'Error', message: 'x', data: 1 });
});

test('rethrown errors have their data and cause', async (t) => {
  const fail = (): never => {
    throw Object.assign(new TypeError('x', { cause: new RangeError('y') }), { data: [1] });
  };
  const client = connect(t, await serve(t, { m: { fail } }));
  const error = (await t.throwsAsync(
    client.call('m', 'fail', [], { rethrowRemoteExceptions: true }),
  )) as TypeError & { data: unknown };
  t.true(error instanceof TypeError);
  t.deepEqual(error.data, [1]);
  t.true(error.cause instanceof RangeError);
  t.is((error.cause as Error).message, 'y');
  t.is((error.cause as Error).stack, 'RangeError: y');
  t.false(Object.keys(error).includes('cause'));
});

test('additions to Object.prototype are not details of errors', async (t) => {
  const polluted = Object.prototype as Record<string, unknown>;
  const fields = ['data', 'cause', 'code'];
  const { remote } = await thrown(t, () => {
    for (const field of fields) polluted[field] = 'polluted';
    queueMicrotask(() => {
      for (const field of fields) delete polluted[field];
    });
    return new Error('x');
  });
  t.deepEqual(remote, { name: 'Error', message: 'x' });
});
