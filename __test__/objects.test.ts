import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import test, { type ExecutionContext } from 'ava';
import fc from 'fast-check';
import { atom, decode, encode, TermError, tuple } from '../src/index.js';
import { key, leaf, objectOf, value } from './support/arbitraries.js';
import { imageOf, same } from './support/images.js';
import { hold } from './support/properties.js';
import { root } from './support/vectors.js';

const roundTrip = (input: unknown): unknown => decode(encode(input));
const plain = (input: unknown): unknown => imageOf(input, { terms: 'js', objectKeys: 'binary' });

const DEPTHS = [0, 1, 300];

function nest(input: unknown, depth: number): unknown {
  return depth === 0 ? input : nest([input], depth - 1);
}

function refused(t: ExecutionContext, input: unknown, message: RegExp): void {
  for (const depth of DEPTHS) {
    t.throws(() => encode(nest(input, depth)), { instanceOf: TermError, message });
    t.deepEqual(roundTrip([1.5, 'fine', { a: 1 }]), [1.5, 'fine', { a: 1 }] as never);
  }
}

function accepted(t: ExecutionContext, input: unknown, expected: unknown): void {
  for (const depth of DEPTHS) {
    t.true(same(roundTrip(nest(input, depth)), nest(expected, depth)));
  }
}

test('getters are read as values', (t) => {
  const accessor = {
    get a() {
      return [1.5];
    },
    set b(_: number) {},
    c: 'x',
  };
  for (let round = 0; round < 10; round++) encode({ a: round, b: round, c: round });
  accepted(t, accessor, { a: [1.5], b: undefined, c: 'x' });
});

test('a getter may return another type each time', (t) => {
  const values = [1, 1.5, 'text', null, { a: 1 }, [1, 2], 2n ** 70n, true, undefined, atom('x')];
  let reads = 0;
  const object = {
    first: 1,
    get second() {
      return values[reads++ % values.length];
    },
    third: 'three',
  };
  for (let round = 0; round < 5 * values.length; round++) {
    const expected = values[reads % values.length];
    t.true(same(roundTrip(object), { first: 1, second: expected, third: 'three' }));
  }
});

test('proxies of objects, arrays and tuples are encoded', (t) => {
  hold(
    fc.property(fc.array(fc.tuple(key, leaf), { maxLength: 5 }), (pairs) => {
      const object = objectOf(pairs);
      const list = pairs.map(([, item]) => item);
      const input = [new Proxy(object, {}), new Proxy(list, {}), new Proxy(tuple(...list), {})];
      return same(roundTrip(input), plain([object, list, tuple(...list)]));
    }),
  );
  const { proxy, revoke } = Proxy.revocable({ a: 1 }, {});
  revoke();
  t.throws(() => encode([1, proxy]), {
    instanceOf: TermError,
    message: 'value[1] is a revoked Proxy',
  });
  t.is(roundTrip('fine'), 'fine');
});

const MEDDLING: Readonly<Record<string, (self: Record<string, unknown>, all: unknown[]) => void>> =
  {
    'deletes the next key': (self) => delete self['z'],
    'adds a key': (self) => (self['more'] = 1),
    'changes the type of the next value': (self) => (self['z'] = { nested: [1.5] }),
    'empties the array': (_, all) => (all.length = 0),
    'lengthens the array': (_, all) => all.push(1, 'two', [3]),
    'replaces the next item': (_, all) => (all[2] = 2n ** 70n),
    'removes the prototype': (self) => Object.setPrototypeOf(self, null),
    'freezes all': (self, all) => Object.freeze([Object.freeze(self), Object.freeze(all)]),
    'adds to the map': (_, all) => (all[3] as Map<unknown, unknown>).set('added', 1),
  };

