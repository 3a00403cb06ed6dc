import { runInNewContext } from 'node:vm';
import test from 'ava';
import {
  Atom,
  atom,
  BitString,
  charlist,
  charlistToString,
  decode,
  encode,
  ExternalFunction,
  Float,
  float,
  ImproperList,
  isTuple,
  Pid,
  Port,
  Reference,
  TermError,
  tuple,
} from '../src/index.js';

const roundTrip = (value: unknown): unknown => decode(encode(value));

test('integers keep their value at every boundary of the format', (t) => {
  const borders = [7n, 8n, 16n, 27n, 28n, 31n, 32n, 53n, 63n, 64n, 65n, 128n, 2040n, 2048n];
  for (const border of borders) {
    for (const delta of [-1n, 0n, 1n]) {
      for (const sign of [1n, -1n]) {
        const big = sign * (2n ** border + delta);
        const safe =
          big >= BigInt(Number.MIN_SAFE_INTEGER) && big <= BigInt(Number.MAX_SAFE_INTEGER);
        t.is(roundTrip(big), safe ? Number(big) : big);
        if (safe) t.deepEqual(encode(Number(big)), encode(big));
      }
    }
  }
});

test('unsafe integers are encoded as floats', (t) => {
  for (const value of [0.5, -0.1, 1e300, 5e-324, 2 ** 53, -(2 ** 60), Number.MAX_VALUE]) {
    t.is(encode(value)[1], 70);
    t.is(roundTrip(value), value);
  }
  t.is(encode(-0)[1], 70);
  t.true(Object.is(roundTrip(-0), -0));
  t.is(encode(float(1))[1], 70);
  t.is(roundTrip(float(1)), 1);
  t.is(encode(0)[1], 97);
});

test('text is encoded as a binary and decoded as text', (t) => {
  const texts = [
    '',
    'a',
    'x'.repeat(300),
    'é',
    'ÿ'.repeat(40),
    'Ā',
    '日本',
    '👍 ok',
    'a\0b',
    '\u{10ffff}',
  ];
  for (const text of texts) {
    t.is(roundTrip(text), text);
    t.deepEqual(encode(text).subarray(6), Buffer.from(text));
  }
  t.deepEqual(roundTrip(texts), texts);
});

test('long texts and many texts survive across chunks', (t) => {
  const long = ['ab'.repeat(50_000), 'éü'.repeat(50_000), '日本'.repeat(50_000)];
  t.deepEqual(roundTrip(long), long);
  const many = Array.from({ length: 20_000 }, (_, index) => `${index} ü 日`.slice(index % 4));
  t.deepEqual(roundTrip(many), many);
});

test('bytes that are not UTF-8 decode to a Buffer by default', (t) => {
  const bytes = Buffer.from([0xff, 0, 1]);
  t.deepEqual(roundTrip(bytes), bytes);
  t.is(roundTrip(Buffer.from('abc')), 'abc');
  t.deepEqual(decode(encode('abc'), { binaries: 'buffer' }), Buffer.from('abc'));
  t.deepEqual(decode(encode(''), { binaries: 'buffer' }), Buffer.alloc(0));
  t.is(decode(encode('abc'), { binaries: 'string' }), 'abc');
  t.throws(() => decode(encode(bytes), { binaries: 'string' }), { instanceOf: TermError });
  t.deepEqual(roundTrip(new Uint8Array([200])), Buffer.from([200]));
});

test('a decoded Buffer is a copy', (t) => {
  const encoded = encode([Buffer.from([255, 1])]);
  const [decoded] = decode(encoded) as [Buffer];
  encoded.fill(0);
  t.deepEqual(decoded, Buffer.from([255, 1]));
});

test('booleans, null and undefined are atoms with those names', (t) => {
  for (const [value, name] of [
    [true, 'true'],
    [false, 'false'],
    [null, 'nil'],
    [undefined, 'undefined'],
  ] as const) {
    t.is(roundTrip(value), value);
    t.deepEqual(encode(value), encode(atom(name)));
    t.is(decode(encode(value), { terms: 'exact' }), atom(name) as never);
  }
});

test('atoms with the same name are the same object', (t) => {
  t.is(atom('ok'), atom('ok'));
  t.not(atom('ok'), atom('OK'));
  t.is(roundTrip(atom('ok')), atom('ok'));
  t.is((roundTrip([atom('日'), atom('日')]) as unknown[])[0], atom('日'));
  t.true(atom('x') instanceof Atom);
  t.is(`${atom('x')}`, 'x');
  t.is(atom('日'.repeat(255)).name.length, 255);
  t.throws(() => atom('x'.repeat(256)), { instanceOf: TermError });
  t.throws(() => atom('\ud800'), { instanceOf: TermError });
});

