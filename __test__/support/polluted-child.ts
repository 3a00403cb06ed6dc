/**
 * Decodes terms after properties were added to built-in prototypes, before or after this library is
 * loaded.
 */
import { writeSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';

const [when, kind] = process.argv.slice(2);

function define(prototype: object, key: string, descriptor: PropertyDescriptor): void {
  const clean = Object.assign(Object.create(null) as object, { configurable: true, ...descriptor });
  Object.defineProperty(prototype, key, clean as PropertyDescriptor);
}

const fail = (): never => {
  throw new Error('a getter or setter of a prototype was called');
};
const isBefore = when === 'before';
// With these, compiled CommonJS modules cannot be loaded.
const inDescriptors = isBefore ? [] : ['get', 'set', 'value', 'writable'];
const names = ['enumerable', 'configurable', 'then', 'a', 'open', ...inDescriptors];
/** With these, Node cannot load modules. */
const indices = isBefore ? [] : ['0', '1', '5', '70', '5000'];

const pollutions: Record<string, () => void> = {
  values: () => {
    for (const key of [...names, ...indices, ...(isBefore ? [] : ['length'])]) {
      (Object.prototype as Record<string, unknown>)[key] = () => 1;
    }
  },
  'read-only values': () => {
    for (const key of ['a', 'nextPart', ...indices]) {
      define(Object.prototype, key, { value: 1, writable: false });
    }
  },
  setters: () => {
    for (const key of ['a', 'nextPart', '__struct__', ...indices]) {
      define(Object.prototype, key, { get: fail, set: fail });
      define(Array.prototype, key, { get: fail, set: fail });
    }
  },
  frozen: () => {
    for (const prototype of [Object.prototype, Array.prototype, Map.prototype]) {
      Object.freeze(prototype);
    }
  },
};

function prepared(
  library: typeof import('../../src/index.js'),
  { elixir }: typeof import('../../src/elixir.js'),
  { javascript }: typeof import('../../src/hooks.js'),
): () => string {
  const { atom, decode, encode, tuple } = library;
  const object = (count: number): object =>
    Object.fromEntries(Array.from({ length: count }, (_, index) => [`a${index}`, index]));
  const expected: unknown[] = [
    [],
    [1],
    [1, 2, 3, 4, 5, 6],
    ['a', 'b', 'c', 'd', 'e', 'f'],
    [0.5, 1.5, 2.5, 3.5, 4.5],
    tuple(1, 'b', 2, 'c', 3),
    { a: 1, get: 2, value: 3 },
    { a: { a: { a: 1 } } },
    Array.from({ length: 300 }, (_, index) => ({ a: index, set: index })),
    object(10),
    object(100),
    Array.from({ length: 6000 }, (_, index) => index),
    Array.from({ length: 6000 }, (_, index) => index + 0.5),
    Array.from({ length: 6000 }, (_, index) => `item ${index}`),
    new Map<unknown, unknown>([
      [0, 1],
      ['a', 2],
    ]),
    { ü: 1, 0: 'zero', 70: 'seventy' },
    Buffer.from([255, 1]),
    10n ** 40n,
    atom('x'),
  ];
  const encoded = expected.map((value) => encode(value));
  const exact = encoded.map((bytes) => decode(bytes, { terms: 'exact' }));
  const own = Buffer.from('83740000000264000967657400097a7a7a', 'hex');
  const dangerous = Buffer.concat([
    Buffer.from([131, 116, 0, 0, 0, 2, 109, 0, 0, 0, 9]),
    Buffer.from('__proto__'),
    Buffer.from([116, 0, 0, 0, 1, 109, 0, 0, 0, 1, 120, 97, 1, 109, 0, 0, 0, 1, 98, 97, 2]),
  ]);
  const structs = encode([new Date(0), new Set([1, 2]), new URL('http://h/')], elixir());
  const values = [new Date(0), new Set([1, 'a']), new TypeError('x'), new Float64Array([1.5])];
  const hooked = encode(values, javascript());
  const errors = [Buffer.of(131, 200), Buffer.of(131, 108, 0, 0, 0, 1), own];
  return () => {
    const different = new Set<string>();
    const check = (what: string, isRight: () => boolean): void => {
      try {
        if (!isRight()) different.add(what);
      } catch (error) {
        different.add(`${what}: ${String((error as Error).stack)}`);
      }
    };
    for (const [index, bytes] of encoded.entries()) {
      for (let round = 0; round < (index < 11 ? 300 : 3); round++) {
        check(`value ${index}`, () => isDeepStrictEqual(decode(bytes), expected[index]));
      }
      check(`value ${index}, exact`, () =>
        isDeepStrictEqual(decode(bytes, { terms: 'exact' }), exact[index]),
      );
    }
    check('__proto__', () => {
      const decoded = decode(dangerous) as object;
      return (
        Object.keys(decoded).join() === '__proto__,b' &&
        Object.getPrototypeOf(decoded) === Object.prototype &&
        !('x' in {})
      );
    });
    check('structs', () => {
      const [date, set, url] = decode(structs, elixir()) as unknown as [Date, Set<number>, URL];
      return date.getTime() === 0 && set.has(2) && url.host === 'h';
    });
    check('values of JavaScript', () => {
      const [date, set, error, array] = decode(hooked, javascript()) as unknown as [
        Date,
        Set<unknown>,
        Error,
        Float64Array,
      ];
      return +date === 0 && set.has('a') && error.message === 'x' && array[0] === 1.5;
    });
    for (const bytes of errors) {
      check('error', () => {
        try {
          decode(bytes);
        } catch (error) {
          if (!(error instanceof library.TermError)) throw error;
          return typeof error.offset === 'number';
        }
        return false;
      });
    }
    let text = '';
    different.forEach((line) => (text += `${line}\n`));
    return text;
  };
}

const pollute = pollutions[kind!]!;
if (when === 'before') pollute();
// A function's result would have a `then`, so await here.
const run = prepared(
  await import('../../src/index.js'),
  await import('../../src/elixir.js'),
  await import('../../src/hooks.js'),
);
if (when === 'after') pollute();
const different = run();
writeSync(1, different === '' ? 'the same' : different);
