import { inspect, isDeepStrictEqual } from 'node:util';
import { runInNewContext } from 'node:vm';
import test from 'ava';
import {
  atom,
  decode,
  encode,
  float,
  fromErlang,
  isTuple,
  TermError,
  toTerm,
  tuple,
} from '../src/index.js';
import { elixir } from '../src/elixir.js';
import { javascript } from '../src/hooks.js';
import { connect, serve } from './support/rpc.js';

const roundTrip = (value: unknown): unknown =>
  decode(encode(value, { ...javascript(), markBytes: true }), javascript());

test('dates, sets, URLs and typed arrays survive a round trip', (t) => {
  const bytes = Uint8Array.from({ length: 24 }, (_, index) => index * 11);
  for (const value of [
    new Date(0),
    new Date(-1),
    new Date(8.64e15),
    new Date('2026-02-03T04:05:06.007Z'),
    new Set(),
    new Set([3, 'b', 1, 'a', 2.5, 10n ** 30n, null, undefined, true]),
    new Set(['10', '9', '1']),
    new Set([new Set([1]), new Date(1), { a: 1 }, { a: 1 }]),
    new URL('https://user:pass@example.org:8443/a/b?c=d&e#f'),
    new URL('file:///etc/hosts'),
    new URL('http://a.b/?#'),
    new Int8Array(bytes.buffer.slice(0)),
    new Uint8ClampedArray(bytes.buffer.slice(0)),
    new Int16Array(bytes.buffer.slice(0)),
    new Uint16Array(bytes.buffer.slice(0)),
    new Int32Array(bytes.buffer.slice(0)),
    new Uint32Array(bytes.buffer.slice(0)),
    new Float32Array([1.5, -0, 3]),
    new Float64Array([1.5, Infinity, NaN]),
    new BigInt64Array([-1n, 2n]),
    new BigUint64Array([2n ** 64n - 1n]),
    new Float64Array(0),
    bytes.buffer,
    new ArrayBuffer(0),
    new DataView(bytes.buffer.slice(0), 0),
  ]) {
    const back = roundTrip([value]) as [object];
    t.true(isDeepStrictEqual(back, [value]), inspect(back));
    t.is(back[0].constructor, value.constructor as never);
  }
  t.true(Number.isNaN(+(roundTrip(new Date(NaN)) as Date)));
  const part = roundTrip(new Int16Array(bytes.buffer, 2, 3)) as Int16Array;
  t.deepEqual(part, new Int16Array(bytes.buffer.slice(2, 8)));
  t.is(part.buffer.byteLength, 6);
  const shared = new Int16Array(new SharedArrayBuffer(4));
  t.deepEqual(roundTrip(shared), new Int16Array(2));
  t.deepEqual([...(roundTrip(new Set(['b', 2, 'a', 1])) as Set<unknown>)], ['b', 2, 'a', 1]);
});

test('typed arrays survive without marked bytes', (t) => {
  const zeros = new Float32Array(4);
  t.deepEqual(decode(encode(zeros, javascript()), javascript()) as unknown, zeros);
  const binaries = { ...javascript(), binaries: 'buffer' } as const;
  const values = [zeros, new URL('http://a.b/'), new Date(1), new Set([1])];
  t.deepEqual(decode(encode(values, javascript()), binaries) as unknown, values);
  const error = decode(encode(new TypeError('x'), javascript()), binaries) as unknown as Error;
  t.is(error.stack, 'TypeError: x');
});

test('errors keep their class, message, code, data, cause and errors', (t) => {
  const cause = new RangeError('inner');
  const error = Object.assign(new TypeError('outer', { cause }), {
    code: 'E_X',
    data: { at: new Date(1) },
  });
  const back = roundTrip(error) as TypeError & { code: string; data: unknown };
  t.true(back instanceof TypeError);
  t.is(back.message, 'outer');
  t.is(back.code, 'E_X');
  t.deepEqual(back.data, { at: new Date(1) });
  t.true(back.cause instanceof RangeError);
  t.is((back.cause as Error).message, 'inner');
  t.is(back.stack, 'TypeError: outer');
  t.deepEqual(Object.keys(back), ['code', 'data']);

  const all = roundTrip(new AggregateError([new Error('a'), 1], 'all')) as AggregateError;
  t.true(all instanceof AggregateError);
  t.is((all.errors[0] as Error).message, 'a');
  t.is(all.errors[1], 1);

  class OwnError extends Error {
    override readonly name = 'OwnError';
  }
  const own = roundTrip(new OwnError('x')) as Error;
  t.is(own.constructor, Error);
  t.is(own.name, 'OwnError');
  t.is(String(own), 'OwnError: x');
  t.is((roundTrip(new Error('')) as Error).message, '');
  const aborted = roundTrip(AbortSignal.abort().reason) as Error;
  t.is(aborted.name, 'AbortError');

  const cyclic = new Error('x');
  cyclic.cause = cyclic;
  t.throws(() => roundTrip(cyclic), { instanceOf: TermError, message: /contains itself/ });
});

