import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { isDeepStrictEqual } from 'node:util';
import test, { type ExecutionContext } from 'ava';
import {
  Atom,
  atom,
  decode,
  decodeResponse,
  encode,
  encodeRequest,
  ExternalFunction,
  Fun,
  ImproperList,
  Pid,
  QueueFullError,
  Reference,
  TermError,
  tuple,
} from '../src/index.js';
import { connect, secret, serve } from './support/rpc.js';

const MANY = 60_000;
/** Describing the difference takes minutes for such values. */
function isSame(t: ExecutionContext, actual: unknown, expected: unknown): void {
  t.true(isDeepStrictEqual(actual, expected));
}

const LIMIT = 64 * 1024 * 1024;

function list<T>(count: number, item: (index: number) => T): T[] {
  return Array.from({ length: count }, (_, index) => item(index));
}

function mixed(index: number): unknown {
  switch (index % 11) {
    case 0:
      return index;
    case 1:
      return index + 0.5;
    case 2:
      return `text ${index}`;
    case 3:
      return `日本 ${index}`;
    case 4:
      return { id: index, name: `name ${index}`, nothing: null, inner: [0.5, 'x', [index]] };
    case 5:
      return [index + 0.25, -0.25];
    case 6:
      return tuple(atom('ok'), index, true);
    case 7:
      return 2 ** 40 + index;
    case 8:
      return 10n ** 20n + BigInt(index);
    case 9:
      return new Map<unknown, unknown>([
        [index, 'number'],
        ['text', index],
        [null, [1, 2, 3]],
      ]);
    default:
      return [];
  }
}

const values: Record<string, () => unknown> = {
  'of all kinds': () => list(MANY, mixed),
  'with a list of integers': () => list(MANY, (index) => index),
  'with a list of doubles': () => list(MANY, (index) => index + 0.5),
  'with a list of doubles, then integers, then text': () => [
    ...list(MANY, (index) => index + 0.5),
    ...list(MANY, (index) => index),
    ...list(MANY, (index) => `${index} ä`),
  ],
  'with a tuple': () => tuple(...list(MANY, mixed)),
  'with objects of many keys': () =>
    list(10, (outer) => Object.fromEntries(list(20_000, (index) => [`${outer} ${index}`, index]))),
  'with objects of the same keys': () => list(MANY / 10, (index) => ({ a: index, b: 'b', c: 1.5 })),
  'with one text': () => ['x'.repeat(3_000_000), '日'.repeat(1_000_000), 'ä'.repeat(1_000_000)],
  'with a list that is nested deeply': () => {
    let value: unknown = list(MANY / 10, mixed);
    for (let depth = 0; depth < 900; depth++) value = depth % 2 === 0 ? [value, depth] : { value };
    return [value, ...list(MANY / 10, mixed)];
  },
};

for (const [kind, make] of Object.entries(values)) {
  test(`a large term ${kind} survives a round trip`, (t) => {
    const encoded = encode(make(), { maxSize: LIMIT });
    t.true(encode(decode(encoded), { maxSize: LIMIT }).equals(encoded));
  });
}

test('a large term decodes to the same value', (t) => {
  const value = values['of all kinds']!();
  isSame(t, decode(encode(value, { maxSize: LIMIT })), value);
});

test('a large term loses nothing in exact mode', (t) => {
  const pid = new Pid(atom('node@host'), 1, 2, 3);
  const fun = new Fun({
    module: atom('lists'),
    arity: 2,
    uniq: Buffer.alloc(16, 7),
    index: 1,
    oldIndex: 2,
    oldUniq: 3,
    pid,
    free: list(50_000, (index) => (index % 7 === 0 ? tuple('x', index) : index)),
  });
  const value = [
    ...list(30_000, mixed),
    ...list(30_000, (index) => atom(`atom ${index}`)),
    fun,
    ...list(30_000, (index) => new Reference(atom(`atom ${index}`), 1, [index, 2, 3])),
    new ImproperList(list(50_000, mixed), 'tail'),
    new ExternalFunction(atom('a'), atom('b'), 3),
    new Map<unknown, unknown>([[list(50_000, mixed), 1]]),
    ...list(30_000, () => Buffer.alloc(20, 255)),
  ];
  const encoded = encode(value, { maxSize: LIMIT });
  const again = encode(decode(encoded, { terms: 'exact' }), { maxSize: LIMIT });
  t.true(encoded.equals(again));
});

