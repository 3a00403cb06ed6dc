import test from 'ava';
import fc from 'fast-check';
import {
  atom,
  decode,
  encode,
  ExternalFunction,
  Float,
  ImproperList,
  TermError,
  tuple,
} from '../src/index.js';
import { double, funOf, integer, leaf, objectOf } from './support/arbitraries.js';
import { imageOf, same } from './support/images.js';
import { hold } from './support/properties.js';

const TERMS = ['js', 'exact'] as const;

function returns(input: unknown): boolean {
  const encoded = encode(input);
  return TERMS.every((terms) => {
    const image = imageOf(input, { terms, objectKeys: 'binary' });
    return same(decode(encoded, { terms }), image);
  });
}

const around = (...borders: number[]): number[] =>
  borders.flatMap((border) => [-2, -1, 0, 1, 2].map((delta) => border + delta));

/** Lengths where the format or the tape changes form. */
const LENGTHS = [0, 1, 2, ...around(64, 256, 4096, 65_536)];
const LONG = around(2 ** 20);

for (const character of ['a', 'é', '日', '👍']) {
  test(`${character} survives in text of any length`, (t) => {
    for (const length of [...LENGTHS, ...LONG]) {
      const text = character.repeat(length);
      t.is(decode(encode(text)), text);
      t.is(encode(text).length, 6 + Buffer.byteLength(text));
    }
  });
}

test('binaries of any length survive', (t) => {
  for (const length of LENGTHS) {
    const bytes = Buffer.alloc(length, 0xff);
    const [result, end] = decode(encode([bytes, 'end']), { binaries: 'buffer' }) as Buffer[];
    t.true(bytes.equals(result!));
    t.is(String(end), 'end');
  }
});

test('binaries after a large one keep their position', (t) => {
  for (const length of [65_535, 65_536, 262_143, 262_144, 262_145]) {
    const large = Buffer.alloc(length, 0xfe);
    t.true(returns([Buffer.of(1, 255), large, Buffer.of(2, 255), large, 'end']));
  }
});

test('chunks of text do not split surrogate pairs', (t) => {
  for (const border of [65_536, 131_072, 2 ** 20]) {
    for (let before = border - 4; before <= border + 2; before++) {
      for (const filler of ['x', 'é', '日']) {
        const count = Math.ceil(before / 1000);
        const head = filler.repeat(before - 1000 * (count - 1));
        const small = Array.from({ length: count - 1 }, () => filler.repeat(1000));
        const tail = ['👍', 'é👍', 'x', '日', '👍👍', ''];
        t.true(same(decode(encode([...small, head, ...tail])), [...small, head, ...tail]));
        const long = `${filler.repeat(before)}👍é👍`;
        t.true(same(decode(encode(['a', long, ...tail])), ['a', long, ...tail]));
      }
    }
  }
});

test('mixed kinds of text over many chunks survive', (t) => {
  hold(
    fc.property(
      fc.array(
        fc.tuple(
          fc.constantFrom('x', 'é', '日', '👍', 'x👍', 'é日', 'ÿĀ'),
          fc.constantFrom(1, 2, 7, 100, 5000, 32_767, 32_768, 65_535, 65_536),
        ),
        { minLength: 2, maxLength: 5 },
      ),
      (parts) => {
        const texts = parts.map(([unit, count]) =>
          unit.repeat(count).slice(0, 66_000).toWellFormed(),
        );
        return same(decode(encode(texts)), texts);
      },
    ),
  );
  t.pass();
});

test('atoms of any valid length survive', (t) => {
  for (const character of ['a', 'é', '日', '👍']) {
    for (const length of [1, 63, 64, 127, 128, 254, 255]) {
      const name = character.repeat(length);
      t.is(decode(encode(atom(name))), atom(name));
      t.deepEqual(decode(encode({ [name]: 1 }, { objectKeys: 'atom' })), { [name]: 1 });
    }
    const long = character.repeat(256);
    t.throws(() => atom(long), { instanceOf: TermError });
    t.throws(() => encode({ [long]: 1 }, { objectKeys: 'atom' }), { instanceOf: TermError });
    t.deepEqual(decode(encode({ [long]: 1 })), { [long]: 1 });
  }
});

