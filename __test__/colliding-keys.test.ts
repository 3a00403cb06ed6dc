import test from 'ava';
import { elixir } from '../src/elixir.js';
import { javascript } from '../src/hooks.js';
import { atom, decode, encode, RemoteError, TermError } from '../src/index.js';
import { connect, serve } from './support/rpc.js';

// Keys that share a bucket of V8's Map, which takes quadratic time to fill.

/** V8's `ComputeUnseededHash`, for 32-bit integers. */
function hash32(key: number): number {
  let hash = (~key + (key << 15)) | 0;
  hash ^= hash >>> 12;
  hash = (hash + (hash << 2)) | 0;
  hash ^= hash >>> 4;
  hash = Math.imul(hash, 2057);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** V8's `ComputeLongHash`, for other numbers and the lowest 64 bits of big integers. */
function hash64(key: bigint): number {
  const wrap = (value: bigint): bigint => BigInt.asUintN(64, value);
  let hash = wrap(~key + (key << 18n));
  hash ^= hash >> 31n;
  hash = wrap(hash * 21n);
  hash ^= hash >> 11n;
  hash = wrap(hash + (hash << 6n));
  return Number((hash ^ (hash >> 22n)) & 0xffff_ffffn);
}

const bits = new BigUint64Array(1);
const double = new Float64Array(bits.buffer);
function bitsOf(value: number): bigint {
  double[0] = value;
  return bits[0]!;
}

const OTHERS = 900;
const BUCKETS = 512;

function keys<Key>(count: number, make: (index: number) => Key, hash: (key: Key) => number): Key[] {
  const found: Key[] = [];
  for (let index = 0; found.length < count; index++) {
    const key = make(index);
    if (hash(key) % BUCKETS === 5) found.push(key);
  }
  return found;
}

const kinds: Record<string, (count: number) => (number | bigint)[]> = {
  'small integers': (count) => keys(count, (index) => 100_000 + index, hash32),
  'integers of 32 bits': (count) => keys(count, (index) => -(2 ** 31) + index, hash32),
  'larger integers': (count) =>
    keys(
      count,
      (index) => 2 ** 40 + index,
      (key) => hash64(bitsOf(key)),
    ),
  doubles: (count) =>
    keys(
      count,
      (index) => 0.25 + index,
      (key) => hash64(bitsOf(key)),
    ),
  'integers that share their low 64 bits': (count) =>
    Array.from({ length: count }, (_, index) => (BigInt(index + 1) << 64n) + 77n),
  'negative integers that share their low 64 bits': (count) =>
    Array.from({ length: count }, (_, index) => -((BigInt(index + 1) << 64n) + 77n)),
};

const map = (colliding: readonly (number | bigint)[]): Map<unknown, unknown> => {
  const others = Array.from({ length: OTHERS }, (_, index): [string, number] => [`k${index}`, 1]);
  return new Map<unknown, unknown>([...others, ...colliding.map((key): [unknown, 1] => [key, 1])]);
};
const LIMIT = 32;
const WORDS = /^a map has more than 32 keys whose hashes collide in JavaScript, at byte \d+$/;

for (const [kind, make] of Object.entries(kinds)) {
  for (const terms of ['js', 'exact'] as const) {
    // Exact floats are objects, which V8 hashes at random.
    if (kind === 'doubles' && terms === 'exact') continue;
    test(`${kind} as colliding keys are refused, decoded as ${terms}`, (t) => {
      const taken = encode([map(make(LIMIT)), map(make(LIMIT))]);
      t.is((decode(taken, { terms }) as Map<unknown, unknown>[])[1]!.size, OTHERS + LIMIT);
      const refused = encode([map(make(LIMIT)), { inner: map(make(LIMIT + 1)) }]);
      const error = t.throws(() => decode(refused, { terms }), { instanceOf: TermError })!;
      t.regex(error.message, WORDS);
      t.is(error.offset, refused.length - 1);
    });
  }
}

test('exact floats do not collide', (t) => {
  const bytes = encode(map(kinds['doubles']!(LIMIT + 1)));
  t.is(
    (decode(bytes, { terms: 'exact' }) as unknown as Map<unknown, unknown>).size,
    OTHERS + LIMIT + 1,
  );
});

test('nested maps are counted separately', (t) => {
  const half = kinds['small integers']!(LIMIT).slice(0, LIMIT / 2 + 5);
  const outer = map(half);
  outer.set(map(half), map(half));
  t.is((decode(encode(outer)) as unknown as Map<unknown, unknown>).size, outer.size);
});

test('ordinary keys do not collide', (t) => {
  const count = 20_000;
  const bases = [0, 1, 1_700_000_000, 1_700_000_000_000];
  for (const base of bases) {
    for (const step of [1, 2, 10, 1000, 1024, 65_536, 86_400]) {
      const numbers = Array.from({ length: count }, (_, index) => base + index * step);
      const keys = new Map(numbers.map((number) => [number, 0]));
      t.is((decode(encode(keys)) as unknown as Map<unknown, unknown>).size, count);
    }
  }
  const identifiers = Array.from(
    { length: count },
    (_, index) => (1n << 60n) + BigInt(index << 12),
  );
  const keys = new Map(identifiers.map((identifier) => [identifier, 0]));
  t.is((decode(encode(keys)) as unknown as Map<unknown, unknown>).size, count);
});

/** Array indices with the same low bits collide in V8 before March 2026. */
const indices = (count: number): string[] =>
  Array.from({ length: count }, (_, index) => String(65_536 * (index + 1)));

test('up to 256 array indices may share a bucket', (t) => {
  const mixed = (count: number): Map<unknown, number> =>
    new Map<unknown, number>([[1.5, 1], ...indices(count).map((key): [string, 1] => [key, 1])]);
  t.is((decode(encode(mixed(256))) as unknown as Map<unknown, unknown>).size, 257);
  const error = t.throws(() => decode(encode(mixed(257))), { instanceOf: TermError })!;
  t.regex(error.message, /more than 256 keys whose hashes collide/);
  const object = Object.fromEntries(indices(2000).map((key) => [key, 1]));
  t.is(Object.keys(decode(encode(object)) as object).length, 2000);
});

test('sets of colliding strings stay maps', (t) => {
  for (const hooks of [elixir(), javascript()]) {
    const sent = (count: number): unknown => decode(encode(new Set(indices(count)), hooks), hooks);
    t.is((sent(256) as Set<string>).size, 256);
    t.false(sent(257) instanceof Set);
  }
});

test('atoms with numeric names are distinct', (t) => {
  for (const name of ['5', ':5', '::5', '65536']) {
    t.is(atom(name).name, name);
    t.is(atom(name), atom(name));
    t.is(decode(encode(atom(name))), atom(name));
  }
  t.is(new Set(['5', ':5', '::5'].map(atom)).size, 3);
});

test('the server refuses a call with colliding keys', async (t) => {
  const server = await serve(t, { m: { size: (given: Map<unknown, unknown>) => given.size } });
  const client = connect(t, server);
  const make = kinds['integers that share their low 64 bits']!;
  t.is(await client.call('m', 'size', [map(make(LIMIT))]), OTHERS + LIMIT);
  const error = await t.throwsAsync(client.call('m', 'size', [map(make(LIMIT + 1))]), {
    instanceOf: RemoteError,
  });
  t.is(error!.reason, 'unable_to_decode_arguments');
});