test('atoms of constants become keys of large objects', (t) => {
  const keys = [...list(40_000, (index) => atom(`key ${index}`)), true, false, null, undefined];
  const map = new Map<unknown, unknown>(keys.map((key, index) => [key, index]));
  const object = decode(encode(map)) as Record<string, number>;
  t.deepEqual(Object.keys(object).slice(-4), ['true', 'false', 'nil', 'undefined']);
  t.is(object['nil'], 40_002);
});

test('a large term may have any number of atoms and keys', (t) => {
  const atoms = list(70_000, (index) => atom(`${index} ä`));
  const objects = list(40_000, (index) => ({ [`key ${index}`]: index, other: 1 }));
  const [first, second] = decode(encode([atoms, objects])) as [Atom[], object[]];
  t.true(first.every((one, index) => one === atoms[index]));
  isSame(t, second, objects);
});

test('calls carry large arguments and results', async (t) => {
  const server = await serve(
    t,
    { m: { echo: (value: unknown) => value } },
    { maxEncodedArgsSize: LIMIT, maxEncodedResultSize: LIMIT },
  );
  const client = connect(t, server, { maxEncodedArgsSize: LIMIT, maxEncodedResultSize: LIMIT });
  const [all, doubles, texts] = ['of all kinds', 'with a list of doubles', 'with one text'];
  const wanted = [all, doubles, texts].map((kind) => values[kind!]!());
  const given = await Promise.all([
    ...wanted.map((value) => client.call('m', 'echo', [value])),
    ...list(20, (index) => client.call('m', 'echo', [index])),
  ]);
  isSame(t, given.slice(0, 3), wanted);
  t.deepEqual(
    given.slice(3),
    list(20, (index) => index),
  );
});

test('binaries in large messages are complete', async (t) => {
  const server = await serve(t, { m: { echo: (value: unknown) => value } });
  const client = connect(t, server, { binaries: 'buffer' });
  const parts = list(20, (index) => Buffer.alloc(100_000 * (index % 3) + index, index + 128));
  isSame(t, await client.call('m', 'echo', [parts]), parts);
  const one = Buffer.alloc(5_000_000, 200);
  const answered = client.call<Buffer>('m', 'echo', [one]);
  one.fill(1);
  isSame(t, await answered, Buffer.alloc(5_000_000, 200));
});

test('encodeRequest and decodeResponse handle a large response', async (t) => {
  const server = await serve(t, { m: { make: () => values['of all kinds']!() } });
  const { url, method, headers, body, requestId } = encodeRequest(
    { url: server.url, secret },
    'm',
    'make',
    [],
  );
  const sending = httpRequest(url, { method, headers });
  sending.end(body);
  const [response] = (await once(sending, 'response')) as [IncomingMessage];
  const answer = {
    status: response.statusCode!,
    headers: response.headers as Record<string, string>,
    body: await buffer(response),
  };
  isSame(t, decodeResponse({ secret, requestId }, answer), values['of all kinds']!());
});

test('a reviver that throws in a large term does not affect the next decode', (t) => {
  const value = list(MANY, mixed);
  const encoded = encode(value, { maxSize: LIMIT });
  const revivers = [
    {
      tag: 'ok',
      length: 3,
      revive: () => {
        throw new Error('not this one');
      },
    },
  ];
  t.throws(() => decode(encoded, { revivers }), { message: /not this one/ });
  isSame(t, decode(encoded), value);
});

