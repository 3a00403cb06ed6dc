import { deflateSync } from 'node:zlib';
import type { Random } from './random.js';

/** The tags of the external term format (OTP, erl_ext_dist), including old releases. */
export const TAGS = {
  newFloat: 70,
  bitBinary: 77,
  compressed: 80,
  newPid: 88,
  newPort: 89,
  newerReference: 90,
  smallInteger: 97,
  integer: 98,
  float: 99,
  atom: 100,
  reference: 101,
  port: 102,
  pid: 103,
  smallTuple: 104,
  largeTuple: 105,
  nil: 106,
  string: 107,
  list: 108,
  binary: 109,
  smallBig: 110,
  largeBig: 111,
  newFun: 112,
  export: 113,
  newReference: 114,
  smallAtom: 115,
  map: 116,
  atomUtf8: 118,
  smallAtomUtf8: 119,
  v4Port: 120,
} as const;

const VERSION = 131;
const MAX_DEPTH = 5;

/** Some of the encodings are incorrect on purpose. */
export function generate(random: Random): Buffer {
  const term = anyTerm(random, 0);
  const whole = random.once(25) ? compressed(random, term) : Buffer.concat([u8(VERSION), term]);
  return random.once(5) ? Buffer.concat([whole, random.bytes(1 + random.below(4))]) : whole;
}

type Generator = (random: Random, depth: number) => Buffer;

const LEAVES: readonly (readonly [number, Generator])[] = [
  [4, smallInteger],
  [4, integer],
  [3, newFloat],
  [2, floatText],
  [4, big],
  [8, atom],
  [5, binary],
  [2, string],
  [2, bitBinary],
  [1, () => u8(TAGS.nil)],
  [2, pid],
  [2, port],
  [2, reference],
  [1, exported],
];

const CONTAINERS: readonly (readonly [number, Generator])[] = [
  [5, tuple],
  [5, list],
  [6, map],
  [1, fun],
];

function anyTerm(random: Random, depth: number): Buffer {
  const nested = depth < MAX_DEPTH && random.below(10) < (depth === 0 ? 7 : 4);
  return random.weighted(nested ? CONTAINERS : LEAVES)(random, depth);
}

const u8 = (value: number): Buffer => Buffer.of(value);

function u16(value: number): Buffer {
  const buffer = Buffer.alloc(2);
  buffer.writeUInt16BE(value);
  return buffer;
}

function u32(value: number): Buffer {
  const buffer = Buffer.alloc(4);
  buffer.writeUInt32BE(value);
  return buffer;
}

const EDGES = [0, 1, 2, 3, 4, 5, 127, 128, 255, 256, 0x7fff, 0x8000, 0xffff, 0x1_0000, 0x3_ffff];
const WIDE_EDGES = [0x7ff_ffff, 0x800_0000, 0xfff_ffff, 0x1000_0000, 0x7fff_ffff, 0x8000_0000];

function anyU32(random: Random): Buffer {
  if (random.once(3)) return random.bytes(4);
  return u32(random.pick([...EDGES, ...WIDE_EDGES, 0xf800_0000, 0xf7ff_ffff, 0xffff_ffff]));
}

function smallInteger(random: Random): Buffer {
  return Buffer.of(TAGS.smallInteger, random.below(random.once(2) ? 4 : 256));
}

function integer(random: Random): Buffer {
  return Buffer.concat([u8(TAGS.integer), anyU32(random)]);
}

function newFloat(random: Random): Buffer {
  const double = random.bytes(8);
  if (!random.once(3)) {
    const edges = [0, -0, 1, 2, -1, 0.1, 5e-324, 1e21, 2 ** 53, 2 ** 64, Number.MAX_VALUE];
    double.writeDoubleBE(random.pick(random.once(20) ? [NaN, Infinity, -Infinity] : edges));
  }
  return Buffer.concat([u8(TAGS.newFloat), double]);
}

/** FLOAT_EXT: 31 bytes, the text of "%.20e" padded with zeros. */
function floatText(random: Random): Buffer {
  const field = Buffer.alloc(32);
  field.writeUInt8(TAGS.float);
  if (random.once(6)) {
    const odd = ['1', '1.', '.5', '1e5', '1.0', '+1.0', '-1.5E5', ' 1.0', '1.0 ', '1.0e', '1.0e+'];
    const none = [
      '',
      'inf',
      'nan',
      '0x1p3',
      '1,5',
      '1.0x',
      '1.0\0x',
      '--1.0',
      '1.0e400',
      '1.0e-400',
    ];
    field.write(random.pick([...odd, ...none, '9'.repeat(31), `1.${'0'.repeat(29)}`]), 1, 'latin1');
    return field;
  }
  const value = random.bytes(8).readDoubleBE();
  const finite = Number.isFinite(value) && random.once(2) ? value : random.below(1000) / 8 - 20;
  field.write(finite.toExponential(20), 1, 'latin1');
  return field;
}

