// Encoded terms that cost as much as possible to decode, and cheaper ones to compare with.
import { elixir } from 'backwater/elixir';

export const bytes = (...parts) =>
  Buffer.concat(parts.flat().map((part) => (typeof part === 'number' ? Buffer.of(part) : part)));

const uint32 = (value) => {
  const buffer = Buffer.alloc(4);
  buffer.writeUInt32BE(value >>> 0);
  return buffer;
};

export const binary = (content) =>
  bytes(109, uint32(Buffer.byteLength(content)), Buffer.from(content));
const atom = (text) => bytes(119, text.length, Buffer.from(text));
export const integer = (value) => bytes(98, uint32(value));
const large = (size) => bytes(111, uint32(size), 0, Buffer.alloc(size, 255));
const tuple = (...elements) => bytes(104, elements.length, ...elements);
const listOfAll = (items) => bytes(108, uint32(items.length), items, 106);
export const list = (...items) => listOfAll(items);
export const map = (...terms) => bytes(116, uint32(terms.length / 2), terms);
const struct = (name, fields) => {
  const terms = Object.entries({ __struct__: atom(`Elixir.${name}`), ...fields });
  return map(...terms.flatMap(([key, value]) => [atom(key), value]));
};
export const nil = Buffer.of(106);
const one = bytes(97, 1);
const double = (value) => {
  const buffer = Buffer.alloc(9, 70);
  buffer.writeDoubleBE(value, 1);
  return buffer;
};
const node = atom('n@h');
const pid = (id) => bytes(88, node, uint32(id), uint32(0), uint32(1));

const name = (index) => index.toString(36);
const range = (count, item) => Array.from({ length: count }, (_, index) => item(index));

function fill(size, item) {
  const items = [];
  for (let length = 0; length < size; length += items.at(-1).length) items.push(item(items.length));
  return items;
}

export const listOf = (item) => (size) => listOfAll(fill(size, item));
export const mapOf = (pair) => (size) => {
  const pairs = fill(size, pair);
  return bytes(116, uint32(pairs.length), pairs);
};

/** V8's hash of an integer of 32 bits. */
function hash(key) {
  let value = (~key + (key << 15)) | 0;
  value ^= value >>> 12;
  value = (value + (value << 2)) | 0;
  value ^= value >>> 4;
  value = Math.imul(value, 2057);
  return (value ^ (value >>> 16)) >>> 0;
}

/** As many keys in each bucket of a Map as the decoder accepts. */
function crowded(size) {
  const count = 2 ** Math.floor(Math.log2(size / 6));
  const buckets = count / 2;
  const inBucket = new Map();
  const keys = [];
  for (let key = 0; keys.length < count; key++) {
    const bucket = hash(key) & (buckets - 1);
    if (bucket >= buckets / 16) continue;
    const others = inBucket.get(bucket) ?? 0;
    if (others === 32) continue;
    inBucket.set(bucket, others + 1);
    keys.push(bytes(integer(key), nil));
  }
  return bytes(116, uint32(keys.length), keys);
}

export const nested = (depth) =>
  bytes(...range(depth, () => bytes(108, uint32(1))), 106, ...range(depth, () => nil));

/** Each makes a term of about a size. */
export const terms = {
  'empty lists': listOf(() => nil),
  'empty maps': listOf(() => map()),
  'empty tuples': listOf(() => tuple()),
  'tuples of one': listOf(() => tuple(nil)),
  'improper lists': listOf(() => bytes(108, uint32(1), one, one)),
  'one binary': (size) => binary(Buffer.alloc(size, 255)),
  'one string': (size) => binary('x'.repeat(size)),
  'binaries of one byte': listOf(() => bytes(109, uint32(1), 255)),
  'bit strings': listOf(() => bytes(77, uint32(1), 3, 255)),
  'new atoms': listOf((index) => atom(name(index))),
  pids: listOf(pid),
  references: listOf((index) => bytes(90, 0, 1, node, uint32(1), uint32(index))),
  'external functions': listOf(() => bytes(113, atom('a'), atom('b'), one)),
  'objects of one shape': listOf(() =>
    map(binary('id'), one, binary('name'), binary('x'), binary('tags'), nil),
  ),
  'objects of one new key': listOf((index) => map(binary(name(index)), nil)),
  'objects of one new atom': listOf((index) => map(atom(name(index)), nil)),
  'objects of 64 new keys': listOf((index) =>
    map(...range(64, (key) => [binary(name(index * 64 + key)), nil]).flat()),
  ),
  'one object of new keys': mapOf((index) => bytes(binary(name(index)), nil)),
  'one object of new atoms': mapOf((index) => bytes(atom(name(index)), nil)),
  'maps of one integer': listOf(() => map(one, nil)),
  'one map of integers': mapOf((index) => bytes(integer(index), nil)),
  'one map of integers that collide': crowded,
  'one map of tuples': mapOf((index) => bytes(tuple(integer(index)), nil)),
  'one map of binaries': mapOf((index) => bytes(109, uint32(5), 255, uint32(index), nil)),
};

