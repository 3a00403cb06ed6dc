import { TermError } from '../errors.js';
import { Atom } from './atom.js';
import { findShape, type WriteShape } from './keys.js';
import type { Outbox } from './outbox.js';
import * as tape from './tape.js';
import { Frame } from './tape.js';
import { isMarked } from './tuple.js';
import { Fault, type Part, type Step, walk } from './walk.js';
import {
  BitString,
  ExternalFunction,
  Float,
  Fun,
  ImproperList,
  Pid,
  Port,
  Reference,
} from './values.js';

/** How values become terms where the value alone does not decide. */
export interface FlattenOptions {
  /** What the keys of plain objects become. */
  readonly objectKeys: 'binary' | 'atom';
}

/** Above this nesting the writer goes on with a stack of its own, and looks for cycles. */
const MAX_RECURSION = 200;
/** Integers that fit a word of the tape. */
const MIN_INT = -(2 ** 27);
const MAX_INT = 2 ** 27 - 1;

// The writer's state lives in module variables: only one tape is written at a time.
let outbox: Outbox;
let words: Uint32Array;
let word = 0;
let limit = 0;
let text = '';
let names = '';
let message = 0;
let atoms: number[] = [];
let shapes: WriteShape[] = [];
let sourceStart = 0;
let keysAreAtoms = false;
let busy = false;

/**
 * Writes `value` as a tape with its frame header at the end of the outbox.
 *
 * @param root how the path in an error begins: `args`, `result`, `value`
 * @returns the index of the frame header
 * @throws TermError with the path to what is no term; the outbox is then as it was
 */
export function flatten(
  target: Outbox,
  value: unknown,
  options: FlattenOptions,
  root: string,
): number {
  refuseNested();
  const { word: startWord, float: startFloat, byte: startByte } = target;
  const rewind = (): void => {
    target.word = startWord;
    target.float = startFloat;
    target.byte = startByte;
  };
  const attempt = (writeValue: () => void): void => {
    rewind();
    begin(target, options);
    busy = true;
    try {
      writeValue();
      finish(startWord, startFloat);
    } catch (error) {
      rewind();
      throw error;
    } finally {
      busy = false;
      text = names = '';
    }
  };
  try {
    attempt(() => write(value, 0));
  } catch (error) {
    // A RangeError is a string longer than V8 can hold, or a stack that was nearly full before.
    if (!(error instanceof Fault) && !(error instanceof RangeError)) throw error;
    // Again, slowly: with a stack of its own for deep values, and with the path for wrong ones.
    attempt(() => walk(value, root, openStep));
  }
  return startWord;
}

/**
 * To be called before an outbox is touched.
 *
 * @throws TermError when a value is being written: a getter of it wants to write another one
 */
export function refuseNested(): void {
  if (busy) {
    throw new TermError(
      'a getter of a value that is being encoded must not encode or call something itself',
    );
  }
}

function begin(target: Outbox, options: FlattenOptions): void {
  outbox = target;
  keysAreAtoms = options.objectKeys === 'atom';
  message = (message + 1) | 0 || 1;
  atoms = [];
  shapes = [];
  text = names = '';
  words = target.words;
  limit = words.length - ROOM;
  word = target.word;
  if (word + tape.FRAME_WORDS > limit) grow(tape.FRAME_WORDS);
  word += tape.FRAME_WORDS;
  sourceStart = target.byte;
}

/** Free words that every single write may rely on. */
const ROOM = 16;

function grow(count: number): void {
  outbox.word = word;
  outbox.growWords(count + ROOM);
  words = outbox.words;
  limit = words.length - ROOM;
}

function put(value: number): void {
  if (word > limit) grow(ROOM);
  words[word++] = value;
}