for (const [what, meddle] of Object.entries(MEDDLING)) {
  test(`encoding survives a getter that ${what}`, (t) => {
    for (const depth of DEPTHS) {
      const all: unknown[] = [];
      const self = { a: 1, z: 2 };
      Object.defineProperty(self, 'm', {
        enumerable: true,
        configurable: true,
        get: () => (meddle(self, all), 'met'),
      });
      all.push('one', self, 'two', new Map([['key', 1]]));
      const result = roundTrip([0.5, nest(all, depth), 'end']) as unknown[];
      t.is(result[0], 0.5);
      t.is(result[2], 'end');
      t.true(same(roundTrip([{ a: 1, z: 2 }, 'x']), [{ a: 1, z: 2 }, 'x']));
    }
  });
}

test('a Map that changes during encoding is encoded or refused', (t) => {
  for (const change of [
    (map: Map<unknown, unknown>) => map.set('late', 1),
    (map: Map<unknown, unknown>) => map.delete('last'),
    (map: Map<unknown, unknown>) => map.clear(),
  ]) {
    const map = new Map<unknown, unknown>();
    map.set('first', {
      get a() {
        change(map);
        return 1;
      },
    });
    map.set('last', 2);
    try {
      const [one, two, three] = roundTrip(['one', map, 'three']) as unknown[];
      t.is(one, 'one');
      t.is((two as { first: { a: number } }).first.a, 1);
      t.is(three, 'three');
    } catch (error) {
      t.true(error instanceof TermError);
    }
    t.is(roundTrip(5), 5);
  }
});

test('errors of getters are passed on unchanged', (t) => {
  for (const depth of DEPTHS) {
    for (const thrown of [new RangeError('mine'), new TypeError('mine'), 'text', null]) {
      const object = {
        a: 1.5,
        get b(): unknown {
          throw thrown;
        },
      };
      try {
        encode(nest([object, 'x'], depth));
        t.fail();
      } catch (error) {
        t.is(error, thrown);
      }
      t.true(same(roundTrip({ a: 1.5, b: 2 }), { a: 1.5, b: 2 }));
    }
  }
});

test('a getter may decode and encode', (t) => {
  const bytes = encode([{ a: 'inner', b: 0.5 }, '日本', atom('inside')]);
  const object = {
    before: [1.5, 'é', atom('around')],
    get decoded() {
      return decode(bytes);
    },
    get encoded() {
      return encode([{ a: 'inner', b: 0.5 }, '日本', atom('around')]).length;
    },
    after: ['日', 2.5, atom('around')],
  };
  const expected = {
    before: [1.5, 'é', atom('around')],
    decoded: [{ a: 'inner', b: 0.5 }, '日本', atom('inside')],
    encoded: encode([{ a: 'inner', b: 0.5 }, '日本', atom('around')]).length,
    after: ['日', 2.5, atom('around')],
  };
  accepted(t, [object, object], [expected, expected]);
});

test('only own, enumerable string keys are encoded', (t) => {
  hold(
    fc.property(fc.uniqueArray(key, { maxLength: 6 }), value, value, (keys, shown, hidden) => {
      const object = objectOf(keys.map((name) => [name, shown]));
      const image = plain(object);
      Object.defineProperty(object, 'hidden key', { value: hidden, enumerable: false });
      Object.defineProperty(object, Symbol('key'), { value: () => 1, enumerable: true });
      return same(roundTrip(object), image);
    }),
  );
  t.pass();
});

test('objects with many keys are encoded like any others', (t) => {
  const some = fc.uniqueArray(key, { maxLength: 4 });
  hold(
    fc.property(some, some, fc.integer({ min: 60, max: 70 }), leaf, (first, last, count, item) => {
      const filling = Array.from({ length: count }, (_, index) => `filling ${index}`);
      const keys = [...new Set([...first, ...filling, ...last])];
      const small = objectOf(first.map((name) => [name, item]));
      const large = objectOf(keys.map((name, index) => [name, index % 3 === 0 ? item : index]));
      const outer = objectOf(keys.map((name, index) => [name, index % 9 === 0 ? large : small]));
      const input = [small, large, small, outer, [small], large];
      const twice = [roundTrip(input), roundTrip(input)];
      return same(twice, [plain(input), plain(input)]);
    }),
  );
  t.pass();
});