/** Cheaper ones. */
const cheaperTerms = {
  'lists of one': listOf(() => list(one)),
  'lists of one, 500 deep': listOf(() => nested(500)),
  'small integers': listOf(() => one),
  doubles: listOf((index) => double(index + 0.5)),
  'integers of 9 bytes': listOf(() => bytes(110, 9, 0, Buffer.alloc(9, 255))),
  'one large integer': large,
  'one string beyond ASCII': (size) => binary('é'.repeat(size / 2)),
  'strings of one character': listOf(() => binary('x')),
  'strings beyond Latin-1': listOf(() => binary('一')),
  'strings as lists': listOf(() => bytes(107, 0, 1, 255)),
  'long strings as lists': listOf(() => bytes(107, 255, 255, Buffer.alloc(65_535, 255))),
  closures: listOf(() => {
    const body = bytes(0, Buffer.alloc(24), atom('m'), one, one, pid(1));
    return bytes(112, uint32(body.length + 4), body);
  }),
  'objects of one new key that is not ASCII': listOf((index) =>
    map(binary(`ü${name(index)}`), nil),
  ),
  'objects of 64 new keys, three times each': listOf((index) =>
    map(...range(64, (key) => [binary(name(Math.floor(index / 3) * 64 + key)), nil]).flat()),
  ),
  'objects of 64 keys, the last one new': listOf((index) =>
    map(...range(63, (key) => [binary(name(key)), nil]).flat(), binary(`x${name(index)}`), nil),
  ),
  'one object of array indices': mapOf((index) => bytes(binary(String(index * 1023)), nil)),
};

const uri = (host, path) =>
  struct('URI', { scheme: binary('http'), host: binary(host), path: binary(path) });

const { revivers } = elixir();
const zero = bytes(97, 0);

/** For the revivers of `elixir()`. */
const structs = {
  'a MapSet of integers': (size) =>
    struct('MapSet', { map: mapOf((index) => bytes(integer(index), nil))(size) }),
  'a MapSet of new atoms': (size) =>
    struct('MapSet', { map: mapOf((index) => bytes(atom(name(index)), nil))(size) }),
  'empty MapSets': listOf(() => struct('MapSet', { map: map() })),
  'a Decimal with one large integer': (size) =>
    struct('Decimal', { sign: one, coef: large(size), exp: zero }),
  'Decimals of 9,800 digits': listOf(() =>
    struct('Decimal', { sign: one, coef: large(4070), exp: zero }),
  ),
  Decimals: listOf(() => struct('Decimal', { sign: one, coef: one, exp: integer(-1) })),
  'a URI with a long path': (size) => uri('h', '/ü'.repeat(size / 3)),
  'a URI with a long host': (size) => uri('ü'.repeat(size / 2), '/'),
  'a URI with many labels': (size) => uri('ü.'.repeat(size / 3), '/'),
  URIs: listOf(() => uri('h', '/')),
  NaiveDateTimes: listOf(() =>
    struct('NaiveDateTime', {
      calendar: atom('Elixir.Calendar.ISO'),
      year: integer(2000),
      ...Object.fromEntries(['month', 'day', 'hour', 'minute', 'second'].map((key) => [key, one])),
      microsecond: tuple(zero, zero),
    }),
  ),
};

export const kinds = Object.fromEntries([
  ...Object.entries({ ...terms, ...cheaperTerms }).map(([kind, make]) => [
    kind,
    { make, options: {} },
  ]),
  ...Object.entries(structs).map(([kind, make]) => [kind, { make, options: { revivers } }]),
]);

export const VERSION = Buffer.of(131);