function finish(frame: number, startFloat: number): void {
  const termWords = word - frame - tape.FRAME_WORDS;
  const tables = atoms.length + shapes.length * 2;
  if (word + tables > limit) grow(tables);
  for (const length of atoms) words[word++] = length;
  for (const shape of shapes) {
    words[word++] = (shape.count << 1) | (keysAreAtoms ? tape.SHAPE_ATOMS : tape.SHAPE_TEXT);
    words[word++] = shape.joined.length;
    names += shape.joined;
  }
  const sourceLength = outbox.byte - sourceStart;
  if (!text.isWellFormed() || !names.isWellFormed()) throw new Fault('has a lone surrogate');
  const textStart = outbox.byte;
  const textLength = writeText(text);
  const namesStart = outbox.byte;
  const namesLength = writeText(names);
  words[frame + Frame.words] = termWords;
  words[frame + Frame.atoms] = atoms.length;
  words[frame + Frame.shapes] = shapes.length;
  words[frame + Frame.floats] = startFloat;
  words[frame + Frame.floatCount] = outbox.float - startFloat;
  words[frame + Frame.text] = textStart;
  words[frame + Frame.textLength] = textLength;
  words[frame + Frame.textIsAscii] = textLength === text.length ? 1 : 0;
  words[frame + Frame.names] = namesStart;
  words[frame + Frame.namesLength] = namesLength;
  words[frame + Frame.source] = sourceStart;
  words[frame + Frame.sourceLength] = sourceLength;
  outbox.word = word;
}

function writeText(value: string): number {
  if (value.length === 0) return 0;
  outbox.reserveBytes(value.length * 3);
  const length = outbox.bytes.utf8Write(value, outbox.byte);
  outbox.byte += length;
  return length;
}

function write(value: unknown, depth: number): void {
  if (word > limit) grow(ROOM);
  switch (typeof value) {
    case 'string':
      writeString(value);
      return;
    case 'number':
      writeNumber(value);
      return;
    case 'object':
      if (value === null) {
        words[word++] = (tape.NIL << 4) | tape.CONST;
        return;
      }
      if (depth > MAX_RECURSION) throw new Fault('is nested deeply');
      if (Array.isArray(value)) writeArray(value, depth);
      else writeObject(value, depth);
      return;
    default:
      writePrimitive(value);
  }
}

function writeString(value: string): void {
  const length = value.length;
  if (length === 0) {
    words[word++] = (tape.EMPTY_TEXT << 4) | tape.CONST;
    return;
  }
  // The text of the message is checked as a whole. What that misses, two halves of a pair at the end of
  // one string and the begin of the next, begins like this.
  if ((value.charCodeAt(0) & 0xfc00) === 0xdc00) throw new Fault('has a lone surrogate');
  words[word++] = (length << 4) | tape.TEXT;
  text += value;
}

function writeNumber(value: number): void {
  if ((value | 0) === value && value >= MIN_INT && value <= MAX_INT && !Object.is(value, -0)) {
    words[word++] = (value << 4) | tape.INT;
    return;
  }
  const wide = Number.isSafeInteger(value) && value !== 0;
  if (!wide && !Number.isFinite(value)) throw new Fault(`is ${value}, which is no term`);
  words[word++] = wide ? tape.WIDE : tape.FLOAT;
  putFloat(value);
}

function putFloat(value: number): void {
  if (outbox.float === outbox.floats.length) outbox.growFloats();
  outbox.floats[outbox.float++] = value;
}

function writePrimitive(value: unknown): void {
  switch (typeof value) {
    case 'boolean':
      words[word++] = ((value ? tape.TRUE : tape.FALSE) << 4) | tape.CONST;
      return;
    case 'undefined':
      words[word++] = (tape.UNDEFINED << 4) | tape.CONST;
      return;
    case 'bigint':
      writeBigInt(value);
      return;
    default:
      throw new Fault(`is a ${typeof value}, which is no term`);
  }
}

function writeBigInt(value: bigint): void {
  if (value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER)) {
    const number = Number(value);
    writeNumber(number);
    return;
  }
  const negative = value < 0n;
  const digits = (negative ? -value : value).toString(16);
  const magnitude = Buffer.from(digits.length % 2 === 0 ? digits : `0${digits}`, 'hex').reverse();
  words[word++] = (((magnitude.length << 1) | (negative ? 1 : 0)) << 4) | tape.BIG;
  words[word++] = putBytes(magnitude);
}

/** Copies bytes to the source area and returns their offset there. */
function putBytes(bytes: Uint8Array): number {
  outbox.reserveBytes(bytes.length);
  const offset = outbox.byte - sourceStart;
  outbox.bytes.set(bytes, outbox.byte);
  outbox.byte += bytes.length;
  return offset;
}

function writeArray(value: readonly unknown[], depth: number): void {
  const count = value.length;
  putArrayHead(value);
  for (let index = 0; index < count; index++) write(value[index], depth + 1);
}