test('tuples are arrays but not lists', (t) => {
  const value = roundTrip(tuple(atom('ok'), 1)) as unknown[];
  t.true(isTuple(value));
  t.true(isTuple(value, atom('ok'), 2));
  t.false(isTuple(value, atom('ok'), 3));
  t.false(isTuple(value, atom('error')));
  const [tag, number] = value;
  t.is(tag, atom('ok'));
  t.is(number, 1);
  t.false(isTuple(roundTrip([atom('ok'), 1])));
  t.false(isTuple(tuple(), undefined));
  for (const length of [0, 1, 2, 3, 4, 255, 256]) {
    const elements = Array.from({ length }, (_, index) => index);
    const back = roundTrip(tuple(...elements)) as unknown[];
    t.true(isTuple(back));
    t.deepEqual(Array.from(back), elements);
  }
});

test("lists survive, including Erlang's strings", (t) => {
  for (const length of [0, 1, 2, 65_535, 65_536]) {
    const list = Array.from({ length }, (_, index) => index % 256);
    t.deepEqual(roundTrip(list), list);
    if (length > 0) t.is(encode(list)[1], length < 65_536 ? 107 : 108);
  }
  t.deepEqual(roundTrip([1, 256, -1]), [1, 256, -1]);
  t.deepEqual(roundTrip([1, , 2] as unknown[]), [1, undefined, 2]);
  const improper = roundTrip(new ImproperList([1, 'a'], atom('tail'))) as ImproperList;
  t.deepEqual(improper.items, [1, 'a']);
  t.is(improper.tail, atom('tail'));
  t.deepEqual(roundTrip(new ImproperList([1], tuple())), new ImproperList([1], tuple()));
  for (const tail of [[], [2], improper]) {
    t.throws(() => new ImproperList([1], tail), { instanceOf: TermError });
  }
});

test('maps become objects if their keys allow', (t) => {
  t.deepEqual(roundTrip({ a: 1, b: { c: [null] } }), { a: 1, b: { c: [null] } });
  t.deepEqual(decode(encode({ a: 1 }, { objectKeys: 'atom' })), { a: 1 });
  t.deepEqual(
    decode(encode({ a: 1 }, { objectKeys: 'atom' }), { terms: 'exact' }),
    new Map([[atom('a'), 1]]) as never,
  );
  t.deepEqual(
    decode(encode({ a: 1 }), { terms: 'exact' }),
    new Map([[Buffer.from('a'), 1]]) as never,
  );
  t.deepEqual(roundTrip({}), {});
  t.deepEqual(roundTrip(new Map()), {});
  const mixed = new Map<unknown, unknown>([
    ['a', 1],
    [atom('a'), 2],
  ]);
  t.deepEqual(roundTrip(mixed), mixed);
  const late = new Map<unknown, unknown>([
    ['a', [1]],
    ['b', { c: 1 }],
    [3, 'x'],
    [atom('d'), null],
  ]);
  t.deepEqual(roundTrip(late), late);
  const atoms = new Map<unknown, unknown>([
    [true, 1],
    [null, 2],
    [atom('x'), 3],
    ['text', 4],
  ]);
  t.deepEqual(roundTrip(atoms), atoms);
  t.deepEqual(roundTrip(new Map([[null, 1]])), { nil: 1 });
});

test('objects of any size and shape and with odd keys survive', (t) => {
  for (const size of [63, 64, 65, 1000]) {
    const object = Object.fromEntries(
      Array.from({ length: size }, (_, index) => [`k${index}`, index]),
    );
    t.deepEqual(roundTrip(object), object);
    t.deepEqual(decode(encode(object, { objectKeys: 'atom' })), object);
  }
  const odd = { '': 1, 日: 2, 'a\0b': 3, é: 4, ['k'.repeat(300)]: 5, '1': 6, constructor: 7 };
  t.deepEqual(roundTrip(odd), odd);
  const many = Array.from({ length: 3000 }, (_, index) => ({
    [`x${index}`]: 1,
    [`y${index}`]: 'z',
  }));
  t.deepEqual(roundTrip(many), many);
  const same = Array.from({ length: 100 }, (_, index) => ({
    id: index,
    name: `n${index}`,
    ok: true,
  }));
  t.deepEqual(roundTrip(same), same);
});