test('integers of any number of bytes survive', (t) => {
  for (const bytes of [1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 254, 255, 256, 257, 5000]) {
    const border = 1n << BigInt(bytes * 8);
    for (const magnitude of [border - 1n, border, border + 1n, border >> 1n, (border >> 1n) - 1n]) {
      t.true(returns([magnitude, -magnitude]));
    }
  }
});

test('lists and tuples of any length survive', (t) => {
  for (const length of LENGTHS) {
    const items = Array.from({ length }, (_, index) => index % 256);
    const mixed = Array.from({ length }, (_, index) => (index % 3 === 0 ? 0.5 : index));
    t.true(same(decode(encode(items)), items));
    t.true(same(decode(encode(mixed)), mixed));
    t.true(
      same(decode(encode(tuple(...items.slice(0, 70_000)))), tuple(...items.slice(0, 70_000))),
    );
    if (length > 0) {
      const improper = new ImproperList(items, atom('end'));
      t.true(same(decode(encode(improper)), improper));
    }
  }
});

/** Runs of one kind may be packed. */
const kinds = fc.constantFrom<(index: number) => unknown>(
  (index) => index,
  (index) => index - 128,
  (index) => index * 2 ** 26,
  (index) => index + 0.5,
  (index) => -index - 0.25,
  (index) => new Float(index),
  (index) => 2n ** 64n + BigInt(index),
  (index) => `text ${index}`,
  (index) => String.fromCodePoint(0x4e00 + index),
  (index) => index % 2 === 0,
  () => null,
  (index) => atom(`a${index % 5}`),
  (index) => Buffer.of(255, index & 255),
  (index) => ({ id: index, name: `n${index}` }),
  (index) => [index, index + 0.5],
  (index) => tuple(atom('ok'), index),
);

test('long runs of one kind with a single other item survive', (t) => {
  const lengths = fc.oneof(
    fc.nat({ max: 40 }),
    fc.constantFrom(...around(64, 128, 256, 1024, 4096).filter((length) => length > 0)),
  );
  hold(
    fc.property(
      kinds,
      lengths,
      fc.nat(),
      fc.oneof(leaf, integer, double),
      (kind, length, place, odd) => {
        const run = Array.from({ length }, (_, index) => kind(index));
        const broken = run.toSpliced(place % (length + 1), 0, odd);
        return returns([run, broken, tuple(...run), new ImproperList(broken, 0.5)]);
      },
    ),
  );
  t.pass();
});

test('objects with any number of keys survive, alone and in lists', (t) => {
  const sizes = [0, 1, 2, 8, 31, 32, 33, 63, 64, 65, 66, 127, 128, 255, 256, 1023, 1024];
  const objects = sizes.map((size) =>
    objectOf(Array.from({ length: size }, (_, index) => [`k${index}`, index])),
  );
  for (let round = 0; round < 6; round++) {
    for (const object of objects) t.true(returns(object));
    t.true(returns(objects));
  }
});

test('keys of any length survive', (t) => {
  for (const length of [1, 2, 254, 255, 256, 257, 65_535, 65_536]) {
    for (const character of ['k', 'é', '日']) {
      const name = character.repeat(length);
      for (let round = 0; round < 6; round++) t.true(returns([{ [name]: round, a: name }]));
    }
  }
});

test('more shapes than the decoder remembers survive, in one message and over many', (t) => {
  for (const count of [2047, 2049, 4097, 20_000]) {
    const objects = Array.from({ length: count }, (_, index) => ({
      [`s${count}_${index}`]: index,
      b: 1,
    }));
    const bytes = encode([objects, objects.toReversed()]);
    t.true(same(decode(bytes), [objects, objects.toReversed()]));
    t.true(encode(decode(bytes, { terms: 'exact' })).equals(bytes));
  }
  for (let index = 0; index < 20_000; index++) {
    const object = { [`m${index}`]: index, same: 'é', [`n${index % 7}`]: 0.5 };
    if (!same(decode(encode(object)), object)) t.fail(`message ${index}`);
  }
  t.true(returns({ a: 1, b: 'two' }));
});

test('more atoms than the initial tables hold survive', (t) => {
  const atoms = Array.from({ length: 5000 }, (_, index) => atom(`atom number ${index}`));
  const result = decode(encode([...atoms, ...atoms.toReversed()])) as unknown[];
  t.true(result.every((item, index) => item === [...atoms, ...atoms.toReversed()][index]));
});