function putArrayHead(value: readonly unknown[]): void {
  const count = value.length;
  if (count > MAX_COUNT) throw new Fault(`has ${count} items, more than a message can carry`);
  if (isMarked(value)) put((count << 4) | tape.TUPLE);
  else if (count === 0) put((tape.EMPTY_LIST << 4) | tape.CONST);
  else put((count << 4) | tape.LIST);
}

/** The items of an improper list share a word with tag and kind. */
const MAX_IMPROPER = 2 ** 24 - 1;
/** The payload of a word has 28 bits, and two of them are taken in a map. */
const MAX_COUNT = 2 ** 26 - 1;

function writeObject(value: object, depth: number): void {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype === Object.prototype || prototype === null) {
    writePlain(value as Record<string, unknown>, depth);
    return;
  }
  if (writeScalarObject(value)) return;
  if (value instanceof Map) {
    putMapHead(value.size);
    for (const [key, item] of value) {
      write(key, depth + 1);
      write(item, depth + 1);
    }
    return;
  }
  if (value instanceof ImproperList) {
    putImproperHead(value);
    for (const item of value.items) write(item, depth + 1);
    write(value.tail, depth + 1);
    return;
  }
  if (value instanceof Fun) {
    putFunHead(value);
    for (const term of funTerms(value)) write(term, depth + 1);
    return;
  }
  if (isForeignPlain(prototype as object)) {
    writePlain(value as Record<string, unknown>, depth);
    return;
  }
  throw new Fault(`is ${describe(value)}, which is no term`);
}

function writePlain(value: Record<string, unknown>, depth: number): void {
  const keys = Object.keys(value);
  const shape = putObjectHead(keys);
  for (const key of keys) {
    if (shape === undefined) putKey(key);
    write(value[key], depth + 1);
  }
}

/** Begins a map of a plain object; undefined when each key has to be written before its value. */
function putObjectHead(keys: readonly string[]): WriteShape | undefined {
  if (keys.length === 0) {
    put((tape.EMPTY_MAP << 4) | tape.CONST);
    return undefined;
  }
  const shape = findShape(keys);
  if (shape === undefined) {
    putMapHead(keys.length);
    return undefined;
  }
  if (shape.message !== message) {
    shape.message = message;
    shape.index = shapes.length;
    shapes.push(shape);
  }
  put((shape.index << 4) | tape.OBJECT);
  return shape;
}

function putMapHead(count: number): void {
  if (count > MAX_COUNT) throw new Fault(`has ${count} entries, more than a message can carry`);
  put((((count << 2) | tape.KEYS_MIXED) << 4) | tape.MAP);
}

function putKey(key: string): void {
  if (word > limit) grow(ROOM);
  if (keysAreAtoms) putAtom(key, atomNames);
  else writeString(key);
}

/** The place of names that were written as atoms without an Atom; see `putKey`. */
const atomNames = new Map<string, number>();
let atomNamesMessage = 0;

function putAtom(name: string, places: Map<string, number>): void {
  if (atomNamesMessage !== message) {
    atomNamesMessage = message;
    places.clear();
  }
  let index = places.get(name);
  if (index === undefined) {
    if (name.length > 255 && Array.from(name).length > 255) {
      throw new Fault('has a key of more than 255 characters, too long for an atom');
    }
    index = addAtom(name);
    places.set(name, index);
  }
  words[word++] = (index << 4) | tape.ATOM;
}

function addAtom(name: string): number {
  names += name;
  return atoms.push(name.length) - 1;
}

function atomIndex(atom: Atom): number {
  let index = Atom.indexIn(atom, message);
  if (index < 0) {
    index = addAtom(atom.name);
    Atom.setIndexIn(atom, message, index);
  }
  return index;
}

/** Writes an object that has no terms inside; false when it is another one. */
function writeScalarObject(value: object): boolean {
  if (word > limit) grow(ROOM);
  if (value instanceof Atom) {
    words[word++] = (atomIndex(value) << 4) | tape.ATOM;
  } else if (value instanceof Uint8Array) {
    words[word++] = (value.length << 4) | tape.BYTES;
    words[word++] = putBytes(value);
  } else if (value instanceof Float) {
    words[word++] = tape.FLOAT;
    putFloat(value.value);
  } else if (value instanceof BitString) {
    putExt(tape.BITSTRING, value.bits);
    words[word++] = value.bytes.length;
    words[word++] = putBytes(value.bytes);
  } else if (value instanceof Pid) {
    putExt(tape.PID, 0);
    words[word++] = atomIndex(value.node);
    words[word++] = value.id;
    words[word++] = value.serial;
    words[word++] = value.creation;
  } else if (value instanceof Port) {
    putExt(tape.PORT, 0);
    words[word++] = atomIndex(value.node);
    words[word++] = Number(value.id >> 32n);
    words[word++] = Number(value.id & 0xffffffffn);
    words[word++] = value.creation;
  } else if (value instanceof Reference) {
    putExt(tape.REFERENCE, value.ids.length);
    words[word++] = atomIndex(value.node);
    words[word++] = value.creation;
    for (const id of value.ids) words[word++] = id;
  } else if (value instanceof ExternalFunction) {
    putExt(tape.EXTFUN, value.arity);
    words[word++] = atomIndex(value.module);
    words[word++] = atomIndex(value.function);
  } else {
    return false;
  }
  return true;
}