test('frozen, sealed and non-extensible objects are encoded like any others', (t) => {
  for (const fix of [Object.freeze, Object.seal, Object.preventExtensions]) {
    const value = { a: fix([1, fix({ b: 'x' })]), c: fix(tuple(fix(new Map([['k', 1.5]])))) };
    accepted(t, fix(value), plain(value));
  }
});

test('properties of Object.prototype are neither encoded nor called', (t) => {
  const prototype = Object.prototype as Record<string, unknown>;
  const calls: unknown[] = [];
  const remember = (item: unknown): void => {
    calls.push(item);
  };
  const wide = objectOf(Array.from({ length: 80 }, (_, index) => [`k${index}`, index]));
  const inputs = [
    { own: 1, trap: 2, fixed: 3 },
    { ...wide, trap: 2, fixed: 3 },
    { trap: 1, é: 2 },
  ];
  const encoded = inputs.map((input) => encode(input));
  let decoded: unknown[] = [];
  let again: Buffer[] = [];
  Object.defineProperties(prototype, {
    inherited: { value: 1, enumerable: true, configurable: true },
    fixed: { value: 1, writable: false, configurable: true },
    trap: { set: remember, get: () => 1, configurable: true },
  });
  try {
    decoded = Array.from({ length: 8 }, () => encoded.map((bytes) => decode(bytes)));
    again = inputs.map((input) => encode(input));
  } finally {
    for (const name of ['inherited', 'fixed', 'trap']) delete prototype[name];
  }
  t.deepEqual(again, encoded);
  t.deepEqual(calls, []);
  for (const round of decoded) t.true(same(round, inputs));
});

test('frozen prototypes do not affect decoding', (t) => {
  const program = `
    import { decode, encode } from 'backwater';
    import { isDeepStrictEqual } from 'node:util';
    for (const prototype of [Object, Array, Map].map((kind) => kind.prototype)) Object.freeze(prototype);
    const objects = [
      { constructor: 1, toString: 2, a: 3 },
      JSON.parse('{"__proto__": 1, "valueOf": 2, "é": 3}'),
      Object.fromEntries([...Array(80).keys(), 'toString'].map((key) => ['k' + key, 1])),
      Object.fromEntries([...Array(80).keys()].map((key) => ['k' + key, 1]).concat([['toString', 1]])),
    ];
    for (let round = 0; round < 8; round++) {
      if (!isDeepStrictEqual(decode(encode(objects)), objects)) throw new Error('not the same');
    }`;
  const build = new URL('../src/index.js', import.meta.url).href;
  const { status, stderr } = spawnSync(
    process.execPath,
    ['--input-type=module', '--eval', program.replace("'backwater'", JSON.stringify(build))],
    { cwd: join(root), encoding: 'utf8', timeout: 240_000 },
  );
  t.is(status, 0, stderr);
});

class Person {
  name = 'x';
}

for (const [what, input] of [
  ['an instance of a class', new Person()],
  ['an object that inherits from another', Object.create({ a: 1 })],
  ['an object that inherits from one without prototype', Object.create(Object.create(null))],
  ['a Date', new Date(0)],
  ['a RegExp', /x/],
  ['an Error', new Error('x')],
  ['a Promise', Promise.resolve(1)],
  ['a Set', new Set([1])],
  ['a WeakMap', new WeakMap()],
  ['a boxed string', new String('x')],
  ['a boxed number', new Number(1)],
  ['a boxed boolean', new Boolean(true)],
  ['a boxed bigint', Object(1n)],
  ['an ArrayBuffer', new ArrayBuffer(2)],
  ['a DataView', new DataView(new ArrayBuffer(2))],
  ['an Int8Array', new Int8Array(2)],
  ['a Uint8ClampedArray', new Uint8ClampedArray(2)],
  ['a Uint16Array', new Uint16Array(2)],
  ['a Float64Array', new Float64Array(2)],
  ['a BigInt64Array', new BigInt64Array(2)],
  ['a URL', new URL('http://localhost')],
  ['an iterator', [1].values()],
  ['an instance of a class of another realm', runInNewContext('new (class Other {})')],
  ['a Date of another realm', runInNewContext('new Date()')],
] as const) {
  test(`${what} is not a term at any depth`, (t) => {
    refused(t, input, /cannot be encoded as a term/);
    refused(t, { a: 1.5, b: input }, /\.b is /);
    refused(t, new Map<unknown, unknown>([[input, 1]]), /key\(0\) is /);
  });
}

