import { deflateSync } from 'node:zlib';
import test from 'ava';
import { atom, decode, encode, fromErlang, OptionError, TermError } from '../src/index.js';
import { erlangAvailable, startErlangServer } from './interop/erlang.js';
import { connect, secret, serve } from './support/rpc.js';

const withErlang = erlangAvailable() ? test : test.skip;

const COMPRESSED = { compressed: true } as const;
const records = Array.from({ length: 500 }, (_, id) => ({
  id,
  name: `name ${id}`,
  tags: ['a', 'b'],
}));

function claiming(size: number, compressed: Uint8Array): Buffer {
  const head = Buffer.from([131, 80, 0, 0, 0, 0]);
  head.writeUInt32BE(size, 2);
  return Buffer.concat([head, compressed]);
}

test('values survive compression', (t) => {
  const plain = encode(records);
  for (const compressed of [true, 1, 6, 9] as const) {
    const bytes = encode(records, { compressed });
    t.deepEqual([...bytes.subarray(0, 2)], [131, 80]);
    t.true(bytes.length < plain.length / 4);
    t.deepEqual(decode(bytes, COMPRESSED), records);
    t.deepEqual(
      decode(bytes, { ...COMPRESSED, terms: 'exact' }),
      decode(plain, { terms: 'exact' }),
    );
  }
  for (const compressed of [false, 0] as const) t.deepEqual(encode(records, { compressed }), plain);
  t.deepEqual(encode(1, COMPRESSED), encode(1));
  t.is(decode(encode(1), COMPRESSED), 1);
  const bytes = Buffer.alloc(100_000, 7);
  t.deepEqual(decode(encode([bytes], { compressed: 9, markBytes: true }), COMPRESSED), [bytes]);
  const shared = new Uint8Array(new SharedArrayBuffer(1000));
  const written = encode(records, COMPRESSED).subarray(0, 1000);
  shared.set(written);
  t.throws(() => decode(shared, COMPRESSED), { message: /ends too early/ });
  for (const compressed of [10, -1, 1.5, 'yes', null]) {
    t.throws(() => encode(1, { compressed: compressed as never }), { instanceOf: OptionError });
  }
});

test('decode accepts compressed terms only with the option', (t) => {
  const bytes = encode(records, COMPRESSED);
  const error = t.throws(() => decode(bytes), { instanceOf: TermError });
  t.regex(error!.message, /compressed.*option compressed/);
  t.is(error!.offset, 2);
  const inner = bytes.subarray(1);
  const list = Buffer.concat([Buffer.from([131, 108, 0, 0, 0, 1]), inner, Buffer.from([106])]);
  t.throws(() => decode(list, COMPRESSED), { instanceOf: TermError });
  const twice = claiming(inner.length, deflateSync(inner));
  t.throws(() => decode(twice, COMPRESSED), { instanceOf: TermError });
});

test('the inflated size and the ratio are limited', (t) => {
  const bytes = encode(records, COMPRESSED);
  const size = encode(records).length;
  t.deepEqual(decode(bytes, { ...COMPRESSED, maxInflatedSize: size }), records);
  t.throws(() => decode(bytes, { ...COMPRESSED, maxInflatedSize: size - 1 }), {
    instanceOf: TermError,
    message: new RegExp(
      `inflates to ${size} bytes; the limit is ${size - 1} \\(option maxInflatedSize\\)`,
    ),
  });
  const zeros = 'a'.repeat(2_000_000);
  const bomb = encode(zeros, COMPRESSED);
  t.throws(() => decode(bomb, COMPRESSED), {
    instanceOf: TermError,
    message: /more than 256 times its compressed size \(option maxInflatedRatio\)/,
  });
  for (const maxInflatedRatio of [1100, Infinity]) {
    t.is(decode(bomb, { ...COMPRESSED, maxInflatedRatio }), zeros);
  }
  const large = encode('a'.repeat(9 * 2 ** 20), COMPRESSED);
  t.throws(() => decode(large, COMPRESSED), {
    message: /limit is 8388608 \(option maxInflatedSize\)/,
  });
  const huge = claiming(2 ** 32 - 1, deflateSync(Buffer.alloc(10)));
  t.throws(() => decode(huge, COMPRESSED), { message: /maxInflatedSize/ });
});

test('false sizes, truncation and corruption are TermErrors', (t) => {
  const term = encode(records).subarray(1);
  const zlib = deflateSync(term);
  t.deepEqual(decode(claiming(term.length, zlib), COMPRESSED), records);
  t.deepEqual(
    decode(Buffer.concat([claiming(term.length, zlib), Buffer.from('rest')]), COMPRESSED),
    records,
  );
  for (const size of [0, 1, term.length - 1, term.length + 1]) {
    t.throws(() => decode(claiming(size, zlib), COMPRESSED), {
      instanceOf: TermError,
      message: `the compressed term does not inflate to ${size} bytes as its header says`,
    });
  }
  for (const cut of [0, 1, 4, zlib.length >> 1, zlib.length - 5, zlib.length - 1]) {
    t.throws(() => decode(claiming(term.length, zlib.subarray(0, cut)), COMPRESSED), {
      instanceOf: TermError,
      message: /ends too early/,
    });
  }
  t.throws(() => decode(Buffer.from([131, 80, 0, 0]), COMPRESSED), { message: /ends too early/ });
  t.throws(() => decode(claiming(5, Buffer.from('no zlib')), COMPRESSED), { message: /corrupt/ });
});

test('compressed terms from Erlang are decoded', (t) => {
  const map = fromErlang(`#{a => <<"${'abc'.repeat(50)}">>}`);
  for (const text of [
    'g1AAAACkeNorYWBgYExhYEzMBTKmJSYlD0IEAE/mO6s=',
    'g1AAAACkeAErYWBgYExhYEzMBTKmJSYlD0IEAE/mO6s=',
  ]) {
    t.deepEqual(decode(Buffer.from(text, 'base64'), COMPRESSED), map);
  }
});

withErlang("Erlang and encode read each other's compressed terms", async (t) => {
  const server = await startErlangServer({ secret });
  t.teardown(() => server.close());
  const client = connect(t, server);
  for (const value of [records, 'x'.repeat(5000), [1, 2.5, atom('ok')], 7]) {
    for (const level of [1, 6, 9]) {
      const written = encode(value, { compressed: level });
      t.deepEqual(await client.call('erlang', 'binary_to_term', [written]), value as never);
    }
    const erlangs = await client.call('erlang', 'term_to_binary', [value, [atom('compressed')]], {
      binaries: 'buffer',
    });
    t.deepEqual(decode(erlangs as Uint8Array, COMPRESSED), value as never);
  }
});

test('calls refuse compressed terms and the options for them', async (t) => {
  const server = await serve(t, { m: { echo: (value: unknown) => value } });
  t.throws(() => connect(t, server, { compressed: true } as never), { instanceOf: OptionError });
  const client = connect(t, server);
  await t.throwsAsync(client.call('m', 'echo', [1], { compressed: true } as never), {
    instanceOf: OptionError,
  });
});
