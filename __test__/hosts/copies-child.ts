/** Loads two copies of the package and has each use what the other has made. */
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type * as backwater from '../../src/index.js';

type Copy = typeof backwater;

const secret = 'a secret for tests, 32 bytes long!';
const times = { queued: 0, resolve: 0, connect: 0, tls: 0, send: 0, wait: 0, receive: 0 };

function errorsOf(copy: Copy): [Error, (keyof Copy)[]][] {
  return [
    [new copy.BackwaterError('x'), ['BackwaterError']],
    [new copy.ListenError('x'), ['BackwaterError', 'ListenError']],
    [new copy.ConnectError('x'), ['BackwaterError', 'ConnectError']],
    [new copy.ConnectionLostError('x'), ['BackwaterError', 'ConnectionLostError']],
    [
      new copy.TlsError('x', { reason: 'wrong_host' }),
      ['BackwaterError', 'ConnectError', 'TlsError'],
    ],
    [
      new copy.TimeoutError({ phase: 'wait', times, option: 'timeout', limit: 1 }),
      ['BackwaterError', 'TimeoutError'],
    ],
    [new copy.QueueFullError({ limit: 1 }), ['BackwaterError', 'QueueFullError']],
    [new copy.RemoteError(404, ''), ['BackwaterError', 'RemoteError']],
    [new copy.RemoteException('exit', 1, []), ['BackwaterError', 'RemoteException']],
    [
      new copy.ResponseAuthenticationError('invalid_signature'),
      ['BackwaterError', 'ResponseAuthenticationError'],
    ],
    [new copy.ResponseError('invalid_body'), ['BackwaterError', 'ResponseError']],
    [new copy.TermError('x'), ['BackwaterError', 'TermError']],
    [
      new copy.SizeError({ option: 'maxEncodedArgsSize', limit: 1 }),
      ['BackwaterError', 'TermError', 'SizeError'],
    ],
    [new copy.OptionError('x', { option: 'y' }), ['BackwaterError', 'OptionError']],
    [new copy.ClosedError('x'), ['BackwaterError', 'ClosedError']],
  ];
}

function errorsAreRecognized(one: Copy, two: Copy): void {
  const errors = errorsOf(one);
  const names = new Set(errors.flatMap(([, classes]) => classes));
  for (const [error, classes] of errors) {
    assert.ok(two.isBackwaterError(error), error.name);
    for (const name of names) {
      const known: boolean = error instanceof (two[name] as unknown as ErrorConstructor);
      assert.equal(known, classes.includes(name), `${error.name} instanceof ${name}`);
    }
    assert.equal(two.BackwaterError.from(error), error);
  }
}

function tuplesAreRecognized(one: Copy, two: Copy): void {
  const reply = one.decode(one.encode(one.tuple(one.atom('ok'), 1)));
  assert.ok(two.isTuple(reply, two.atom('ok'), 2));
  assert.ok(!two.isTuple(reply, two.atom('error'), 2));
  assert.ok(!two.isTuple(reply, 'ok', 2));
  assert.deepStrictEqual(two.tuple(1, 'x'), one.tuple(1, 'x'));
  const symbols = (value: object): unknown[] =>
    Object.getOwnPropertySymbols(value).map((key) => (value as Record<symbol, unknown>)[key]);
  assert.equal(symbols(one.tuple(1))[0], symbols(two.tuple(1))[0]);
}

async function exposedFunctionsAreServed(one: Copy, two: Copy): Promise<void> {
  const shop = {
    greet: one.expose.fn((name, greeting = 'hello') => `${greeting}, ${name}`, { arity: [1, 2] }),
    caller: one.expose.fn(({ function: name }: backwater.CallContext) => name, { context: true }),
    refuse: (why: string) => one.raise('throw', why),
    hidden: () => 'for this program alone',
  };
  const module = one.expose(shop, { exports: ['greet', 'caller', 'refuse'] });
  const server = await two.startClearServer(
    secret,
    { shop: module, bare: shop },
    { host: '127.0.0.1', port: 0 },
  );
  const client = new one.Client({ url: server.url, secret });
  try {
    assert.equal(await client.call('shop', 'greet', ['Ann']), 'hello, Ann');
    assert.equal(await client.call('shop', 'greet', ['Ann', 'bye']), 'bye, Ann');
    assert.equal(await client.call('shop', 'caller'), 'caller');
    assert.equal(await client.call('bare', 'hidden'), 'for this program alone');
    const [hidden, raised] = await Promise.all([
      client.tryCall('shop', 'hidden'),
      client.tryCall('shop', 'refuse', ['no']),
    ]);
    assert.ok(!hidden.ok && hidden.error instanceof two.RemoteError);
    assert.equal(hidden.error.reason, 'function_not_found');
    assert.ok(!raised.ok && raised.error instanceof two.RemoteException);
    assert.deepEqual([raised.error.class, raised.error.reason], ['throw', 'no']);
  } finally {
    await client.close();
    await server.close({ timeout: 0 });
  }
}

async function load(folder: string): Promise<Copy[]> {
  const imported = (await import(pathToFileURL(join(folder, 'entry.mjs')).href)) as Copy;
  return [imported, createRequire(import.meta.url)(join(folder, 'entry.cjs')) as Copy];
}

const [first, second] = (await Promise.all(process.argv.slice(2).map(load))) as [Copy[], Copy[]];
assert.notEqual(first[0]!.BackwaterError, second[0]!.BackwaterError);
for (const one of first) {
  for (const two of second) {
    for (const [maker, user] of [
      [one, two],
      [two, one],
    ] as const) {
      errorsAreRecognized(maker, user);
      tuplesAreRecognized(maker, user);
      await exposedFunctionsAreServed(maker, user);
    }
  }
}
console.log('done');
