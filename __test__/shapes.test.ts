import { execFile } from 'node:child_process';
import { isDeepStrictEqual, promisify } from 'node:util';
import test from 'ava';
import { atom, decode, encode, type Reviver } from '../src/index.js';

// Objects are read in several ways, depending on how often their keys have come.

const OFTEN = 300;

const object = (name: string, keys: number): Record<string, unknown> =>
  Object.fromEntries(
    Array.from({ length: keys }, (_, key) => [
      `${name} ${key}`,
      [key, 'text', 1.5, null, [key], 'späť', 2 ** 40][key % 7],
    ]),
  );

test('objects with the same keys are decoded, one after the other', (t) => {
  for (const keys of [1, 2, 7, 31, 64, 65]) {
    const value = object(`sequence ${keys}`, keys);
    const bytes = encode(value);
    for (let round = 0; round < OFTEN; round++) t.true(isDeepStrictEqual(decode(bytes), value));
  }
});

test('nested objects with the same keys in one message are decoded', (t) => {
  const leaf = object('leaf', 5);
  const branch = { ...object('branch', 3), left: leaf, right: [leaf, { 'leaf 0': 1 }] };
  const value = Array.from({ length: OFTEN }, () => branch);
  for (let round = 0; round < 3; round++) {
    t.true(isDeepStrictEqual(decode(encode(value)), value));
  }
});

test('more shapes than generated readers are decoded repeatedly', (t) => {
  const values = Array.from({ length: 300 }, (_, index) => object(`kind ${index}`, 3));
  const lists = values.map((value) => encode(Array.from({ length: OFTEN }, () => value)));
  for (let round = 0; round < 2; round++) {
    for (const [index, bytes] of lists.entries()) {
      const list = decode(bytes) as unknown[];
      t.is(list.length, OFTEN);
      t.true(isDeepStrictEqual([list[0], list.at(-1)], [values[index], values[index]]));
    }
  }
});

test('keys with a special meaning in JavaScript are ordinary keys', (t) => {
  const names = [
    '__proto__',
    'constructor',
    'toString',
    '"',
    '`${a}`',
    '\\',
    '\u2028',
    "'",
    'return',
  ];
  const text = `{${names.map((name, index) => `${JSON.stringify(name)}:${index}`).join()}}`;
  const value = JSON.parse(text) as object;
  const bytes = encode(value);
  for (let round = 0; round < OFTEN; round++) {
    const decoded = decode(bytes) as object;
    t.is(Object.getPrototypeOf(decoded), Object.prototype);
    t.true(isDeepStrictEqual(Object.entries(decoded), Object.entries(value)));
  }
});

test('revivers always see the same objects', (t) => {
  const fields = { __struct__: atom('Elixir.Often'), a: 1, b: 'x' };
  const bytes = encode(fields, { objectKeys: 'atom' });
  const revivers: Reviver[] = [{ struct: 'Often', revive: ({ a, b }) => [a as number, b] }];
  for (let round = 0; round < OFTEN; round++) {
    t.true(isDeepStrictEqual(decode(bytes, { revivers }), [1, 'x']));
    t.true(isDeepStrictEqual(decode(bytes), fields));
  }
});

test('objects are the same if code generation from strings is disabled', async (t) => {
  const program = `
    import { decode, encode } from ${JSON.stringify(new URL('../src/index.js', import.meta.url))};
    import { isDeepStrictEqual } from 'node:util';
    const value = { id: 1, name: 'x', nested: { id: 2, name: 'y' } };
    const bytes = encode(value);
    for (let round = 0; round < ${OFTEN}; round++) {
      if (!isDeepStrictEqual(decode(bytes), value)) throw new Error('not the same');
    }
    try {
      new Function('');
      throw new Error('allowed');
    } catch (error) {
      console.log(error.name);
    }`;
  const { stdout } = await promisify(execFile)(process.execPath, [
    '--disallow-code-generation-from-strings',
    '--input-type=module',
    '--eval',
    program,
  ]);
  t.is(stdout, 'EvalError\n');
});