/** Around depths where recursion may change. */
const DEPTHS = [200, 201, 202, 400, 401, 402];

const CONTAINERS: Readonly<Record<string, (inner: unknown) => unknown>> = {
  lists: (inner) => [1, inner, 'after'],
  tuples: (inner) => tuple(0.5, inner, atom('after')),
  'pairs of a tuple': (inner) => tuple(atom('ok'), inner),
  objects: (inner) => ({ before: 1, inner, after: 'é' }),
  'objects without a shape': (inner) => ({ 日: 1, inner, after: 2n ** 64n }),
  'objects of many keys': (inner) =>
    objectOf([
      ...Array.from({ length: 70 }, (_, index) => [`k${index}`, 1] as const),
      ['inner', inner],
    ]),
  'values of a Map': (inner) =>
    new Map<unknown, unknown>([
      ['a', 1],
      [2, inner],
      [atom('z'), 3],
    ]),
  'keys of a Map': (inner) => new Map<unknown, unknown>([[inner, 1]]),
  'improper lists': (inner) =>
    new ImproperList([inner, new ExternalFunction(atom('m'), atom('f'), 1)], 'end'),
};

/** These take seconds at ten thousand levels. */
const COSTLY = new Set(['keys of a Map', 'objects of many keys']);

for (const [what, wrap] of Object.entries(CONTAINERS)) {
  test(`nested ${what} of any depth survive`, (t) => {
    for (const depth of [...DEPTHS, 900]) {
      if (COSTLY.has(what) && depth > 1000) continue;
      let input: unknown = ['innermost'];
      for (let level = 0; level < depth; level++) input = wrap(input);
      const bytes = encode(input);
      for (const terms of TERMS) {
        t.true(encode(decode(bytes, { terms })).equals(bytes), `${terms} ${depth}`);
      }
      // Deep equality itself recurses.
      if (depth < 300 && !what.startsWith('keys')) t.true(returns(input), String(depth));
    }
  });
}

test('nested closures of any depth survive', (t) => {
  for (const depth of [1, 2, 100, 101, 200, 201]) {
    let input: unknown = [1];
    for (let level = 0; level < depth; level++)
      input = funOf(1, 'm', ['x', [input, 0.5], { a: 1.5 }]);
    const bytes = encode([input, 0.5, 'x', atom('true')]);
    t.true(encode(decode(bytes, { terms: 'exact' })).equals(bytes));
    const result = decode(bytes) as unknown[];
    t.deepEqual(result.slice(1), [0.5, 'x', true]);
    t.true(encode(result).equals(bytes));
  }
});

test('invalid values and cycles are refused with their path at any depth', (t) => {
  for (const depth of DEPTHS) {
    for (const [wrong, message] of [
      [NaN, /is NaN/],
      ['\ud800', /lone surrogate/],
      [() => 1, /is a function/],
    ] as const) {
      let input: unknown = { wrong };
      for (let level = 1; level < depth; level++) input = [input];
      const error = t.throws(() => encode(input), { instanceOf: TermError, message });
      t.regex(error!.message, /^value\[0\].*\[0\]\.wrong /);
    }
    const cycle: unknown[] = [];
    let inner = cycle;
    for (let level = 1; level < depth; level++) inner.push((inner = []));
    inner.push(cycle);
    t.throws(() => encode(cycle), { instanceOf: TermError, message: /contains itself/ });
    t.is(decode(encode(depth)), depth);
  }
});

test('maxDepth limits the nesting', (t) => {
  const nested = (depth: number): Buffer =>
    Buffer.concat([Buffer.of(131), Buffer.alloc(depth * 2, Buffer.of(104, 1)), Buffer.of(106)]);
  for (const [depth, options] of [
    [1000, {}],
    [1500, { maxDepth: 1500 }],
    [3, { maxDepth: 3 }],
  ] as const) {
    const value = decode(nested(depth), options);
    t.true(encode(value, options).equals(nested(depth)));
    const message = new RegExp(`deeper than ${depth} levels`);
    t.throws(() => decode(nested(depth + 1), options), { instanceOf: TermError, message });
    t.throws(() => encode([value], options), { instanceOf: TermError, message });
  }
});