test('objects of other realms are encoded', (t) => {
  const foreign = (source: string): unknown => runInNewContext(source) as unknown;
  t.deepEqual(roundTrip(foreign('new Date(5)')), new Date(5));
  t.deepEqual(roundTrip(foreign('new Set([1, "a"])')), new Set([1, 'a']));
  t.deepEqual(roundTrip(foreign('new Float64Array([1.5])')), new Float64Array([1.5]));
  t.deepEqual(roundTrip(foreign('new ArrayBuffer(3)')), new ArrayBuffer(3));
  t.is((roundTrip(foreign('new DataView(new ArrayBuffer(3))')) as DataView).byteLength, 3);
  const error = roundTrip(foreign('new RangeError("x")')) as Error;
  t.true(error instanceof RangeError);
  t.is(error.message, 'x');
});

test('hosts may have up to 253 characters', (t) => {
  const { revivers } = javascript();
  const ofText = (text: string): unknown => decode(encode(tuple(atom('$url'), text)), { revivers });
  const [host, tooLong] = ['a'.repeat(253), 'a'.repeat(254)];
  const path = 'b'.repeat(300);
  for (const text of [
    `http://${host}/${path}`,
    `https://u:p@${host}:8080/?${path}#${path}`,
    `x://${host}`,
    `file:///${path}`,
    `file://${host}/`,
    `data:text/plain,${path} ${path}`,
    'http://[::1]:8080/',
    `x:/${path}`,
  ]) {
    t.deepEqual(ofText(text), new URL(text), text);
  }
  // `new URL` accepts all of them. Without a limit, the last host takes quadratic time.
  for (const name of [tooLong, 'a' + '\u0316\u0301'.repeat(20_000)]) {
    for (const text of [
      `http://${name}/`,
      `http://u:p@${name}:8080/`,
      `HTTP://${name}`,
      `http:${name}`,
      `http:/${name}`,
      `http:///${name}`,
      `http:\\\\${name}`,
      `http:/\\${name}`,
      `http://\\${name}`,
      `http:/\t/${name}`,
      `ht\ntp://${name}`,
      ` http://${name}`,
      `file://${name}`,
      `file:\\\\${name}`,
      `file:/\\${name}`,
      `file:\\/${name}`,
      `x://${name}`,
    ]) {
      t.true(isTuple(ofText(text)), text.slice(0, 20));
    }
  }
});

test('invalid tuples stay tuples', (t) => {
  for (const text of [
    '{\'$date\', <<"x">>}',
    "{'$date', 1, 2}",
    '{\'$url\', <<"no url">>}',
    "{'$url', 1}",
    '{\'$url\', <<"http://a/",255>>}',
    "{'$error', <<255>>, <<>>, #{}}",
    "{'$set', {}, #{}}",
    "{'$set', [], []}",
    "{'$set', [], #{1 => 1}}",
    "{'$set', [], #{1 => 0, 2 => 0}}",
    "{'$set', [], #{1 => -1}}",
    '{\'$set\', [], #{1 => <<"length">>}}',
    "{'$set', [], #{a => 0}}",
    "{'$error', 1, <<>>, #{}}",
    '{\'$error\', <<"E">>, <<>>, []}',
    '{\'$array\', <<"Int16Array">>, <<1,2,3>>}',
    '{\'$array\', <<"Object">>, <<1>>}',
    '{\'$array\', <<"constructor">>, <<1>>}',
    "{'$array', #{}, <<1>>}",
    '{\'$array\', <<"Int8Array">>, 1}',
  ]) {
    t.deepEqual(fromErlang(text, javascript()), fromErlang(text), text);
  }
});