function big(random: Random): Buffer {
  const large = random.once(3);
  const length = random.pick(
    large ? [0, 1, 4, 8, 9, 64, 255, 256, 300] : [0, 1, 3, 4, 5, 7, 8, 9, 255],
  );
  const digits = random.pick([
    () => random.bytes(length),
    () => Buffer.alloc(length, 0xff),
    () => Buffer.alloc(length),
    () => Buffer.concat([Buffer.alloc(Math.max(length - 1, 0)), Buffer.from('80', 'hex')]),
    () => Buffer.concat([Buffer.alloc(length), u8(random.below(2))]),
    () => Buffer.concat([random.bytes(length), Buffer.alloc(random.below(4))]),
  ])();
  const sign = random.once(12) ? random.below(256) : random.below(2);
  const kept = large ? digits : digits.subarray(0, 255);
  const count = large
    ? [u8(TAGS.largeBig), u32(kept.length)]
    : [u8(TAGS.smallBig), u8(kept.length)];
  return Buffer.concat([...count, u8(sign), kept]);
}

const ATOMS = [
  'ok',
  'error',
  'true',
  'false',
  'nil',
  'undefined',
  '',
  'a',
  'node@host',
  'erlang',
  'é',
  'ÿ',
];

function atom(random: Random): Buffer {
  const tag = random.pick([TAGS.atom, TAGS.smallAtom, TAGS.atomUtf8, TAGS.smallAtomUtf8]);
  return named(tag, atomName(random, tag === TAGS.atom || tag === TAGS.smallAtom));
}

function named(tag: number, name: Buffer): Buffer {
  if (tag === TAGS.smallAtom || tag === TAGS.smallAtomUtf8) {
    const short = name.subarray(0, 255);
    return Buffer.concat([u8(tag), u8(short.length), short]);
  }
  return Buffer.concat([u8(tag), u16(name.length), name]);
}

function atomName(random: Random, latin1: boolean): Buffer {
  if (!random.once(12)) return Buffer.from(random.pick(ATOMS), latin1 ? 'latin1' : 'utf8');
  return random.pick([
    () => random.bytes(random.below(4)),
    () => Buffer.from('x'.repeat(random.pick([254, 255, 256, 300]))),
    () => Buffer.from(random.pick(['日', 'é', '👍']).repeat(random.pick([63, 127, 128, 255, 256]))),
    () => Buffer.from(random.pick(['日本', '👍', '\u{10ffff}', '\0', '\ufeff'])),
    () => Buffer.from(random.pick(['eda080', 'c080', 'f4908080', 'ff', 'e28d', 'fe']), 'hex'),
  ])();
}

function contents(random: Random): Buffer {
  return random.pick([
    () => Buffer.alloc(0),
    () => random.bytes(random.below(12)),
    () => Buffer.from(random.pick(['a', 'key', 'hello', 'é', '日本', '👍', '__proto__', 'a\0b'])),
    () => Buffer.alloc(random.pick([63, 64, 255, 256, 300]), random.pick(['x', 'é', 'ÿ', '日'])),
  ])();
}

function binary(random: Random): Buffer {
  const content = contents(random);
  return Buffer.concat([u8(TAGS.binary), u32(content.length), content]);
}

function bitBinary(random: Random): Buffer {
  const content = contents(random);
  const bits = random.once(8) ? random.pick([0, 9, 16, 255]) : 1 + random.below(8);
  return Buffer.concat([u8(TAGS.bitBinary), u32(content.length), u8(bits), content]);
}

function string(random: Random): Buffer {
  const content = random.once(200) ? random.bytes(65_535) : contents(random);
  return Buffer.concat([u8(TAGS.string), u16(content.length), content]);
}

function node(random: Random): Buffer {
  if (random.once(40)) return smallInteger(random);
  if (random.once(10)) return named(TAGS.smallAtomUtf8, Buffer.from('nonode@nohost'));
  return atom(random);
}

function creation(random: Random, wide: boolean): Buffer {
  return wide ? anyU32(random) : u8(random.below(random.once(2) ? 4 : 256));
}

