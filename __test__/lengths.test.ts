import test from 'ava';
import {
  atom,
  BitString,
  decode,
  encode,
  encodeRequest,
  SizeError,
  TermError,
  tuple,
} from '../src/index.js';
import { connect, secret, serve } from './support/rpc.js';

const target = { url: 'http://127.0.0.1:1', secret };

const arrayOf = (length: number): unknown[] => {
  const array: unknown[] = [];
  array.length = length;
  return array;
};

for (const [what, make] of [
  ['2^28 bytes', () => Buffer.allocUnsafeSlow(2 ** 28)],
  ['2^28 + 5 bytes', () => new Uint8Array(2 ** 28 + 5)],
  ['2^32 bytes', () => new Uint8Array(2 ** 32)],
  ['2^28 characters', () => 'x'.repeat(2 ** 28)],
  ['2^28 wide characters', () => '日'.repeat(2 ** 28)],
  ['the most characters of V8', () => 'x'.repeat(2 ** 29 - 24)],
  ['2^28 items', () => arrayOf(2 ** 28)],
  ['the most items of an array', () => arrayOf(2 ** 32 - 1)],
] as const) {
  test(`a value of ${what} is refused with its path and the limit`, (t) => {
    let value: unknown;
    try {
      value = make();
    } catch {
      t.log('not possible in this version of Node, or on this machine');
      t.pass();
      return;
    }
    const error = t.throws(() => encode([value]), { instanceOf: TermError })!;
    t.is(error.path, 'value[0]');
    t.regex(error.message, /268435455 bytes \(option maxSize\)$/);
    const size = t.throws(() => encodeRequest(target, 'm', 'f', [value]), {
      instanceOf: SizeError,
    })!;
    t.like(size, { option: 'maxEncodedArgsSize', limit: 8_388_608, path: 'args[0]' });
    t.is(decode(encode('fine')), 'fine');
  });
}

test('integers with too many bytes are refused', (t) => {
  const value = 1n << BigInt(2 ** 30 - 1);
  for (const integer of [value, -value]) {
    t.throws(() => encode([integer]), {
      instanceOf: TermError,
      message: 'value[0] is an integer of more than 134217727 bytes',
    });
  }
});

test('tuples with too many elements are refused', (t) => {
  const elements = arrayOf(2 ** 24);
  const value = Object.assign(elements, tuple());
  t.throws(() => encode([value]), {
    instanceOf: TermError,
    message: 'value[0] has 16777216 items; at most 16777215 can be encoded',
  });
});

test('the error names the value that exceeds the limit', (t) => {
  const half = Buffer.allocUnsafeSlow(2 ** 27);
  const bytes = t.throws(() => encode({ a: [half, 'x', half] }), { instanceOf: TermError })!;
  t.is(bytes.path, 'value.a[2]');
  const text = 'y'.repeat(15_000);
  const texts = t.throws(() => encode([text, [text]], { maxSize: 20_000 }), {
    instanceOf: TermError,
  })!;
  t.is(texts.path, 'value[1][0]');
  const atoms = Array.from({ length: 100 }, (_, index) => atom(`${'n'.repeat(250)}${index}`));
  t.throws(() => encode(atoms, { maxSize: 20_000 }), { instanceOf: TermError, message: /20000/ });
});

test('maxSize limits the encoding', (t) => {
  const times = (length: number, make: (index: number) => unknown): unknown[] =>
    Array.from({ length }, (_, index) => make(index));
  const values = [
    'x'.repeat(5000),
    'é'.repeat(5000),
    '日'.repeat(5000),
    times(300, (index) => `a text of some length, ${index}`),
    Buffer.alloc(70_000, 1),
    times(1000, () => 0.5),
    [0.5, ...times(1000, () => [])],
    times(1000, () => 2 ** 30),
    times(1000, () => 2 ** 50),
    times(3000, () => []),
    times(3000, () => 300),
    times(1000, (index) => ({ id: index, name: 'n' })),
    times(300, (index) => atom(`atom ${index}`)),
    times(1000, (index) => tuple(index, null)),
    2n ** 80_000n,
    new BitString(Buffer.alloc(3000, 255), 3),
    Object.fromEntries(times(500, (index) => [`key ${index}`, index]) as [string, number][]),
    new Map(times(500, (index) => [index, [index]]) as [number, number[]][]),
  ];
  for (const value of values) {
    const { length } = encode(value);
    t.is(encode(value, { maxSize: length }).length, length);
    const message = new RegExp(String(length - 1));
    t.throws(() => encode(value, { maxSize: length - 1 }), { instanceOf: TermError, message });
  }
});

test('arguments over the limit are a SizeError with the path', async (t) => {
  const server = await serve(t, { m: { size: (value: Buffer) => value.length } });
  const client = connect(t, server);
  const args = [{ large: Buffer.alloc(9_000_000) }];
  const error = await t.throwsAsync(client.call('m', 'size', args), { instanceOf: SizeError });
  t.like(error, { option: 'maxEncodedArgsSize', limit: 8_388_608, path: 'args[0].large' });
  t.is(await client.call('m', 'size', [Buffer.alloc(8_000_000, 255)]), 8_000_000);
});
