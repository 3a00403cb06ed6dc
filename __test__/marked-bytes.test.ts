import { randomBytes, randomInt } from 'node:crypto';
import test from 'ava';
import {
  atom,
  Client,
  decode,
  encode,
  expose,
  fromErlang,
  ImproperList,
  OptionError,
  raise,
  RemoteException,
  startClearServer,
  TermError,
  toElixir,
  toErlang,
  toTerm,
  tuple,
} from '../src/index.js';
import {
  decodeInErlang,
  erlangAvailable,
  startErlangClient,
  startErlangServer,
} from './interop/erlang.js';
import { elixirAvailable, LinePeer } from './support/evaluators.js';
import { connect, secret, serve } from './support/rpc.js';

const withErlang = erlangAvailable() ? test.serial : test.serial.skip;
const withElixir = elixirAvailable() ? test.serial : test.serial.skip;

const MARKED = { markBytes: true } as const;
const roundTrip = (value: unknown): unknown => decode(encode(value, MARKED));
const ascii = Buffer.from('abc');

function randomArray(): Uint8Array {
  const length = randomInt(1, 40);
  switch (randomInt(5)) {
    case 0:
      return randomBytes(length);
    case 1:
      return new TextEncoder().encode('é'.repeat(length));
    case 2:
      return new Uint8Array(length);
    case 3:
      return randomBytes(length).map((byte) => byte & 0x7f);
    default:
      return randomBytes(1);
  }
}

const arrived = (bytes: Uint8Array): Buffer => Buffer.from(bytes);

test('10,000 random arrays keep their type and value through encode and decode', (t) => {
  const arrays = Array.from({ length: 10_000 }, randomArray);
  t.deepEqual(roundTrip(arrays), arrays.map(arrived));
});

test('10,000 random arrays keep their type and value between two Node processes', async (t) => {
  const server = await serve(t, {
    m: { echo: (list: unknown[]) => [list, list.every(Buffer.isBuffer)] },
  });
  const client = connect(t, server);
  for (let round = 0; round < 20; round++) {
    const arrays = Array.from({ length: 500 }, randomArray);
    t.deepEqual(await client.call('m', 'echo', [arrays]), [arrays.map(arrived), true]);
  }
});

test('bytes are marked at any position', (t) => {
  class Note {
    [toTerm](): unknown {
      return tuple(atom('note'), ascii);
    }
  }
  for (const value of [
    ascii,
    [ascii, 'abc', ascii],
    tuple(ascii, 1.5),
    { a: ascii, b: 'abc', c: { d: ascii } },
    new ImproperList([ascii, 1], ascii),
    new Map<unknown, unknown>([[1, ascii]]),
  ]) {
    t.deepEqual(roundTrip(value), value);
  }
  t.deepEqual(roundTrip(new Note()), tuple(atom('note'), ascii));
  const encoders = [{ class: Date, toTerm: () => ascii }];
  t.deepEqual(decode(encode([new Date(0)], { encoders, ...MARKED })), [ascii]);
  t.deepEqual(roundTrip(new Uint8Array(ascii.buffer, ascii.byteOffset + 1, 1)), Buffer.from('b'));
  const shared = new Uint8Array(new SharedArrayBuffer(3));
  shared.set(ascii);
  t.deepEqual(roundTrip(shared), ascii);
  for (const size of [65_535, 65_536, 1_000_000]) {
    const large = Buffer.alloc(size, 'x');
    t.deepEqual(roundTrip([large, 'y', large, ascii]), [large, 'y', large, ascii]);
  }
});

test('marked bytes work as keys of maps', (t) => {
  const map = roundTrip(new Map([[ascii, 1]])) as Map<unknown, unknown>;
  t.true(map instanceof Map);
  t.deepEqual([...map], [[ascii, 1]]);
  const keys = [tuple(ascii), tuple('x')] as const;
  const nested = roundTrip(new Map<unknown, unknown>(keys.map((key) => [key, 1])));
  t.deepEqual([...(nested as Map<unknown, unknown>).keys()], [...keys]);
  // Erlang refuses duplicate keys.
  for (const twice of [
    ['abc', ascii],
    [tuple('abc'), tuple(ascii)],
  ]) {
    t.throws(() => encode(new Map<unknown, unknown>(twice.map((key) => [key, 1])), MARKED), {
      instanceOf: TermError,
      message: /two keys that are the same term/,
    });
  }
});

test('an empty array is never marked', (t) => {
  t.deepEqual(encode(new Uint8Array(0), MARKED), encode(''));
  t.is(roundTrip(new Uint8Array(0)), '');
});