test('keys from the wire are ordinary own keys', (t) => {
  const hostile = JSON.parse('{"__proto__": {"polluted": true}, "a": 1}') as object;
  for (let round = 0; round < 10; round++) {
    const back = roundTrip(hostile) as Record<string, unknown>;
    t.true(Object.hasOwn(back, '__proto__'));
    t.is(Object.getPrototypeOf(back), Object.prototype);
    t.is(back['polluted'], undefined);
    t.is(back['a'], 1);
  }
  t.is(({} as Record<string, unknown>)['polluted'], undefined);
  const large = Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`k${index}`, 1]));
  Object.defineProperty(large, '__proto__', { value: 5, enumerable: true });
  const back = roundTrip(large) as object;
  t.is(Object.getPrototypeOf(back), Object.prototype);
  t.is(Object.getOwnPropertyDescriptor(back, '__proto__')?.value, 5);
});

test('opaque terms survive a round trip', (t) => {
  const node = atom('node@host');
  const values = [
    new Pid(node, 1, 2, 3),
    new Port(node, 5n, 1),
    new Port(node, 2n ** 40n, 1),
    new Reference(node, 7, [1, 2, 3]),
    new ExternalFunction(atom('lists'), atom('map'), 2),
    new BitString(Buffer.from([0xff, 0xe0]), 3),
  ];
  t.deepEqual(roundTrip(values), values);
  t.deepEqual(decode(encode(values), { terms: 'exact' }), values as never);
});

test('exact mode keeps every type', (t) => {
  const value = decode(encode([float(1), 1, 'a', tuple(), { a: true }]), { terms: 'exact' });
  t.deepEqual(value, [
    new Float(1),
    1,
    Buffer.from('a'),
    tuple(),
    new Map([[Buffer.from('a'), atom('true')]]),
  ] as never);
});

test('deeply nested values do not overflow the stack in either direction', (t) => {
  let list: unknown = [];
  let object: unknown = {};
  let pair: unknown = 'end';
  for (let depth = 1; depth < 1500; depth++) {
    list = [list];
    object = { a: object, b: 'é' };
    pair = tuple(atom('x'), pair, new Map([[1, 'two']]));
  }
  const deep = { maxDepth: 1500 };
  for (const value of [list, object, pair]) {
    const bytes = encode(value, deep);
    t.deepEqual(encode(decode(bytes, deep), deep), bytes);
    t.deepEqual(encode(decode(bytes, { terms: 'exact', ...deep }), deep), bytes);
  }
});

test('decoding and encoding enforce their limits', (t) => {
  const nested = encode([[['a']]]);
  t.deepEqual(decode(nested, { maxDepth: 3 }), [[['a']]]);
  const deep = t.throws(() => decode(nested, { maxDepth: 2 }), { instanceOf: TermError });
  t.regex(deep!.message, /2/);
  const four = encode(['a', 'b', 'c']);
  t.deepEqual(decode(four, { maxTerms: 4 }), ['a', 'b', 'c']);
  t.throws(() => decode(four, { maxTerms: 3 }), { instanceOf: TermError });
  t.is(encode('abc', { maxSize: 9 }).length, 9);
  const large = t.throws(() => encode('abc', { maxSize: 8 }), { instanceOf: TermError });
  t.regex(large!.message, /8/);
});

class Person {
  name = 'x';
}
const cycle: Record<string, unknown> = {};
cycle['list'] = [1, { back: cycle }];

for (const [what, value, path] of [
  ['a function', { a: [() => 1] }, 'value.a[0]'],
  ['a symbol', [Symbol('s')], 'value[0]'],
  ['a date', { user: { born: new Date() } }, 'value.user.born'],
  ['NaN', [1, [NaN]], 'value[1][0]'],
  ['Infinity', { 'a b': -Infinity }, 'value["a b"]'],
  ['an instance', tuple(1, new Person()), 'value[1]'],
  ['a Set', [new Set()], 'value[0]'],
  ['a lone surrogate', ['ok', '\ud800'], 'value[1]'],
  ['two halves of a pair in two strings', ['a\ud83d', '\udc4d'], 'value[0]'],
  ['a lone surrogate in a key', [{ '\udc00': 1 }], 'value[0]'],
  ['a cycle', cycle, 'value.list[1].back'],
  ['a wrong value in a Map', new Map([['k', NaN]]), 'value.get("k")'],
  ['a wrong key in a Map', new Map([[NaN, 1]]), 'value.key(0)'],
  ['a wrong tail', new ImproperList([1], NaN), 'value.tail'],
] as const) {
  test(`the error for ${what} has its path`, (t) => {
    const error = t.throws(() => encode(value), { instanceOf: TermError });
    t.true(error!.message.includes(path), error!.message);
    t.is(error!.code, 'ERR_BACKWATER_TERM');
    t.is(encode('fine').length, 10);
  });
}