function putExt(kind: number, rest: number): void {
  words[word++] = (((rest << 4) | kind) << 4) | tape.EXT;
}

function putImproperHead(value: ImproperList): void {
  if (word > limit) grow(ROOM);
  const count = value.items.length;
  if (count > MAX_IMPROPER) throw new Fault(`has ${count} items, more than a message can carry`);
  putExt(tape.IMPROPER, count);
}

function putFunHead(value: Fun): void {
  const { parts } = value;
  if (word > limit) grow(ROOM);
  putExt(tape.FUN, parts.arity);
  words[word++] = parts.free.length;
  for (let offset = 0; offset < 16; offset += 4) words[word++] = parts.uniq.readUInt32BE(offset);
  words[word++] = parts.index;
  words[word++] = atomIndex(parts.module);
}

function funTerms({ parts }: Fun): unknown[] {
  return [parts.oldIndex, parts.oldUniq, parts.pid, ...parts.free];
}

/** An object literal of another realm (a vm context, say). */
function isForeignPlain(prototype: object): boolean {
  return Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype, 'isPrototypeOf');
}

function describe(value: object): string {
  const name: unknown = (
    Object.getPrototypeOf(value) as { constructor?: { name?: unknown } } | null
  )?.constructor?.name;
  return typeof name === 'string' && name !== ''
    ? `an instance of ${name}`
    : 'an object with a prototype';
}

/**
 * One step of the slow way: writes `value` itself and returns what is inside of it, with the path
 * to each part.
 */
const openStep: Step = (value) => {
  if (typeof value === 'string' && !value.isWellFormed()) throw new Fault('has a lone surrogate');
  if (typeof value !== 'object' || value === null) {
    write(value, 0);
    return undefined;
  }
  if (Array.isArray(value)) {
    putArrayHead(value);
    return indexed(value, '');
  }
  const prototype = Object.getPrototypeOf(value) as object | null;
  if (prototype === Object.prototype || prototype === null) return openPlain(value as never);
  if (writeScalarObject(value)) return undefined;
  if (value instanceof Map) {
    putMapHead(value.size);
    return openMap(value);
  }
  if (value instanceof ImproperList) {
    putImproperHead(value);
    return [...indexed(value.items, '.items'), { path: '.tail', value: value.tail }];
  }
  if (value instanceof Fun) {
    putFunHead(value);
    return indexed(funTerms(value), '');
  }
  if (isForeignPlain(prototype)) return openPlain(value as never);
  throw new Fault(`is ${describe(value)}, which is no term`);
};

function indexed(items: readonly unknown[], prefix: string): Part[] {
  // Array.from, since holes are undefined here as they are in `write`.
  return Array.from(items, (value, index) => ({ path: `${prefix}[${index}]`, value }));
}

function openPlain(value: Record<string, unknown>): ReturnType<Step> {
  const keys = Object.keys(value);
  for (const key of keys) {
    if (!key.isWellFormed()) throw new Fault(`has a key with a lone surrogate`);
  }
  const shape = putObjectHead(keys);
  return keys.map((key) => {
    const path = /^[A-Za-z_$][\w$]*$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`;
    const before = shape === undefined ? () => putKey(key) : undefined;
    return before === undefined ? { path, value: value[key] } : { path, value: value[key], before };
  });
}

function openMap(map: Map<unknown, unknown>): ReturnType<Step> {
  return Array.from(map).flatMap(([key, value], index) => [
    { path: `.key(${index})`, value: key },
    { path: typeof key === 'string' ? `.get(${JSON.stringify(key)})` : `.value(${index})`, value },
  ]);
}