test('sets with members that are encoded as numbers survive', (t) => {
  class Meters {
    [toTerm](): number {
      return 7;
    }
  }
  t.deepEqual(roundTrip(new Set([float(1), 'a', 2])), new Set([1, 'a', 2]));
  t.deepEqual(roundTrip(new Set([float(1), 1])), new Set([1]));
  t.deepEqual(
    roundTrip(new Set([1, 1n, 2n ** 60n, float(2 ** 60)])),
    new Set([1, 2n ** 60n, 2 ** 60]),
  );
  const many = Array.from({ length: 1000 }, (_, index) => index + 0.5);
  t.deepEqual(roundTrip(new Set(many.map(float))), new Set(many));
  t.deepEqual(roundTrip(new Set([new Meters()])), new Set([7]));
  const twice = many.flatMap((each) => [each, float(each), BigInt(each - 0.5), each - 0.5]);
  t.deepEqual(roundTrip(new Set(twice)), new Set(many.flatMap((each) => [each, each - 0.5])));
  t.deepEqual([...(roundTrip(new Set([1n, 'a', 1])) as Set<unknown>)], [1, 'a']);
  const encoders = [
    { class: Date, toTerm: (date: Date) => date.getTime() },
    ...javascript().encoders,
  ];
  const bytes = encode(new Set([new Date(5)]), { encoders });
  t.deepEqual(decode(bytes, javascript()) as unknown, new Set([5]));
});

test('a set of colliding numbers is refused like a map', (t) => {
  // V8 hashes a BigInt by its lowest digit.
  const members = Array.from({ length: 1000 }, (_, index) => (BigInt(index) << 64n) + 7n);
  const forged = encode(
    tuple(fromErlang("'$set'"), [], new Map(members.map((one, at) => [one, at]))),
  );
  t.throws(() => decode(forged, javascript()), { instanceOf: TermError, message: /collide/ });
  for (const [count, isSet] of [
    [256, true],
    [257, false],
  ] as const) {
    const listed = tuple(fromErlang("'$set'"), members.slice(0, count), new Map());
    t.is((decode(encode(listed), javascript()) as unknown) instanceof Set, isSet);
  }
});

test('the work is linear in the size of a value', (t) => {
  const kinds: [number, (count: number) => unknown][] = [
    [20_000, (count) => new Set(Array.from({ length: count }, (_, index) => index))],
    [20_000, (count) => new Set(Array.from({ length: count }, (_, index) => `a${index}`))],
    [10_000, (count) => Array.from({ length: count }, (_, index) => new Date(index))],
    [500, (count) => new AggregateError(Array.from({ length: count }, () => new Error('x')))],
  ];
  for (const [count, make] of kinds) {
    const [small, large] = [make(count), make(10 * count)];
    // Of the process, because other programs delay a clock.
    const cpuTime = (value: unknown): number => {
      const start = process.cpuUsage();
      roundTrip(value);
      return process.cpuUsage(start).user;
    };
    const best = (value: unknown): number => Math.min(...[1, 2, 3].map(() => cpuTime(value)));
    // Ten times as large. Quadratic work would take a hundred times as long.
    t.true(best(large) < 50 * best(small), String(count));
  }
});

test('calls carry hooked values in both directions', async (t) => {
  const m = {
    next_day: (date: Date, ids: Set<number>) => [new Date(+date + 86_400_000), ids.size],
  };
  const server = await serve(t, { m }, javascript());
  const client = connect(t, server, javascript());
  const result = await client.call('m', 'next_day', [new Date(0), new Set([1, 2])]);
  t.deepEqual(result as unknown, [new Date(86_400_000), 2]);
  t.is(javascript(), javascript());
});

test('both sets of hooks can be combined', (t) => {
  const options = {
    encoders: [...elixir().encoders, ...javascript().encoders],
    revivers: [...elixir().revivers, ...javascript().revivers],
  };
  t.like(decode(encode(new Date(0), options)), { year: 1970 });
  const value = [new Date(5), new Set(['a']), new Float32Array([1])];
  t.deepEqual(decode(encode(value, options), options) as unknown, value);
});

test('errors for values that need hooks suggest the hooks', (t) => {
  for (const [value, name, elixirToo] of [
    [new Date(), 'Date', true],
    [new Set(), 'Set', true],
    [new URL('http://a.b'), 'URL', true],
    [new TypeError(), 'TypeError', false],
    [new Float64Array(1), 'Float64Array', false],
    [new ArrayBuffer(1), 'ArrayBuffer', false],
    [runInNewContext('new Date()'), 'Date', true],
  ] as const) {
    const error = t.throws(() => encode({ at: [value] }), { instanceOf: TermError });
    t.true(error?.message.startsWith(`value.at[0] is an instance of ${name}`), error?.message);
    t.regex(error!.message, /javascript\(\) of 'backwater\/hooks'/);
    t.is(error!.message.includes("elixir() of 'backwater/elixir'"), elixirToo);
  }
  for (const value of [/x/, new WeakMap(), new (class Own {})()]) {
    const error = t.throws(() => encode(value), { instanceOf: TermError });
    t.notRegex(error!.message, /backwater\/hooks/);
  }
});
