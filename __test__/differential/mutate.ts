import { TAGS } from './generate.js';
import type { Random } from './random.js';

const ALL_TAGS = Object.values(TAGS);
const LENGTHS = [0, 1, 2, 255, 256, 0xffff, 0x00ff_ffff, 0x0100_0000, 0x7fff_ffff, 0x8000_0000];
const MAX_LENGTH = 200_000;

type Mutation = (random: Random, bytes: Buffer, other: Buffer) => Buffer;

const place = (random: Random, bytes: Buffer): number =>
  1 + random.below(Math.max(bytes.length, 2) - 1);

const flip: Mutation = (random, bytes) => {
  const at = place(random, bytes);
  const result = Buffer.from(bytes);
  if (at < result.length) result[at]! ^= 1 << random.below(8);
  return result;
};

const set: Mutation = (random, bytes) => {
  const at = place(random, bytes);
  const result = Buffer.from(bytes);
  const byte = random.pick([random.below(256), random.pick(ALL_TAGS), 0, 1, 127, 128, 255]);
  if (at < result.length) result[at] = byte;
  return result;
};

const cut: Mutation = (random, bytes) => bytes.subarray(0, place(random, bytes));

const remove: Mutation = (random, bytes) => {
  const at = place(random, bytes);
  return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + random.below(5))]);
};

const insert: Mutation = (random, bytes) => {
  const at = place(random, bytes);
  return Buffer.concat([
    bytes.subarray(0, at),
    random.bytes(1 + random.below(4)),
    bytes.subarray(at),
  ]);
};

const repeat: Mutation = (random, bytes) => {
  const at = place(random, bytes);
  const end = at + 1 + random.below(12);
  return Buffer.concat([bytes.subarray(0, end), bytes.subarray(at)]);
};

const splice: Mutation = (random, bytes, other) =>
  Buffer.concat([bytes.subarray(0, place(random, bytes)), other.subarray(place(random, other))]);

const length: Mutation = (random, bytes) => {
  const at = place(random, bytes);
  const result = Buffer.from(bytes);
  const value = random.pick([...LENGTHS, 0xffff_ffff, bytes.length - at, bytes.length]);
  if (random.once(2) && at + 4 <= result.length) result.writeUInt32BE(value, at);
  else if (at + 2 <= result.length) result.writeUInt16BE(value & 0xffff, at);
  return result;
};

const MUTATIONS = [flip, flip, set, set, cut, remove, insert, repeat, splice, length, length];

export function mutate(random: Random, bytes: Buffer, other: Buffer): Buffer {
  let result = bytes;
  for (let count = 1 + random.below(3); count > 0; count--) {
    result = random.pick(MUTATIONS)(random, result, other).subarray(0, MAX_LENGTH);
  }
  return withoutBomb(result);
}

/** Erlang allocates the stated size of a compressed term before it reads the term. */
function withoutBomb(bytes: Buffer): Buffer {
  if (bytes[1] !== TAGS.compressed || bytes.length < 6) return bytes;
  const result = Buffer.from(bytes);
  result[2] = result[3] = 0;
  return result;
}