test('encode marks nothing by default', (t) => {
  t.deepEqual([...encode(ascii)], [131, 109, 0, 0, 0, 3, 97, 98, 99]);
  t.deepEqual([...encode(ascii, { markBytes: false })], [...encode(ascii)]);
  t.deepEqual([...encode(ascii, MARKED)], [131, 77, 0, 0, 0, 3, 8, 97, 98, 99]);
  t.throws(() => encode(ascii, { markBytes: 1 as never }), { instanceOf: OptionError });
});

test('binaries determines how marked bytes are decoded', (t) => {
  const bytes = encode([ascii, 'abc'], MARKED);
  t.deepEqual(decode(bytes), [ascii, 'abc']);
  t.deepEqual(decode(bytes, { binaries: 'buffer' }), [ascii, ascii]);
  t.deepEqual(decode(bytes, { binaries: 'string' }), ['abc', 'abc']);
  const noise = encode(Buffer.of(255), MARKED);
  t.throws(() => decode(noise, { binaries: 'string' }), { instanceOf: TermError });
  const exact = decode(bytes, { terms: 'exact' });
  t.deepEqual(exact, [ascii, ascii]);
  t.deepEqual(encode(exact), encode([ascii, ascii]));
});

test('marked bytes are printed as binaries', (t) => {
  const value = decode(encode({ a: ascii, b: Buffer.of(1, 255) }, MARKED));
  t.is(toErlang(value), '#{<<"a">> => <<"abc">>,<<"b">> => <<1,255>>}');
  t.is(toElixir(value), '%{"a" => "abc", "b" => <<1, 255>>}');
  t.deepEqual(decode(encode(fromErlang('<<255>>'), MARKED)), Buffer.of(255));
});

test('calls mark bytes unless terms is exact', async (t) => {
  const kind = (value: unknown): string => (Buffer.isBuffer(value) ? 'bytes' : typeof value);
  const m = {
    kind,
    give: () => ascii,
  };
  const server = await serve(t, { m });
  const plain = await serve(t, { m }, { markBytes: false });
  const exact = await serve(t, { m: { give: () => ascii } }, { terms: 'exact' });
  t.is(await connect(t, server).call('m', 'kind', [ascii]), 'bytes');
  t.is(await connect(t, server).call('m', 'kind', ['abc']), 'string');
  t.deepEqual(await connect(t, server).call('m', 'give'), ascii);
  t.is(await connect(t, server, { markBytes: false }).call('m', 'kind', [ascii]), 'string');
  t.is(await connect(t, server).call('m', 'kind', [ascii], { markBytes: false }), 'string');
  t.is(await connect(t, plain).call('m', 'give'), 'abc' as never);
  t.is(await connect(t, exact).call('m', 'give'), 'abc' as never);
  const exactClient = connect(t, server, { terms: 'exact' });
  t.deepEqual(await exactClient.call('m', 'kind', [ascii]), Buffer.from('string'));
  t.deepEqual(
    await connect(t, server).call('m', 'kind', [ascii], { terms: 'exact' }),
    Buffer.from('string'),
  );
  const forced = connect(t, server, { terms: 'exact', markBytes: true });
  t.deepEqual(await forced.call('m', 'kind', [ascii]), Buffer.from('bytes'));
});

test('exceptions mark bytes, too', async (t) => {
  const server = await serve(t, { m: { fail: () => raise('throw', tuple(ascii, 'abc')) } });
  const error = await t.throwsAsync(connect(t, server).call('m', 'fail'), {
    instanceOf: RemoteException,
  });
  t.deepEqual((error as RemoteException).reason, tuple(ascii, 'abc') as never);
});

test('worker threads mark and read bytes', async (t) => {
  const modules = new URL('./support/workers/modules.js', import.meta.url);
  const server = await startClearServer(secret, modules, {
    host: '127.0.0.1',
    port: 0,
    workers: 1,
  });
  t.teardown(() => server.close({ timeout: 100 }));
  const value = { a: ascii, b: 'abc', large: Buffer.alloc(100_000, 'x') };
  t.deepEqual(await connect(t, server).call('work', 'echo', [value]), value);
});

