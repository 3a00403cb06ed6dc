import { execFileSync } from 'node:child_process';
import { cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { types } from 'node:util';
import { createContext, runInContext } from 'node:vm';
import test from 'ava';
import {
  Atom,
  atom,
  BitString,
  decode,
  encode,
  encodeRequest,
  ExternalFunction,
  Float,
  float,
  Fun,
  ImproperList,
  isTuple,
  Pid,
  Port,
  Reference,
  TermError,
  toErlang,
  toTerm,
} from '../src/index.js';
import { elixir } from '../src/elixir.js';
import { javascript } from '../src/hooks.js';
import { funOf } from './support/arbitraries.js';
import { connect, secret, serve } from './support/rpc.js';
import { root } from './support/vectors.js';

const roundTrip = (value: unknown): unknown => decode(encode(value));
const target = { url: 'http://127.0.0.1:1', secret };

// Classes that misrepresent themselves

class Liar extends Uint8Array {
  override get length(): number {
    return 100_000;
  }
  override get byteLength(): number {
    return 100_000;
  }
  override get byteOffset(): number {
    return 3;
  }
  override get buffer(): ArrayBuffer {
    return new ArrayBuffer(100_000);
  }
  override *[Symbol.iterator](): ReturnType<Uint8Array[typeof Symbol.iterator]> {
    yield 1;
  }
}

test('bytes are read from memory, whatever a subclass claims', async (t) => {
  const server = await serve(t, { m: { echo: (value: unknown) => value } });
  const client = connect(t, server);
  for (const length of [0, 4, 70_000]) {
    const liar = new Liar(new Array<number>(length).fill(255));
    const bytes = Buffer.alloc(length, 255);
    encode('a message before this one, with bytes that must not be sent'.repeat(2000));
    t.deepEqual(encode([liar, 'x']), encode([bytes, 'x']));
    t.deepEqual(encode(new Map([[liar, liar]])), encode(new Map([[bytes, bytes]])));
    t.deepEqual(
      encodeRequest(target, 'm', 'f', [liar]).body,
      encodeRequest(target, 'm', 'f', [bytes]).body,
    );
    t.deepEqual(await client.call('m', 'echo', [[liar]], { binaries: 'buffer' }), [bytes]);
    if (length > 0) t.deepEqual(new BitString(liar, 7), new BitString(bytes, 7));
  }
  t.throws(() => new BitString(new Liar(0), 7), { instanceOf: TermError });
});

test('objects that only inherit from Uint8Array or Map are refused', (t) => {
  for (const prototype of [Uint8Array.prototype, Buffer.prototype, Map.prototype, Atom.prototype]) {
    const value: unknown = Object.create(prototype);
    t.throws(() => encode([value]), { instanceOf: TermError, message: /^value\[0\] / });
  }
  for (const value of [new Uint8Array(2), new Map([[1, 2]])]) {
    const proxy = new Proxy(value, {});
    t.throws(() => encode([proxy]), { instanceOf: TermError, message: /^value\[0\] / });
  }
});

test('maps and arrays are read by their contents, whatever a subclass claims', (t) => {
  class Boastful extends Map<unknown, unknown> {
    override get size(): number {
      return 100;
    }
    override *[Symbol.iterator](): ReturnType<Map<unknown, unknown>[typeof Symbol.iterator]> {}
    override entries(): ReturnType<Map<unknown, unknown>['entries']> {
      return new Map().entries();
    }
    override forEach(): void {}
  }
  t.deepEqual(encode(new Boastful([[1, 'x']])), encode(new Map([[1, 'x']])));
  class Iterated extends Array<unknown> {
    override *[Symbol.iterator](): ReturnType<unknown[][typeof Symbol.iterator]> {}
  }
  t.deepEqual(roundTrip(Iterated.from([1, 'x'])), [1, 'x']);
  for (const length of [-1, 1.5, NaN, 2 ** 40, '2', undefined]) {
    const get = (array: unknown[], key: PropertyKey): unknown =>
      key === 'length' ? length : Reflect.get(array, key);
    const proxy = new Proxy([0.5, 1.5, 2.5], { get });
    t.throws(() => encode([proxy]), { instanceOf: TermError, message: /^value\[0\] / });
  }
});

test('encoding validates the fields of value objects', (t) => {
  const node = atom('n@h');
  for (const value of [
    Object.assign(Object.create(Pid.prototype), { node, id: 2 ** 32, serial: 0, creation: 0 }),
    Object.assign(Object.create(Pid.prototype), { node: 'n@h', id: 0, serial: 0, creation: 0 }),
    Object.assign(Object.create(Port.prototype), { node, id: 2n ** 64n, creation: 0 }),
    Object.assign(Object.create(Port.prototype), { node, id: 1, creation: 0 }),
    Object.assign(Object.create(Reference.prototype), { node, creation: 0, ids: [] }),
    Object.assign(Object.create(Reference.prototype), { node, creation: 0, ids: [1.5] }),
    Object.assign(Object.create(BitString.prototype), { bytes: Buffer.alloc(0), bits: 1 }),
    Object.assign(Object.create(BitString.prototype), { bytes: Buffer.alloc(1), bits: 8 }),
    Object.assign(Object.create(ExternalFunction.prototype), { module: node, arity: 0 }),
    Object.assign(Object.create(ImproperList.prototype), { items: [], tail: 1 }),
    Object.assign(Object.create(Float.prototype), { value: NaN }),
    Object.create(Float.prototype),
    Object.create(Fun.prototype),
    { __proto__: { [Symbol.for('backwater.term')]: 'something newer' } },
    { __proto__: { [Symbol.for('backwater.term')]: 'atom' }, name: 'x'.repeat(256) },
  ]) {
    t.throws(() => encode([value]), { instanceOf: TermError, message: /^value\[0\] / });
  }
  t.is(roundTrip('fine'), 'fine');
});

const thrown: Readonly<Record<string, () => unknown>> = {
  'an error': () => new Error('mine'),
  'a TypeError': () => new TypeError('mine'),
  'a RangeError': () => new RangeError('mine'),
  'a TermError': () => new TermError('mine'),
  'a frozen error': () => Object.freeze(new Error('mine')),
  'an error of another realm': () => runInContext("new Error('mine')", createContext()),
  'a string': () => 'mine',
  undefined: () => undefined,
  'a revoked proxy': () => {
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    return proxy;
  },
};

for (const [what, make] of Object.entries(thrown)) {
  test(`errors of getters are passed on unchanged: ${what}`, async (t) => {
    const error = make();
    const stack = types.isNativeError(error) ? error.stack : undefined;
    const bad = {
      get value(): never {
        throw error;
      },
    };
    const caught = async (act: () => unknown): Promise<unknown> => {
      try {
        await act();
      } catch (reason) {
        // In an object, because promises resolve thenables.
        return { reason };
      }
      return undefined;
    };
    const server = await serve(t, { m: { f: () => 1 } });
    const client = connect(t, server);
    const values = [bad, [1, bad], { a: bad }, new Map([[bad, 1]]), new Proxy([bad], {})];
    // Enough to generate code.
    const many = Array.from({ length: 200 }, (_, index) => ({ id: index, inner: {} as object }));
    encode(many);
    many[150] = { id: 1, inner: bad };
    for (const value of [...values, many]) {
      for (const act of [
        () => encode(value),
        () => encodeRequest(target, 'm', 'f', [value]),
        () => client.call('m', 'f', [value]),
      ]) {
        const found = (await caught(act)) as { reason: unknown };
        t.true(Object.is(found.reason, error));
        if (types.isNativeError(error)) t.is((found.reason as Error).stack, stack);
      }
    }
    t.is(await client.call('m', 'f'), 1);
    t.is(roundTrip('fine'), 'fine');
  });
}

test('the error for a revoked proxy has its path', (t) => {
  const revoked = (value: object): object => {
    const { proxy, revoke } = Proxy.revocable(value, {});
    revoke();
    return proxy;
  };
  class Giving {
    [toTerm](): unknown {
      return { a: revoked([]) };
    }
  }
  for (const [value, path] of [
    [revoked({}), 'value'],
    [[1, revoked([])], 'value[1]'],
    [{ a: { b: revoked({}) } }, 'value.a.b'],
    [new Map([['k', revoked({})]]), 'value.get("k")'],
    [new Map([[revoked({}), 1]]), 'value.key(0)'],
    [new ImproperList([revoked({})], 1), 'value.items[0]'],
    [[new Giving()], 'value[0][toTerm]().a'],
    [new Proxy(revoked([]), {}), 'value'],
  ] as const) {
    const error = t.throws(() => encode(value), { instanceOf: TermError })!;
    t.is(error.message, `${path} is a revoked Proxy`);
    t.is(error.path, path);
  }
});

test('maps nested as first keys are limited by maxDepth', (t) => {
  const nested = (depth: number): unknown => {
    let value: unknown = 1;
    for (let level = 0; level < depth; level++) value = new Map([[value, 1]]);
    return value;
  };
  for (const maxDepth of [1000, 1500]) {
    const bytes = encode(nested(maxDepth), { maxDepth });
    t.true(encode(decode(bytes, { maxDepth }), { maxDepth }).equals(bytes));
    const error = t.throws(() => encode(nested(65_535), { maxDepth }), { instanceOf: TermError })!;
    t.regex(error.message, new RegExp(`deeper than ${maxDepth} levels \\(option maxDepth\\)$`));
    const encoding = Buffer.concat([
      Buffer.of(131),
      Buffer.alloc(65_535 * 5, Buffer.of(116, 0, 0, 0, 1)),
      Buffer.alloc(2 * 65_536, Buffer.of(97, 1)),
    ]);
    t.throws(() => decode(encoding, { maxDepth }), { instanceOf: TermError, message: /maxDepth/ });
  }
});

// Other realms and copies of this library

test('built-in objects of another realm are recognized', (t) => {
  const context = createContext({ Buffer });
  const foreign = (source: string): unknown => runInContext(`(${source})`, context);
  const date = new Date(86_400_000);
  for (const [source, own] of [
    ['new Uint8Array([255, 0])', Buffer.from([255, 0])],
    ['new Uint8Array(100000).fill(255)', Buffer.alloc(100_000, 255)],
    ['class extends Uint8Array {}', undefined],
    ["Buffer.from('text')", 'text'],
    ["new Map([[1, new Map([['a', [1.5, null]]])]])", new Map([[1, { a: [1.5, null] }]])],
    ["[{ a: ['x', undefined] }]", [{ a: ['x', undefined] }]],
    ['Object.create(null)', {}],
    ['2n ** 70n', 2n ** 70n],
  ] as const) {
    if (own === undefined) t.throws(() => encode(foreign(source)), { instanceOf: TermError });
    else t.deepEqual(roundTrip([foreign(source)]), [own]);
  }
  const hooks = elixir();
  t.is(toErlang(foreign('new Date(86400000)'), hooks), toErlang(date, hooks));
  t.is(toErlang(foreign('new Set([1, 2])'), hooks), toErlang(new Set([1, 2]), hooks));
  const errors = [{ class: Error, toTerm: ({ message }: Error) => message }];
  t.is(roundTrip(encode(foreign("new TypeError('x')"), { encoders: errors })) !== undefined, true);
  t.is(decode(encode(foreign("new TypeError('x')"), { encoders: errors })), 'x');
  class Own {}
  const named = Object.defineProperty(class {}, 'name', { value: 'Date' });
  const encoders = [{ class: named, toTerm: () => 'wrong' }];
  t.throws(() => encode(foreign('new Date()'), { encoders }), { instanceOf: TermError });
  t.throws(() => encode(new Own(), { encoders }), { instanceOf: TermError });
});

const copy = join(root, 'build-test', `copy-${process.pid}`);
test.before(() => cpSync(join(root, 'build-test', 'src'), copy, { recursive: true }));
test.after.always(() => rmSync(copy, { recursive: true, force: true }));

async function importCopy<Exports>(entry: string): Promise<Exports> {
  return (await import(pathToFileURL(join(copy, `${entry}.js`)).href)) as Exports;
}

test('values from another copy of the library are recognized', async (t) => {
  const other = await importCopy<typeof import('../src/index.js')>('index');
  t.not(other.encode, encode);
  const make = (library: typeof other): unknown[] => {
    const node = library.atom('n@h');
    return [
      library.atom('ok'),
      library.tuple(1, library.tuple()),
      library.float(1),
      new library.BitString(Buffer.from([255, 128]), 1),
      new library.ImproperList([1, library.atom('a')], library.tuple(2)),
      new library.Pid(node, 1, 2, 3),
      new library.Port(node, 2n ** 40n, 1),
      new library.Reference(node, 7, [1, 2, 3]),
      new library.ExternalFunction(library.atom('lists'), library.atom('map'), 2),
      library.decode(encode(funOf(1, 'm', ['x', [0.5]])), { terms: 'exact' }),
      new Map([[library.atom('key'), library.tuple(library.float(2))]]),
    ];
  };
  const own = make({ ...other, ...(await import('../src/index.js')) });
  const foreign = make(other);
  t.deepEqual(encode(foreign), encode(own));
  t.deepEqual(other.encode(own), encode(own));
  t.true(foreign[0] instanceof Atom && !(foreign[2] instanceof Atom));
  t.true(foreign[2] instanceof Float && foreign[5] instanceof Pid && foreign[9] instanceof Fun);
  t.true(isTuple(foreign[1]) && other.isTuple(own[1]) && !isTuple([1]));
  t.deepEqual(encode(new Pid(other.atom('n@h'), 1, 2, 3)), encode(own[5]));
  t.throws(() => new ImproperList([1], foreign[4]), { instanceOf: TermError });
  t.notThrows(() => new ImproperList([1], foreign[1]));
});

test('hooks of another copy of the library work', async (t) => {
  const hooks = await importCopy<typeof import('../src/hooks.js')>('hooks');
  const other = await importCopy<typeof import('../src/elixir.js')>('elixir');
  const date = new Date('2026-02-03T04:05:06.007Z');
  const sets = [new Set([atom('a'), atom('b')]), new Set(['a', 'b']), new Set([1n, float(2)])];
  for (const [own, foreign, values] of [
    [
      javascript(),
      hooks.javascript(),
      [new Int16Array([1, -1]), new ArrayBuffer(2), new Error('x')],
    ],
    [elixir(), other.elixir(), [elixir.decimal('NaN'), elixir.naiveDateTime(date)]],
  ] as const) {
    for (const value of [...values, ...sets, date, new URL('http://a.b/')]) {
      const bytes = encode(value, foreign);
      t.deepEqual(bytes, encode(value, own));
      t.deepEqual(decode(bytes, foreign), decode(bytes, own));
    }
  }
  t.true(decode(encode(elixir.time(date)), other.elixir()) instanceof other.Time);
});

test('instanceof distinguishes subclasses of value classes', (t) => {
  class Metres extends Float {}
  t.true(new Metres(1) instanceof Float && new Metres(1) instanceof Metres);
  t.false(float(1) instanceof Metres);
  t.is(encode(new Metres(1)).toString('hex'), encode(float(1)).toString('hex'));
  for (const value of [null, undefined, 1, 'x', {}, [], () => 1]) {
    t.false(value instanceof Float || value instanceof Atom);
  }
});

function run(program: string, ...flags: string[]): unknown {
  const library = pathToFileURL(join(root, 'build-test', 'src', 'index.js')).href;
  const source = `const b = await import(${JSON.stringify(library)});\n${program}`;
  const args = ['--expose-gc', ...flags, '--input-type=module', '-e', source];
  return JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8', timeout: 240_000 }));
}

const MANY_SHAPES = `
  const messages = (count, each) => {
    for (let message = 0; message < count; message++) {
      const keys = Array.from({ length: 64 }, (_, index) => \`m\${message}_\${index}\`);
      const object = () => Object.fromEntries(keys.map((key, index) => [key, index]));
      b.encode(Array.from({ length: each }, object));
    }
  };
`;

test('objects of ever new shapes do not leak memory', (t) => {
  const heap = run(`${MANY_SHAPES}
    messages(300, 10);
    const used = () => { gc(); gc(); return process.memoryUsage().heapUsed / 2 ** 20; };
    const before = used();
    messages(1500, 70);
    console.log(used() - before);
  `) as number;
  t.true(heap < 16, `${heap} MiB`);
});

test('rare shapes seldom cause code generation', (t) => {
  const generated = run(`
    let generated = 0;
    globalThis.Function = new Proxy(Function, {
      construct(target, args) { generated++; return Reflect.construct(target, args); },
    });
    ${MANY_SHAPES}
    messages(1000, 1);
    const rare = generated;
    b.encode(Array.from({ length: 1000 }, (_, id) => ({ id, name: 'n' })));
    console.log(JSON.stringify([rare, generated]));
  `) as [number, number];
  t.deepEqual(generated, [0, 1]);
});

test('the codec works if code generation from strings is disabled', (t) => {
  const program = `
    const records = Array.from({ length: 500 }, (_, id) => ({ id, name: 'n' + id, tags: ['a', id / 2] }));
    const results = [1, 2, 3].map(() => JSON.stringify(b.decode(b.encode(records))) === JSON.stringify(records));
    console.log(JSON.stringify(results));
  `;
  t.deepEqual(run(program, '--disallow-code-generation-from-strings'), [true, true, true]);
});
