import fc from 'fast-check';
import {
  Atom,
  atom,
  BitString,
  decode,
  encode,
  ExternalFunction,
  Float,
  type Fun,
  ImproperList,
  isTuple,
  Pid,
  Port,
  Reference,
  tuple,
} from '../../src/index.js';

/** Names with a special meaning to JavaScript, generated code or the tape. */
const ODD_NAMES = [
  '__proto__',
  'constructor',
  'prototype',
  'hasOwnProperty',
  'toString',
  'valueOf',
  'toJSON',
  'then',
  'length',
  'size',
  'name',
  '',
  '\0',
  'a\0b',
  '0',
  '1',
  '2',
  '10',
  '-1',
  '01',
  '1.5',
  '4294967294',
  '4294967295',
  '9007199254740993',
  'true',
  'false',
  'nil',
  'null',
  'undefined',
  'é',
  'ÿ',
  'Ā',
  '日本',
  '👍',
  '"',
  "'",
  '\\',
  '`',
  '${x}',
  '*/',
  '\n',
  '\u2028',
  '\ufeff',
  '\x7f',
  'a b',
  'get',
  'async',
  'x'.repeat(254),
  'x'.repeat(255),
];

const BORDERS = [
  0, 7, 8, 16, 26, 27, 28, 31, 32, 48, 52, 53, 54, 63, 64, 65, 128, 2039, 2040, 2048,
];

const integerAtBorder: fc.Arbitrary<bigint> = fc
  .tuple(fc.constantFrom(...BORDERS), fc.integer({ min: -2, max: 2 }), fc.constantFrom(1n, -1n))
  .map(([bits, delta, sign]) => sign * (2n ** BigInt(bits) + BigInt(delta)));

export const integer: fc.Arbitrary<number | bigint> = fc.oneof(
  fc.integer({ min: -300, max: 300 }),
  fc.integer(),
  fc.maxSafeInteger(),
  integerAtBorder,
  integerAtBorder.map((value) => (Number.isSafeInteger(Number(value)) ? Number(value) : value)),
  fc.bigInt({ min: -(2n ** 200n), max: 2n ** 200n }),
);

export const double: fc.Arbitrary<number> = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.constantFrom(
    -0,
    0,
    0.5,
    5e-324,
    -5e-324,
    Number.MAX_VALUE,
    2 ** 53,
    -(2 ** 53),
    2 ** 64,
    1e21,
  ),
);

const pieces = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 12 }),
  fc.string({ unit: 'binary-ascii', maxLength: 12 }),
  fc.constantFrom(...ODD_NAMES),
  fc.constantFrom('é'.repeat(20), 'ab'.repeat(40), '日本'.repeat(9), '👍'),
);

const rope = fc.array(pieces, { minLength: 2, maxLength: 6 }).map((parts) => {
  let text = '';
  for (const part of parts) text += part;
  return text;
});

const slice = fc
  .tuple(pieces, pieces)
  .map(([head, tail]) => `${head}${tail}${head}`.slice(head.length));

export const text: fc.Arbitrary<string> = fc
  .oneof(pieces, rope, slice)
  .map((value) => value.toWellFormed());

export const bytes: fc.Arbitrary<Uint8Array> = fc.oneof(
  fc.uint8Array({ maxLength: 24 }),
  fc.uint8Array({ maxLength: 24 }).map((array) => Buffer.from(array)),
  fc.uint8Array({ minLength: 3, maxLength: 24 }).map((array) => Buffer.from(array).subarray(1)),
  text.map((value) => Buffer.from(value)),
);

const name = fc
  .oneof(fc.constantFrom(...ODD_NAMES), fc.string({ unit: 'binary', maxLength: 20 }))
  .filter((value) => value.isWellFormed());
const someAtom = fc
  .oneof(fc.constantFrom('ok', 'error', 'true', 'false', 'nil', 'undefined', 'null'), name)
  .map(atom);

const uint32 = fc.oneof(fc.nat(), fc.constantFrom(0, 2 ** 15, 2 ** 31, 2 ** 32 - 1));

const opaque = fc.oneof(
  fc.tuple(someAtom, uint32, uint32, uint32).map((fields) => new Pid(...fields)),
  fc
    .tuple(someAtom, fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), uint32)
    .map((fields) => new Port(...fields)),
  fc
    .tuple(someAtom, uint32, fc.array(uint32, { minLength: 1, maxLength: 5 }))
    .map((fields) => new Reference(...fields)),
  fc
    .tuple(someAtom, someAtom, fc.nat({ max: 255 }))
    .map((fields) => new ExternalFunction(...fields)),
  fc
    .tuple(fc.uint8Array({ minLength: 1, maxLength: 9 }), fc.integer({ min: 1, max: 7 }))
    .map(([array, bits]) => new BitString(array, bits)),
);