test('large binaries are encoded at any position', (t) => {
  const binary = (length: number): Uint8Array => Buffer.alloc(length, length % 256);
  const value = [
    binary(65_535),
    binary(65_536),
    { name: 'x', data: binary(200_000), more: [binary(70_000), 1.5, 'text'] },
    new Map<unknown, unknown>([
      [binary(80_000), binary(90_000)],
      [Buffer.alloc(80_000, 1), 2],
      [[binary(80_000), 1], 3],
    ]),
    tuple(atom('ok'), new Uint8Array(100_000).fill(200).subarray(1, 70_000)),
    new Uint8Array(new SharedArrayBuffer(70_000)),
    binary(65_536),
  ];
  const encoded = encode(value);
  const again = decode(encoded, { binaries: 'buffer' }) as unknown[];
  t.true(encode(again).equals(encoded));
  t.is((again[0] as Buffer).length, 65_535);
  const [key, data] = [...(again[3] as Map<Buffer, Buffer>)][0]!;
  t.true(key.equals(binary(80_000)) && data.equals(binary(90_000)));
  const parts = value.slice(0, 2).map((one) => encode(one).subarray(1));
  t.true(encoded.subarray(6).equals(Buffer.concat([...parts, encoded.subarray(6 + 131_081)])));
});

test('an encoding over maxSize is refused with the limit and the option', (t) => {
  const values = [1, 'xx', [1, 2, 3], { a: Buffer.alloc(100_000) }];
  for (const value of values) {
    const { length } = encode(value);
    t.is(encode(value, { maxSize: length }).length, length);
    for (const maxSize of [length - 1, 1]) {
      const message = new RegExp(`\\b${maxSize} bytes \\(option maxSize\\)$`);
      t.throws(() => encode(value, { maxSize }), { instanceOf: TermError, message });
    }
  }
});

test('a large binary counts towards maxSize', (t) => {
  const binary = Buffer.alloc(100_000, 255);
  t.is(encode(binary, { maxSize: 100_006 }).length, 100_006);
  t.throws(() => encode(binary, { maxSize: 100_005 }), { instanceOf: TermError });
  const message = /the tape|larger than/;
  t.throws(() => encode([binary, 'x'.repeat(20)], { maxSize: 100_020 }), { message });
  t.true(
    encode([binary]).equals(
      Buffer.concat([
        Buffer.from([131, 108, 0, 0, 0, 1, 109, 0, 1, 0x86, 0xa0]),
        binary,
        Buffer.from([106]),
      ]),
    ),
  );
});

test('a large binary that changes while it is encoded is refused', (t) => {
  const memory = new ArrayBuffer(100_000, { maxByteLength: 200_000 });
  const value = [
    new Uint8Array(memory),
    {
      get size() {
        memory.resize(50_000);
        return 1;
      },
    },
  ];
  t.throws(() => encode(value), { instanceOf: TermError });
  t.deepEqual(decode(encode([1, 2])), [1, 2]);
});

test('invalid arguments with a large binary do not affect the next call', async (t) => {
  const server = await serve(t, { m: { echo: (value: unknown) => value } }, { binaries: 'buffer' });
  const client = connect(t, server, { binaries: 'buffer', maxBytesInFlight: 1_000_000 });
  const large = Buffer.alloc(600_000, 255);
  await t.throwsAsync(client.call('m', 'echo', [[large, () => 1]]), { instanceOf: TermError });
  const first = client.call('m', 'echo', [large]);
  await t.throwsAsync(client.call('m', 'echo', [large]), { instanceOf: QueueFullError });
  const other = Buffer.alloc(70_000, 254);
  const second = client.call('m', 'echo', [[1, other]]);
  isSame(t, await Promise.all([first, second]), [large, [1, other]]);
  let deep: unknown = other;
  for (let depth = 0; depth < 500; depth++) deep = [deep];
  isSame(t, await client.call('m', 'echo', [deep]), deep);
});