for (const [what, input] of [
  ['a function', () => 1],
  ['a symbol', Symbol('x')],
  ['NaN', NaN],
  ['infinity', Infinity],
] as const) {
  test(`${what} is not a term at any depth`, (t) => {
    for (let round = 0; round < 10; round++) encode({ a: 1, b: round });
    refused(t, { a: 1, b: input }, /\.b is /);
    refused(t, [1, input], /\[1\] is /);
  });
}

test('objects and arrays of another realm are encoded', (t) => {
  const foreign: unknown = runInNewContext(
    `({ a: [1, [], { b: 1.5 }], c: Object.create(null), d: 'é', __proto__: Object.prototype })`,
  );
  for (const depth of DEPTHS) {
    const result = roundTrip(nest(foreign, depth));
    t.true(same(result, nest({ a: [1, [], { b: 1.5 }], c: {}, d: 'é' }, depth)));
  }
});

test('arrays with holes or extra properties and of subclasses are lists', (t) => {
  class List extends Array<unknown> {
    more = NaN;
  }
  const sparse: unknown[] = [];
  sparse[3] = 'x';
  accepted(t, sparse, [undefined, undefined, undefined, 'x']);
  accepted(t, new Array(5), Array.from({ length: 5 }));
  accepted(t, Object.assign([1, 2], { more: () => 1, '-1': NaN }), [1, 2]);
  accepted(t, List.from([1, 'two', [3]]), [1, 'two', [3]]);
  accepted(t, Object.setPrototypeOf([1], null), [1]);
});

test('a Map of a subclass is a map', (t) => {
  class Dictionary extends Map<unknown, unknown> {
    more = () => 1;
  }
  accepted(t, new Dictionary([['a', [1]]]), { a: [1] });
  accepted(t, Object.assign(new Map([[1, 2]]), { more: Symbol('x') }), new Map([[1, 2]]));
});

test('any Uint8Array is a binary', (t) => {
  class Bytes extends Uint8Array {}
  const content = [255, 1, 2];
  const shared = new Uint8Array(new SharedArrayBuffer(3));
  shared.set(content);
  const resizable = new Uint8Array(new ArrayBuffer(3, { maxByteLength: 9 }));
  resizable.set(content);
  const around = new Uint8Array([9, ...content, 9]).subarray(1, 4);
  for (const input of [Bytes.from(content), shared, resizable, around, Buffer.from(content)]) {
    accepted(t, input, Buffer.from(content));
  }
});

test('lone surrogates are refused everywhere', (t) => {
  const halves = fc.constantFrom('\ud83d', '\udc4d', 'a\ud83d', '\udc4da', '\ud83dé', '日\udc4d');
  const places = fc.constantFrom<(text: string) => unknown>(
    (text) => text,
    (text) => ['x', text],
    (text) => [text, '\udc4d'],
    (text) => ['\ud83d', text],
    (text) => ({ a: 1, b: text }),
    (text) => ({ [text]: 1 }),
    (text) => ({ a: '\ud83d', [text]: 1 }),
    (text) => new Map([[text, 1]]),
    (text) => new Map([[1, text]]),
    (text) => [{ a: text }, { a: '\udc4d' }],
    (text) => ({ [`${text}`]: 1, '\udc4d': 2 }),
  );
  hold(
    fc.property(
      value,
      halves,
      places,
      fc.constantFrom('binary', 'atom'),
      (beside, half, place, objectKeys) => {
        t.throws(() => encode([beside, place(half), beside], { objectKeys }), {
          instanceOf: TermError,
        });
        return same(roundTrip(beside), plain(beside));
      },
    ),
  );
});