export const leaf: fc.Arbitrary<unknown> = fc.oneof(
  integer,
  double,
  text,
  bytes,
  someAtom,
  double.map((value) => new Float(value)),
  fc.constantFrom<unknown>(true, false, null, undefined, '', [], {}, new Map(), tuple()),
  opaque,
);

export const key: fc.Arbitrary<string> = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom('a', 'b', 'id', 'name', 'value', 'x1', 'x2') },
  { weight: 2, arbitrary: name },
  { weight: 1, arbitrary: fc.nat({ max: 20 }).map(String) },
);

export function objectOf(pairs: Iterable<readonly [string, unknown]>): Record<string, unknown> {
  return Object.fromEntries(pairs) as Record<string, unknown>;
}

function withoutPrototype(object: object): object {
  return Object.create(null, Object.getOwnPropertyDescriptors(object)) as object;
}

/** Of keys that are equal in Erlang, the last one wins. */
function mapOf(pairs: readonly (readonly [unknown, unknown])[]): Map<unknown, unknown> {
  const byIdentity = new Map<string, readonly [unknown, unknown]>();
  // A Map stores -0 as 0, an integer.
  for (const pair of pairs) byIdentity.set(identity(pair[0] === 0 ? 0 : pair[0]), pair);
  return new Map(byIdentity.values());
}

/** Equal for keys that Erlang considers equal. Some releases equate 0.0 and -0.0. */
function identity(term: unknown): string {
  if (Object.is(term, -0) || (term instanceof Float && term.value === 0)) return '0.0';
  const all = (items: Iterable<unknown>) => Array.from(items, identity);
  const written = (kind: string, parts: readonly string[]) => JSON.stringify([kind, ...parts]);
  if (isTuple(term)) return written('tuple', all(term));
  if (Array.isArray(term)) return written('list', all(term));
  if (term instanceof ImproperList) return written('improper', all([...term.items, term.tail]));
  if (term instanceof Map) return written('map', all(Array.from(term, byName)).sort());
  if (isPlainObject(term)) return written('map', all(Object.entries(term)).sort());
  return encode(term).toString('latin1');
}

/** Atoms become their names, since keys of objects may be written as atoms. */
function byName([key, value]: [unknown, unknown]): [unknown, unknown] {
  const exact = decode(encode(key), { terms: 'exact' });
  return [exact instanceof Atom ? exact.name : key, value];
}

function isPlainObject(term: unknown): term is object {
  if (typeof term !== 'object' || term === null) return false;
  const prototype: unknown = Object.getPrototypeOf(term);
  return prototype === null || prototype === Object.prototype;
}

export function funOf(arity: number, module: string, free: readonly unknown[]): Fun {
  const terms = [atom(module), 1, 2, new Pid(atom('a@b'), 1, 2, 3), ...free];
  const head = Buffer.alloc(26);
  head.writeUInt8(112, 0);
  head.writeUInt8(arity, 5);
  head.fill(0xa5, 6, 22);
  head.writeUInt32BE(7, 22);
  const count = Buffer.alloc(4);
  count.writeUInt32BE(free.length);
  const body = [head, count, ...terms.map((term) => encode(term).subarray(1))];
  head.writeUInt32BE(
    body.reduce((sum, part) => sum + part.length, -1),
    1,
  );
  return decode(Buffer.concat([Buffer.of(131), ...body])) as Fun;
}

function isList(item: unknown): boolean {
  return item instanceof ImproperList || (Array.isArray(item) && !isTuple(item));
}

const { value: anyValue } = fc.letrec<{ value: unknown; nested: unknown }>((tie) => {
  const items = fc.array(tie('value'), { maxLength: 5 });
  const pairs = fc.array(fc.tuple(key, tie('value')), { maxLength: 6 });
  const tail = tie('value').filter((item) => !isList(item));
  return {
    value: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      { weight: 4, arbitrary: leaf },
      { weight: 3, arbitrary: tie('nested') },
    ),
    nested: fc.oneof(
      items,
      items.map((elements) => tuple(...elements)),
      pairs.map(objectOf),
      pairs.map(objectOf).map(withoutPrototype),
      fc
        .tuple(
          items.filter(({ length }) => length > 0),
          tail,
        )
        .map((fields) => new ImproperList(...fields)),
      fc.array(fc.tuple(tie('value'), tie('value')), { maxLength: 5 }).map(mapOf),
      fc.array(fc.tuple(key.map(atom), tie('value')), { maxLength: 5 }).map(mapOf),
      fc.array(fc.tuple(text, tie('value')), { maxLength: 5 }).map(mapOf),
      fc.tuple(fc.nat({ max: 255 }), items).map(([arity, free]) => funOf(arity, 'm', free)),
    ),
  };
});

export const value: fc.Arbitrary<unknown> = anyValue;