test('a function can set binaries', async (t) => {
  const kind = (value: unknown): string => (Buffer.isBuffer(value) ? 'bytes' : typeof value);
  const own = {
    usual: kind,
    buffer: expose.fn(kind, { binaries: 'buffer' }),
    string: expose.fn(kind, { binaries: 'string' }),
    auto: expose.fn(kind, { binaries: 'auto', arity: [1, 2] }),
    context: expose.fn((_context, value: unknown) => kind(value), {
      context: true,
      binaries: 'buffer',
    }),
  };
  for (const [binaries, usual] of [
    ['auto', 'string'],
    ['buffer', 'bytes'],
  ] as const) {
    const server = await serve(t, { own }, { binaries });
    const client = connect(t, server);
    t.is(await client.call('own', 'usual', ['abc']), usual);
    t.is(await client.call('own', 'buffer', ['abc']), 'bytes');
    t.is(await client.call('own', 'string', [ascii]), 'string');
    t.is(await client.call('own', 'auto', ['abc']), 'string');
    t.is(await client.call('own', 'auto', [ascii, 1]), 'bytes');
    t.is(await client.call('own', 'context', ['abc']), 'bytes');
    await t.throwsAsync(client.call('own', 'string', [Buffer.of(255)]), {
      code: 'ERR_BACKWATER_REMOTE',
      message: /unable_to_decode_arguments/,
    });
  }
  for (const binaries of ['text', 1, null]) {
    const error = t.throws(() => expose.fn(kind, { binaries: binaries as never }), {
      instanceOf: OptionError,
      message: /option 'binaries' takes 'auto' or 'buffer' or 'string'/,
    });
    t.is(error?.option, 'binaries');
  }
});

test('a module of a client can set binaries', async (t) => {
  const server = await serve(t, { m: { echo: (value: unknown) => value } });
  const client = connect(t, server);
  interface Echo {
    echo(value: unknown): unknown;
  }
  t.deepEqual(await client.module<Echo>('m', { binaries: 'buffer' }).echo('abc'), ascii);
  t.is(await client.module<Echo>('m', { binaries: 'string' }).echo(ascii), 'abc');
  t.deepEqual(await client.module<Echo>('m').echo(ascii), ascii);
});

withErlang('Erlang reads marked bytes as ordinary binaries', async (t) => {
  const values = [
    ascii,
    Buffer.of(255, 0),
    new ImproperList([ascii], ascii),
    new Map<unknown, unknown>([[ascii, tuple(ascii)]]),
    { a: [ascii, Buffer.alloc(70_000, 'x')] },
  ];
  const answers = await decodeInErlang(values.map((value) => encode(value, MARKED)));
  for (const [index, answer] of answers.entries()) {
    const { reencoded } = answer as { reencoded: string };
    t.deepEqual(Buffer.from(reencoded, 'base64'), encode(values[index]), String(index));
  }
});

withErlang('marked bytes work in Erlang: is_binary, matches, keys, safe atoms', async (t) => {
  const server = await startErlangServer({ secret, decodeUnsafeTerms: false });
  t.teardown(() => server.close());
  const client = connect(t, server);
  t.is(await client.call('erlang', 'is_binary', [ascii]), true);
  t.is(await client.call('erlang', 'is_bitstring', [ascii]), true);
  t.is(await client.call('erlang', 'byte_size', [ascii]), 3);
  t.is(await client.call('erlang', '=:=', [ascii, 'abc']), true);
  t.is(await client.call('erlang', '=:=', [new Map([[ascii, 1]]), { abc: 1 }]), true);
  t.is(await client.call('erlang', 'map_get', ['abc', new Map([[ascii, 7]])]), 7);
  t.is(await client.call('erlang', 'hd', [new ImproperList([ascii], ascii)]), 'abc');
  t.is(await client.call('peer', 'echo', [ascii]), 'abc');

  const node = await serve(t, { m: { give: () => [ascii, new Map([[ascii, 1]])] } });
  const erlang = startErlangClient({ secret });
  t.teardown(() => erlang.close());
  const options = { decodeUnsafeTerms: false };
  const answer = await erlang.call(node.url, 'm', 'give', '[]', options);
  t.is((answer as { ok: string }).ok, '[<<"abc">>,#{<<"abc">> => 1}]');
});

withElixir('Elixir matches marked bytes as binaries', async (t) => {
  const peer = new LinePeer('elixir', 'structs.exs');
  t.teardown(() => peer.close());
  const cases: [unknown, string][] = [
    [ascii, 'is_binary(it) and it == "abc"'],
    [ascii, 'match?("a" <> _, it)'],
    [new Map([[ascii, 1]]), 'it == %{"abc" => 1} and it["abc"] == 1'],
    [new ImproperList([ascii], ascii), 'it == ["abc" | "abc"]'],
  ];
  const questions = cases.map(([value, text]) =>
    [Buffer.from(text), encode(value, MARKED)].map((part) => part.toString('base64')).join(' '),
  );
  const answers = await peer.ask(questions);
  for (const answer of answers) t.is(decode(Buffer.from(answer, 'base64')), true);
});

test('one-shot clients and their calls accept markBytes', async (t) => {
  const server = await serve(t, {
    m: { kind: (value: unknown) => (Buffer.isBuffer(value) ? 'bytes' : typeof value) },
  });
  await using client = new Client({ url: server.url, secret, markBytes: false });
  t.is(await client.call('m', 'kind', [ascii]), 'string');
  t.is(await client.call('m', 'kind', [ascii], { markBytes: true }), 'bytes');
});