test('a repeated value is not a cycle', (t) => {
  const shared = { a: 1 };
  let deep: unknown = [shared, shared];
  for (let depth = 0; depth < 900; depth++) deep = [deep];
  t.deepEqual(roundTrip([shared, shared]), [shared, shared]);
  t.notThrows(() => encode(deep));
});

test('equal keys of a Map are an error', (t) => {
  const map = new Map<unknown, unknown>([
    ['a', 1],
    [Buffer.from('a'), 2],
  ]);
  t.throws(() => encode(map), { instanceOf: TermError });
});

test('object literals of another realm are maps', (t) => {
  t.deepEqual(roundTrip(runInNewContext('({ a: [1] })')), { a: [1] });
});

test('a getter may call encode', (t) => {
  const nested = Object.defineProperty({ a: 'é' }, 'x', {
    enumerable: true,
    get: () => encode([{ b: 1.5, c: atom('ok') }, 'ü']),
  });
  const inner = Buffer.from(encode([{ b: 1.5, c: atom('ok') }, 'ü']));
  const value = [1.5, nested, atom('ok'), { b: 'ü' }];
  t.deepEqual(roundTrip(value), [1.5, { a: 'é', x: inner }, atom('ok'), { b: 'ü' }]);
});

test('invalid bytes cause a TermError', (t) => {
  for (const bytes of [
    [],
    [131],
    [130, 97, 1],
    [131, 80, 0, 0, 0, 0],
    [131, 108, 255, 255, 255, 255],
  ]) {
    t.throws(() => decode(Buffer.from(bytes)), {
      instanceOf: TermError,
      code: 'ERR_BACKWATER_TERM',
    });
  }
  t.throws(() => decode('text' as never), { instanceOf: TermError });
});

test('charlists are converted to and from text', (t) => {
  t.deepEqual(charlist('hé👍'), [104, 233, 0x1f44d]);
  t.is(charlistToString([104, 233, 0x1f44d]), 'hé👍');
  t.throws(() => charlistToString([0xd800]), { instanceOf: TermError, message: /item 0/ });
  t.throws(() => charlistToString('text'), { instanceOf: TermError, message: /not 'text'/ });
  t.throws(() => charlist('\ud800'), { instanceOf: TermError });
});

test('long text of every script survives, and lone surrogates in it are refused', (t) => {
  for (const script of ['plain ', 'größe ', '日本語', 'a😀é', '\u{10ffff}', 'x'.repeat(63) + 'ÿ']) {
    for (const count of [1, 4095, 4096, 4097, 20_000]) {
      const text = script.repeat(Math.ceil(count / script.length));
      const value = ['', text, 'x', `${text}ß`, { [`k${script}`]: text }];
      t.deepEqual(decode(encode(value)), value);
      t.throws(() => encode([text, { a: `${text}\ud800` }]), {
        message: /value\[1\]\.a.*surrogate/,
      });
      t.throws(() => encode([`${text}\ud83d`, `\ude00${text}`]), {
        message: /value\[0\].*surrogate/,
      });
    }
  }
});

test('lists and tuples keep their items when the kind changes between them', (t) => {
  const kinds: readonly unknown[] = [7, -1.5, 2 ** 40, 'text', null, [1.5, 2], tuple(0.5, 1)];
  for (const length of [1, 2, 3, 4, 5, 8, 9, 17, 100]) {
    for (const first of kinds) {
      for (const second of kinds) {
        for (const border of [0, 1, 2, length - 1, length]) {
          const items = Array.from({ length }, (_, index) => (index < border ? first : second));
          t.deepEqual(decode(encode(items)), items);
          t.deepEqual(decode(encode(tuple(...items))), tuple(...items));
        }
      }
    }
  }
});

test('a surrogate pair split between two keys is refused', (t) => {
  for (const objectKeys of ['binary', 'atom'] as const) {
    const value = [{ 'a\ud83d': 1, '\udc4dé': 2 }];
    t.throws(() => encode(value, { objectKeys }), { message: /^value\[0\] .*lone surrogate/ });
  }
});