function pid(random: Random): Buffer {
  const tag = random.pick([TAGS.pid, TAGS.newPid]);
  const numbers = [anyU32(random), anyU32(random), creation(random, tag === TAGS.newPid)];
  return Buffer.concat([u8(tag), node(random), ...numbers]);
}

function port(random: Random): Buffer {
  const tag = random.pick([TAGS.port, TAGS.newPort, TAGS.v4Port]);
  const id = tag === TAGS.v4Port ? [random.once(2) ? u32(0) : anyU32(random)] : [];
  const numbers = [...id, anyU32(random), creation(random, tag !== TAGS.port)];
  return Buffer.concat([u8(tag), node(random), ...numbers]);
}

function reference(random: Random): Buffer {
  const tag = random.pick([TAGS.reference, TAGS.newReference, TAGS.newerReference]);
  if (tag === TAGS.reference) {
    return Buffer.concat([u8(tag), node(random), anyU32(random), creation(random, false)]);
  }
  const count = random.once(10) ? random.below(8) : 1 + random.below(5);
  const ids = Array.from({ length: count }, () => anyU32(random));
  const wide = tag === TAGS.newerReference;
  return Buffer.concat([u8(tag), u16(count), node(random), creation(random, wide), ...ids]);
}

function exported(random: Random): Buffer {
  const odd = random.once(15);
  const arity = odd ? random.pick([integer, big, atom])(random) : smallInteger(random);
  return Buffer.concat([u8(TAGS.export), atom(random), atom(random), arity]);
}

function fun(random: Random, depth: number): Buffer {
  const free = terms(random, depth, random.below(4));
  const integers = [random, random].map((source) => (source.once(20) ? big : smallInteger)(source));
  const creator = random.once(20) ? atom(random) : pid(random);
  const body = Buffer.concat([
    u8(random.below(256)),
    random.bytes(16),
    anyU32(random),
    u32(free.length),
    random.once(30) ? integer(random) : atom(random),
    ...integers,
    creator,
    ...free,
  ]);
  const size = body.length + 4 + (random.once(20) ? random.below(5) - 2 : 0);
  return Buffer.concat([u8(TAGS.newFun), u32(size), body]);
}

function terms(random: Random, depth: number, count: number): Buffer[] {
  return Array.from({ length: count }, () => anyTerm(random, depth + 1));
}

function tuple(random: Random, depth: number): Buffer {
  const items = terms(random, depth, random.below(5));
  const large = random.once(4);
  const head = large
    ? [u8(TAGS.largeTuple), u32(items.length)]
    : [u8(TAGS.smallTuple), u8(items.length)];
  return Buffer.concat([...head, ...items]);
}

function list(random: Random, depth: number): Buffer {
  const run = random.once(12);
  const item = random.pick([smallInteger, integer, newFloat, binary, atom]);
  const items = run
    ? Array.from({ length: random.pick([8, 31, 64, 255, 256, 300]) }, () => item(random))
    : terms(random, depth, random.below(5));
  const tail = random.weighted<Generator>([
    [12, () => u8(TAGS.nil)],
    [2, anyTerm],
    [1, string],
    [1, depth < MAX_DEPTH ? list : string],
  ])(random, depth + 1);
  return Buffer.concat([u8(TAGS.list), u32(items.length), ...items, tail]);
}

function map(random: Random, depth: number): Buffer {
  const many = random.once(15);
  const count = many ? random.pick([31, 32, 33, 64, 65, 66, 100]) : random.below(5);
  const key = random.weighted<(index: number) => Buffer>([
    [4, (index) => named(TAGS.smallAtomUtf8, Buffer.from(`k${index}`))],
    [4, (index) => Buffer.concat([u8(TAGS.binary), u32(2), Buffer.from([107, 48 + (index % 60)])])],
    [2, () => atom(random)],
    [2, () => binary(random)],
    [3, () => anyTerm(random, depth + 2)],
  ]);
  const pairs: Buffer[] = [];
  for (let index = 0; index < count; index++) {
    const odd = random.once(12) ? anyTerm(random, depth + 2) : key(index);
    const again =
      pairs.length > 0 && random.once(60) ? pairs[random.below(pairs.length) & ~1]! : odd;
    pairs.push(again, anyTerm(random, depth + (many ? 4 : 1)));
  }
  return Buffer.concat([u8(TAGS.map), u32(count), ...pairs]);
}

function compressed(random: Random, term: Buffer): Buffer {
  const size = term.length + (random.once(8) ? random.below(5) - 2 : 0);
  return Buffer.concat([
    u8(VERSION),
    u8(TAGS.compressed),
    u32(Math.max(size, 0)),
    deflateSync(term),
  ]);
}