test('a Buffer that a getter detaches is refused, and the next value is intact', (t) => {
  for (const depth of [0, 1]) {
    const taken = Buffer.alloc(100_000, 1);
    const object = {
      taken,
      get taking(): string {
        structuredClone(taken.buffer, { transfer: [taken.buffer as ArrayBuffer] });
        return 'done';
      },
    };
    const error = t.throws(() => encode(nest([object, Buffer.from([255])], depth)), {
      instanceOf: TermError,
    });
    t.regex(error.message, /length changed/);
    t.deepEqual(roundTrip([Buffer.from([255]), 'x']), [Buffer.from([255]), 'x']);
  }
});

test('text is intact at the boundary between packed and gathered text', (t) => {
  for (const character of ['x', 'é', '日', '👍']) {
    for (let length = 1; length <= 40; length++) {
      const short = character.repeat(length);
      const values = ['a', short, 'x'.repeat(length), short, { [short]: short, z: 'x'.repeat(17) }];
      t.deepEqual(roundTrip(values), values);
      t.deepEqual(
        (roundTrip(Array.from({ length: 500 }, () => values)) as unknown[]).at(-1),
        values,
      );
    }
  }
});

test('objects with the same keys are always encoded alike', (t) => {
  const keys = ['__proto__', 'constructor', 'a b', "it's", '"', '\\', '0x', 'toString', '${1}'];
  const make = (index: number): Record<string, unknown> =>
    Object.fromEntries(keys.map((name, place) => [name, index + place]));
  for (let index = 0; index < 40; index++) {
    t.deepEqual(Object.entries(roundTrip(make(index)) as object), Object.entries(make(index)));
  }
  for (let index = 0; index < 40; index++) {
    const object: Record<string, unknown> = {
      get first(): string {
        delete object['second'];
        return 'met';
      },
      second: 2,
      third: 3,
    };
    const result = roundTrip(object) as Record<string, unknown>;
    t.is(result['first'], 'met');
    t.is(result['third'], 3);
    t.is(result['second'], undefined);
  }
});

test('objects with a few large indices take little memory', (t) => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const heapOf = (objects: () => unknown): number => {
    collect();
    const before = process.memoryUsage().heapUsed;
    const value = objects();
    collect();
    const taken = process.memoryUsage().heapUsed - before;
    t.is(typeof value, 'object');
    return taken;
  };
  const COUNT = 2000;
  for (const [kind, keysOf] of Object.entries<(index: number) => number[]>({
    'one key': (index) => [1023 - (index % 400)],
    'the same key': () => [499],
    'several shapes': (index) => [1023 - (index % 100), 2400 - Math.floor(index / 100)],
    descending: () => [3000, 2000, 1000],
    'more than 64 keys': (index) =>
      Array.from({ length: 70 }, (_, key) => (index === 0 ? 1 : 17) * key * key),
  })) {
    const count = kind === 'more than 64 keys' ? 20 : COUNT;
    const source = Array.from({ length: count }, (_, index) =>
      keysOf(index).map((key) => [String(key), index]),
    );
    const bytes = encode(source.map((entries) => new Map(entries as [string, number][])));
    const keys = keysOf(0).length;
    const taken = heapOf(() => decode(bytes)) / count;
    t.log(kind, taken);
    t.true(taken < 1000 + 300 * keys, `${kind}: ${taken}`);
    const expected = source.map((entries) => Object.fromEntries(entries) as object);
    t.deepEqual(decode(bytes) as object, expected);
  }
});

test('array indices of any size are ordinary keys', (t) => {
  const FAR = 2 ** 20;
  for (const keys of [
    [FAR, 5, FAR - 1],
    [5, FAR, FAR + 1],
    [FAR],
    [FAR - 1],
    [2 ** 32 - 2, 2 ** 32 - 1, 2 ** 32, 100],
    ['01', '1e3', '100', '9a', '-1', '1000', 'a'],
  ]) {
    for (let round = 0; round < 300; round++) {
      const entries = keys.map((key) => [String(key), round] as const);
      const decoded = decode(encode(new Map(entries)));
      t.deepEqual(decoded as object, Object.fromEntries(entries));
      t.deepEqual(Object.keys(decoded as object), Object.keys(Object.fromEntries(entries)));
    }
  }
});
