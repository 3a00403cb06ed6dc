import { inspect } from 'node:util';
import test from 'ava';
import {
  atom,
  decode,
  encode,
  NativeRecord,
  TermError,
  toElixir,
  toErlang,
  tuple,
} from '../src/index.js';
import { connect, serve } from './support/rpc.js';

/** `#nr:point{x = 10, y = {a, <<"b">>}}`, and `#nr:empty{}`, which is not exported. */
const POINT = Buffer.from('g0MAAAACAXcCbnJ3BXBvaW50dwF4dwF5YQpoAncBYW0AAAABYg==', 'base64');
const EMPTY = Buffer.from('g0MAAAAAAHcCbnJ3BWVtcHR5', 'base64');

const fields = new Map<ReturnType<typeof atom>, never>([
  [atom('x'), 10 as never],
  [atom('y'), tuple(atom('a'), 'b') as never],
]);
const point = new NativeRecord(atom('nr'), atom('point'), fields);
const empty = new NativeRecord(atom('nr'), atom('empty'), new Map(), false);

test('native records survive a round trip', (t) => {
  t.deepEqual(decode(POINT), point);
  t.deepEqual(decode(EMPTY), empty);
  for (const bytes of [POINT, EMPTY]) {
    t.deepEqual(encode(decode(bytes)), bytes);
    t.deepEqual(encode(decode(bytes, { terms: 'exact' })), bytes);
  }
  const nested = [point, { a: empty }, tuple(point, new Map<unknown, unknown>([[empty, 1]]))];
  t.deepEqual(decode(encode(nested)), nested as never);
  const inner = new NativeRecord(atom('nr'), atom('box'), new Map([[atom('of'), point]]));
  t.deepEqual(decode(encode(inner)), inner);
});

test('native records can be created, read and printed', (t) => {
  const record = decode(POINT) as NativeRecord;
  t.true(record instanceof NativeRecord);
  t.is(record.fields.get(atom('x')), 10);
  t.is(record.name, atom('point'));
  t.true(record.exported);
  t.is(toErlang(record), '#nr:point{x = 10,y = {a,<<"b">>}}');
  t.is(toElixir(record), '#nr:point{x = 10, y = {:a, "b"}}');
  t.is(inspect(empty), "new NativeRecord(atom('nr'), atom('empty'), Map(0) {}, false)");
  for (const make of [
    () => new NativeRecord('nr' as never, atom('x'), new Map()),
    () => new NativeRecord(atom('nr'), atom('x'), new Map([['a', 1]]) as never),
  ]) {
    t.throws(make, { instanceOf: TermError });
  }
  const error = t.throws(
    () =>
      encode([new NativeRecord(atom('m'), atom('r'), new Map([[atom('f'), (() => {}) as never]]))]),
    { instanceOf: TermError },
  );
  t.is(error?.path, 'value[0].fields.value(0)');
  const withFields = (count: number): NativeRecord => {
    const names = Array.from({ length: count }, (_, index) => atom(`field${index}`));
    return new NativeRecord(atom('m'), atom('r'), new Map(names.map((name) => [name, 1])));
  };
  t.is((decode(encode(withFields(1024))) as NativeRecord).fields.size, 1024);
  t.throws(() => encode([withFields(1025)]), {
    instanceOf: TermError,
    message: 'value[0] is a NativeRecord with more than 1024 fields',
  });
});

test('calls carry native records', async (t) => {
  const server = await serve(t, { m: { echo: (value: unknown) => value } });
  t.deepEqual(await connect(t, server).call('m', 'echo', [[point, empty]]), [point, empty]);
});

test('local terms are refused by name', (t) => {
  // term_to_binary(42, [local]) of OTP 29.1.
  t.throws(() => decode(Buffer.from([131, 121, 170, 210, 75, 125, 97, 42])), {
    instanceOf: TermError,
    message: /term_to_binary with the option local/,
  });
});
