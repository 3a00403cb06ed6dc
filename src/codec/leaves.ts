import { Buffer } from 'node:buffer';
import { TermError } from '../errors/errors.js';
import { type Atom, atom } from '../terms/atom.js';
import * as tape from './tape.js';
import { BitString, ExternalFunction, Float, Pid, Port, Reference } from '../terms/values.js';
import { integersOf } from './arrays.js';
import { byteLength, view, viewIfLarge } from '../platform/bytes.js';
import type { TapeCursor } from './tape-cursor.js';

const CONSTANT_VALUES = [false, true, null, undefined] as const;
const CONSTANT_ATOMS = [atom('false'), atom('true'), atom('nil'), atom('undefined')] as const;

export function readLeaf(at: TapeCursor, tag: number, payload: number): unknown {
  switch (tag) {
    case tape.TEXT16: {
      const start = at.at16;
      at.at16 = start + payload;
      return at.text16.substring(start, at.at16);
    }
    case tape.FLOAT: {
      const value = at.floats[at.float++]!;
      return at.exact ? new Float(value) : value;
    }
    case tape.WIDE:
      return at.floats[at.float++]!;
    case tape.CONST:
      return readConstant(at, payload);
    case tape.ATOM:
      return at.atoms[payload]!;
    case tape.BYTES:
      return readBytes(at, payload);
    case tape.BYTELIST:
      return readByteList(at, payload);
    case tape.BIG:
      return readBig(at, payload >>> 1, (payload & 1) === 1);
    default:
      return refuse(tag);
  }
}

function readConstant(at: TapeCursor, payload: number): unknown {
  if (payload <= tape.UNDEFINED) {
    return at.exact ? CONSTANT_ATOMS[payload] : CONSTANT_VALUES[payload];
  }
  return payload === tape.EMPTY_LIST ? [] : payload === tape.EMPTY_TEXT ? '' : {};
}

const MIN_SHARED = 64 * 1024;

/** Copies small binaries, so that they do not keep the message alive. */
function readBytes(at: TapeCursor, length: number): Buffer {
  const start = startOf(at, length);
  const shared = length < MIN_SHARED ? undefined : viewIfLarge(at.source, start, length);
  if (shared !== undefined) return shared;
  const copy = Buffer.allocUnsafe(length);
  copy.set(view(at.source, start, length));
  return copy;
}

function startOf(at: TapeCursor, length: number): number {
  const start = at.sourceStart + at.words[at.word++]!;
  // A reviver can transfer or resize the bytes.
  if (start + length > byteLength(at.source)) {
    throw new TermError('the bytes were detached or resized while they were decoded');
  }
  return start;
}

function readByteList(at: TapeCursor, length: number): unknown[] {
  const start = startOf(at, length);
  const { source } = at;
  const items = integersOf(length);
  for (let index = 0; index < length; index++) items[index] = source[start + index]!;
  return items;
}

/** All supported platforms are little-endian. */
const digit = new BigUint64Array(1);
const digitBytes = new Uint8Array(digit.buffer);

function readBig(at: TapeCursor, length: number, isNegative: boolean): bigint {
  const start = startOf(at, length);
  const bytes = view(at.source, start, length);
  let magnitude: bigint;
  if (length <= 8) {
    digit[0] = 0n;
    digitBytes.set(bytes);
    magnitude = digit[0];
  } else {
    // V8 reads hexadecimal digits in linear time.
    magnitude = BigInt(`0x${Buffer.from(bytes).reverse().toString('hex')}`);
  }
  return isNegative ? -magnitude : magnitude;
}

export function readIdentifier(at: TapeCursor, kind: number, rest: number): unknown {
  switch (kind) {
    case tape.BITSTRING: {
      const length = nextWord(at);
      const start = startOf(at, length);
      return new BitString(view(at.source, start, length), rest);
    }
    case tape.PID:
      return new Pid(nextAtom(at), nextWord(at), nextWord(at), nextWord(at));
    case tape.PORT: {
      const node = nextAtom(at);
      const id = (BigInt(nextWord(at)) << 32n) | BigInt(nextWord(at));
      return new Port(node, id, nextWord(at));
    }
    case tape.REFERENCE: {
      const node = nextAtom(at);
      const creation = nextWord(at);
      const ids = Array.from(at.words.subarray(at.word, at.word + rest));
      at.word += rest;
      return new Reference(node, creation, ids);
    }
    case tape.EXTFUN:
      return new ExternalFunction(nextAtom(at), nextAtom(at), rest);
    default:
      return refuse(tape.EXT);
  }
}

function nextWord(at: TapeCursor): number {
  return at.words[at.word++]!;
}

function nextAtom(at: TapeCursor): Atom {
  return at.atoms[at.words[at.word++]!]!;
}

function refuse(tag: number): never {
  throw new Error(`a bug in this library: a word with tag ${tag} does not begin a term`);
}
