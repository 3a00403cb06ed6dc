import { TermError } from '../errors.js';
import { Atom } from './atom.js';
import { type Encoder, hookOf, termOf } from './hooks.js';
import { type KeyPath, noKeys, type ValueWriters, type WriterState } from './keys.js';
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
  /** What objects of classes become that are no terms. */
  readonly encoders?: readonly Encoder[] | undefined;
}

/** Above this nesting the writer goes on with a stack of its own, and looks for cycles. */
const MAX_RECURSION = 200;
/** Integers that fit a word of the tape. */
const MIN_INT = -(2 ** 27);
const MAX_INT = 2 ** 27 - 1;

// The writer's state lives in module variables: only one tape is written at a time.
let outbox: Outbox;
/** In an object instead, of which V8 knows what it holds, since code that is generated for shapes writes too. */
const at: WriterState = { words: new Uint32Array(0), word: 0, limit: 0 };
/** Text of the chunk that is being gathered, and the place of its control words; 0 = no chunk is open. */
let text = '';
let textLength = 0;
let chunkAt = 0;
/** The same for text that seems to be beyond ASCII. */
let wideText = '';
let wideLength = 0;
let wideChunkAt = 0;
/** Where text that has been written begins and ends, in the area of bytes. */
let textStart = 0;
let names = '';
let message = 0;
/** The length of each atom's name, and the shapes; only so many of them belong to this message. */
const atoms: number[] = [];
let atomCount = 0;
const shapes: KeyPath[] = [];
let shapeCount = 0;
let noPath = noKeys();
/** Whether somebody has given all objects an enumerable property. */
let inherited = false;
/** What goes to the area of bytes after the text, and its length. */
const sources: Uint8Array[] = [];
let sourceLength = 0;
/** The first binary of this message that stands apart, and whether what is being written may. */
let apartStart = 0;
let mayStandApart = false;
let keysAreAtoms = false;
let encoders: readonly Encoder[] | undefined;
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
  const { apart: startApart, apartBytes: startApartBytes } = target;
  const rewind = (): void => {
    target.word = startWord;
    target.float = startFloat;
    target.byte = startByte;
    target.apart = startApart;
    target.apartBytes = startApartBytes;
  };
  busy = true;
  try {
    begin(target, options);
    write(value, 0);
    finish(startWord, startFloat);
  } catch (error) {
    rewind();
    // A RangeError is a string longer than V8 can hold, or a stack that was nearly full before.
    if (!(error instanceof Fault) && !(error instanceof RangeError)) throw error;
    // Again, slowly: with a stack of its own for deep values, and with the path for wrong ones.
    try {
      begin(target, options);
      mayStandApart = false;
      walk(value, root, openStep);
      finish(startWord, startFloat);
    } catch (slowError) {
      rewind();
      throw slowError;
    }
  } finally {
    busy = false;
    text = wideText = names = '';
    if (sources.length > 0) sources.length = 0;
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
      'a getter or toTerm of a value that is being encoded must not encode or call something itself',
    );
  }
}

/** Whether a value is being written: then this is called by a getter of it, or the like. */
export function isFlattening(): boolean {
  return busy;
}

function begin(target: Outbox, options: FlattenOptions): void {
  outbox = target;
  keysAreAtoms = options.objectKeys === 'atom';
  encoders = options.encoders;
  message = (message + 1) | 0 || 1;
  atomCount = shapeCount = 0;
  noPath = noKeys();
  inherited = hasEnumerable(Object.prototype);
  text = wideText = names = '';
  chunkAt = textLength = wideChunkAt = wideLength = 0;
  textStart = target.byte;
  sourceLength = 0;
  apartStart = target.apart;
  mayStandApart = target.putApart !== undefined;
  // Asked before, since setting it is a call into V8's runtime.
  if (sources.length > 0) sources.length = 0;
  at.words = target.words;
  at.limit = at.words.length - ROOM;
  at.word = target.word;
  if (at.word + tape.FRAME_WORDS > at.limit) grow(tape.FRAME_WORDS);
  at.word += tape.FRAME_WORDS;
}

/** Free words that every single write may rely on. */
const ROOM = 16;

function grow(count: number): void {
  outbox.word = at.word;
  outbox.growWords(count + ROOM);
  at.words = outbox.words;
  at.limit = at.words.length - ROOM;
}

function put(value: number): void {
  if (at.word > at.limit) grow(ROOM);
  at.words[at.word++] = value;
}

function finish(frame: number, startFloat: number): void {
  const termWords = at.word - frame - tape.FRAME_WORDS;
  const tables = atomCount + shapeCount * 2;
  if (at.word + tables > at.limit) grow(tables);
  closeChunk();
  closeWideChunk();
  const namesStart = outbox.byte;
  putAtomNames();
  putShapes();
  const sourceStart = outbox.byte;
  putSources();
  at.words[frame + Frame.words] = termWords;
  at.words[frame + Frame.atoms] = atomCount;
  at.words[frame + Frame.shapes] = shapeCount;
  at.words[frame + Frame.floats] = startFloat;
  at.words[frame + Frame.floatCount] = outbox.float - startFloat;
  at.words[frame + Frame.text] = textStart;
  at.words[frame + Frame.textLength] = namesStart - textStart;
  at.words[frame + Frame.textForm] = tape.TEXT_UTF8;
  at.words[frame + Frame.names] = namesStart;
  at.words[frame + Frame.namesLength] = sourceStart - namesStart;
  at.words[frame + Frame.source] = sourceStart;
  at.words[frame + Frame.sourceLength] = sourceLength;
  at.words[frame + Frame.apart] = apartStart;
  at.words[frame + Frame.apartCount] = outbox.apart - apartStart;
  outbox.word = at.word;
}

function putAtomNames(): void {
  if (atomCount === 0) return;
  for (let index = 0; index < atomCount; index++) at.words[at.word++] = atoms[index]!;
  // Lone surrogates would be written as the replacement character.
  if (!names.isWellFormed()) throw new Fault('has a lone surrogate');
  outbox.reserveBytes(names.length * 3);
  outbox.byte += outbox.bytes.utf8Write(names, outbox.byte);
}

function putShapes(): void {
  for (let index = 0; index < shapeCount; index++) {
    const { count, joined } = shapes[index]!;
    at.words[at.word++] = (count << 1) | (keysAreAtoms ? tape.SHAPE_ATOMS : tape.SHAPE_TEXT);
    at.words[at.word++] = joined.length;
    outbox.reserveBytes(joined.length);
    outbox.bytes.set(joined, outbox.byte);
    outbox.byte += joined.length;
  }
}

function putSources(): void {
  if (sources.length === 0) return;
  outbox.reserveBytes(sourceLength);
  const end = outbox.byte + sourceLength;
  for (const bytes of sources) {
    // A getter may have resized the memory of what was noted before.
    if (bytes.length > end - outbox.byte) break;
    // Of a detached one nothing can be copied, not even nothing.
    if (bytes.length > 0) outbox.bytes.set(bytes, outbox.byte);
    outbox.byte += bytes.length;
  }
  if (outbox.byte !== end) throw new TermError('a Buffer changed its length while it was encoded');
}

/** Text is handed over in chunks of some such length: while it is gathered it stays in the caches. */
const CHUNK = 4096;

/** Hands the text over that was gathered: as UTF-8, which is ASCII for the most part. */
function closeChunk(): void {
  if (chunkAt === 0) return;
  outbox.reserveBytes(text.length * 3);
  const length = outbox.bytes.utf8Write(text, outbox.byte);
  // Lone surrogates are written as the replacement character.
  if (length !== text.length && !text.isWellFormed()) throw new Fault('has a lone surrogate');
  putChunk(chunkAt, length === text.length ? tape.TEXT_ASCII : tape.TEXT_UTF8, length);
  chunkAt = textLength = 0;
  text = '';
}

/**
 * Hands the text over that seems to be beyond ASCII: as UTF-16, which is how V8 has it. It makes UTF-8 of
 * that at a third of the speed at which Rust does.
 */
function closeWideChunk(): void {
  if (wideChunkAt === 0) return;
  if (!wideText.isWellFormed()) throw new Fault('has a lone surrogate');
  outbox.reserveBytes(wideText.length * 2);
  const length = outbox.bytes.ucs2Write(wideText, outbox.byte);
  putChunk(wideChunkAt, tape.TEXT_UTF16, length);
  wideChunkAt = wideLength = 0;
  wideText = '';
}

/** Writes the control words at `place`: from there on text of that form comes from these bytes. */
function putChunk(place: number, form: number, length: number): void {
  at.words[place] = (((form << 4) | tape.TEXT_FORM) << 4) | tape.EXT;
  at.words[place + 1] = outbox.byte - textStart;
  outbox.byte += length;
}

const writers: ValueWriters = { text: writeString, number: writeNumber, any: write };

function write(value: unknown, depth: number): void {
  // Not a switch: V8 makes a call of `typeof` then, and none where it is compared.
  if (typeof value === 'string') {
    writeString(value);
  } else if (typeof value === 'number') {
    writeNumber(value);
  } else if (typeof value === 'boolean') {
    if (at.word > at.limit) grow(ROOM);
    at.words[at.word++] = ((value ? tape.TRUE : tape.FALSE) << 4) | tape.CONST;
  } else if (value === null) {
    if (at.word > at.limit) grow(ROOM);
    at.words[at.word++] = (tape.NIL << 4) | tape.CONST;
  } else if (typeof value === 'object') {
    if (depth > MAX_RECURSION) throw new Fault('is nested deeply');
    if (at.word > at.limit) grow(ROOM);
    if (Array.isArray(value)) writeArray(value, depth);
    else if (value instanceof Atom) at.words[at.word++] = (atomIndex(value) << 4) | tape.ATOM;
    else writeObject(value, depth);
  } else {
    writePrimitive(value);
  }
}

/**
 * Strings come in more forms (flat, concatenated, cut out, internal …) than V8 remembers for a place in the
 * code; from then on `value.length` and `value.charCodeAt` are looked up each time. It needs to remember
 * nothing of what it knows to be a string, and of a function that it knows.
 */
const charCodeAt = String.prototype.charCodeAt;

function writeString(given: string): void {
  if (at.word > at.limit) grow(ROOM);
  const value = '' + given;
  const length = value.length;
  if (length === 0) {
    at.words[at.word++] = (tape.EMPTY_TEXT << 4) | tape.CONST;
    return;
  }
  if (length > MAX_INLINE) {
    // A wrong guess costs time, nothing else.
    const sample =
      charCodeAt.call(value, 0) |
      charCodeAt.call(value, length >> 1) |
      charCodeAt.call(value, length - 1);
    if (sample > 0x7f && length <= MAX_WIDE) writeWide(value, length);
    else writeLong(value, length);
  } else if (!writeInline(value, length)) {
    writeWide(value, length);
  }
}

function writeLong(value: string, length: number): void {
  if (length > MAX_TEXT) throw new Fault(`has ${length} characters, more than a message can carry`);
  if (beginsWithLowSurrogate(value)) throw new Fault('has a lone surrogate');
  if (chunkAt === 0) {
    chunkAt = at.word;
    at.word += 2;
  }
  at.words[at.word++] = (length << 4) | tape.TEXT;
  text += value;
  textLength += length;
  if (textLength > CHUNK) closeChunk();
}

function writeWide(value: string, length: number): void {
  if (beginsWithLowSurrogate(value)) throw new Fault('has a lone surrogate');
  if (wideChunkAt === 0) {
    wideChunkAt = at.word;
    at.word += 2;
  }
  at.words[at.word++] = (((length << 4) | tape.WIDE_TEXT) << 4) | tape.EXT;
  wideText += value;
  wideLength += length;
  if (wideLength > CHUNK) closeWideChunk();
}

/** Such text shares a word with tag and kind. */
const MAX_WIDE = 2 ** 24 - 1;
/** The payload of a word. */
const MAX_TEXT = 2 ** 28 - 1;
/** ASCII up to this length is written here: a call to hand over such a string takes longer. */
const MAX_INLINE = 16;

/** Writes ASCII into the words themselves, four characters each; false when it is not ASCII. */
function writeInline(value: string, length: number): boolean {
  const { words } = at;
  const head = at.word;
  const whole = length & ~3;
  let next = head + 1;
  let index = 0;
  let all = 0;
  for (; index < whole; index += 4) {
    const first = charCodeAt.call(value, index);
    const second = charCodeAt.call(value, index + 1);
    const third = charCodeAt.call(value, index + 2);
    const fourth = charCodeAt.call(value, index + 3);
    all |= first | second | third | fourth;
    words[next++] = first | (second << 8) | (third << 16) | (fourth << 24);
  }
  if (index < length) {
    let packed = 0;
    for (let shift = 0; index < length; index++, shift += 8) {
      const code = charCodeAt.call(value, index);
      all |= code;
      packed |= code << shift;
    }
    words[next++] = packed;
  }
  if (all > 0x7f) return false;
  words[head] = (((length << 4) | tape.INLINE) << 4) | tape.EXT;
  at.word = next;
  return true;
}

/**
 * The text of a chunk is checked as a whole. What that misses, two halves of a pair at the end of one
 * string and the begin of the next, begins like this.
 */
function beginsWithLowSurrogate(value: string): boolean {
  return (charCodeAt.call(value, 0) & 0xfc00) === 0xdc00;
}

function writeNumber(value: number): void {
  if (at.word > at.limit) grow(ROOM);
  if ((value | 0) === value && value >= MIN_INT && value <= MAX_INT && !Object.is(value, -0)) {
    at.words[at.word++] = (value << 4) | tape.INT;
    return;
  }
  const wide = Number.isSafeInteger(value) && value !== 0;
  if (!wide && !Number.isFinite(value)) throw new Fault(`is ${value}, which is no term`);
  at.words[at.word++] = wide ? tape.WIDE : tape.FLOAT;
  putFloat(value);
}

function putFloat(value: number): void {
  if (outbox.float === outbox.floats.length) outbox.growFloats(1);
  outbox.floats[outbox.float++] = value;
}

function writePrimitive(value: unknown): void {
  if (at.word > at.limit) grow(ROOM);
  if (value === undefined) at.words[at.word++] = (tape.UNDEFINED << 4) | tape.CONST;
  else if (typeof value === 'bigint') writeBigInt(value);
  else throw new Fault(`is a ${typeof value}, which is no term`);
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
  at.words[at.word++] = (((magnitude.length << 1) | (negative ? 1 : 0)) << 4) | tape.BIG;
  at.words[at.word++] = putBytes(magnitude);
}

/** Binaries from this size on are not gathered with everything else, but copied once where they are needed. */
const MIN_APART = 64 * 1024;

function writeBinary(value: Uint8Array): void {
  at.words[at.word++] = (value.length << 4) | tape.BYTES;
  at.words[at.word++] = standsApart(value) ? putApart(value) : putBytes(value);
}

function standsApart(value: Uint8Array): boolean {
  // Memory that other threads may write to meanwhile is not handed out.
  return value.length >= MIN_APART && mayStandApart && value.buffer instanceof ArrayBuffer;
}

function putApart(value: Uint8Array): number {
  const index = outbox.apart;
  outbox.putApart!(index, value);
  outbox.apart = index + 1;
  outbox.apartBytes += value.length;
  return tape.APART + index - apartStart;
}

/** Writes terms whose encoding has to be seen as a whole: keys, and what a fun holds. */
function writeTogether(terms: readonly unknown[], depth: number): void {
  const before = mayStandApart;
  mayStandApart = false;
  for (const term of terms) write(term, depth);
  mayStandApart = before;
}

/** Notes bytes for the source, and returns their offset there. */
function putBytes(bytes: Uint8Array): number {
  const offset = sourceLength;
  sources.push(bytes);
  sourceLength += bytes.length;
  return offset;
}

function writeArray(value: readonly unknown[], depth: number): void {
  const count = value.length;
  const first = count > 1 ? value[0] : undefined;
  let index = 0;
  if (typeof first !== 'number') {
    putArrayHead(value);
  } else if ((first | 0) === first) {
    putArrayHead(value);
    index = writeIntegers(value, count);
  } else if (count > MAX_DOUBLES || isMarked(value) || !writeDoubles(value, count)) {
    putArrayHead(value);
  } else {
    return;
  }
  for (; index < count; index++) write(value[index], depth + 1);
}

/** Writes the integers that the array begins with, and returns how many these are. */
function writeIntegers(value: readonly unknown[], count: number): number {
  if (at.word + count > at.limit) grow(count);
  const target = at.words;
  const start = at.word;
  let index = 0;
  while (index < count) {
    const item = value[index];
    if (typeof item !== 'number' || (item | 0) !== item) break;
    if (item < MIN_INT || item > MAX_INT || Object.is(item, -0)) break;
    target[start + index] = (item << 4) | tape.INT;
    index++;
  }
  at.word = start + index;
  return index;
}

/** The doubles of a list that has nothing else share a word with tag and kind. */
const MAX_DOUBLES = 2 ** 24 - 1;

/** Writes a list that has nothing but doubles; false, and nothing is written, when it has something else. */
function writeDoubles(value: readonly unknown[], count: number): boolean {
  const start = outbox.float;
  if (start + count > outbox.floats.length) outbox.growFloats(count);
  const { floats } = outbox;
  for (let index = 0; index < count; index++) {
    const item = value[index];
    // Integers, infinities and NaN are left to `writeNumber`.
    if (typeof item !== 'number' || item - Math.trunc(item) === 0 || item - item !== 0)
      return false;
    floats[start + index] = item;
  }
  outbox.float = start + count;
  put((((count << 4) | tape.DOUBLES) << 4) | tape.EXT);
  return true;
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
  const prototype = Reflect.getPrototypeOf(value);
  if (prototype === Object.prototype || prototype === null) {
    writePlain(value as Record<string, unknown>, depth, inherited && prototype !== null);
    return;
  }
  if (writeScalarObject(value)) return;
  if (value instanceof Map) {
    putMapHead(value.size);
    for (const [key, item] of value) {
      if (typeof key === 'object' && key !== null) writeTogether([key], depth + 1);
      else write(key, depth + 1);
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
    writeTogether(funTerms(value), depth + 1);
    return;
  }
  if (isForeignPlain(prototype)) {
    writePlain(value as Record<string, unknown>, depth, true);
    return;
  }
  const hook = hookOf(value, encoders);
  if (hook === undefined) throw new Fault(`is ${describe(value)}, which is no term`);
  write(termOf(hook), depth + 1);
}

/**
 * Writes a map of the own enumerable properties.
 *
 * @param inherits whether there may be enumerable properties that are not its own
 */
function writePlain(value: Record<string, unknown>, depth: number, inherits: boolean): void {
  const path = inherits ? undefined : pathOf(value);
  if (path === undefined || path.writer === undefined) {
    writeOtherwise(value, depth, inherits, path);
    return;
  }
  if (at.word > at.limit) grow(ROOM);
  at.words[at.word++] = (shapeIndex(path) << 4) | tape.OBJECT;
  path.writer(value, writers, depth + 1);
}

/** The keys of an object if they can be a shape. */
function pathOf(value: Record<string, unknown>): KeyPath | undefined {
  if (largeAhead > 0 && isLarge(value)) return undefined;
  let path = noPath;
  for (const key in value) {
    const latest = path.latest;
    const next = latest !== undefined && latest.key === key ? latest : path.step(key);
    if (next === undefined) {
      if (path.count === tape.MAX_SHAPE_KEYS) isLarge(value);
      return undefined;
    }
    path = next;
  }
  return path === noPath ? undefined : path;
}

/**
 * How many objects are still asked whether they have more keys than a shape. V8 keeps such an object as a
 * hash table and sorts its keys for whoever lists them, which takes longer than all else, and so they should
 * be listed once only; where there was one, the next one is not far, as a rule.
 */
let largeAhead = 0;
const LOOK_AHEAD = 32;
/** The keys of the object that was found to be large. */
let largeKeys: readonly string[] | undefined;

/** Whether an object has more keys than a shape; these are then noted for {@link writeOtherwise}. */
function isLarge(value: Record<string, unknown>): boolean {
  const keys = Object.keys(value);
  const large = keys.length > tape.MAX_SHAPE_KEYS;
  if (large) {
    largeKeys = keys;
    largeAhead = LOOK_AHEAD;
  } else if (largeAhead > 0) {
    largeAhead--;
  }
  return large;
}

/** Writes an object without a function for its shape. */
function writeOtherwise(
  value: Record<string, unknown>,
  depth: number,
  inherits: boolean,
  path: KeyPath | undefined,
): void {
  const keys = largeKeys;
  if (keys === undefined) {
    path?.noteUse();
    writePairs(value, depth, inherits);
    return;
  }
  largeKeys = undefined;
  const count = keys.length;
  putMapHead(count);
  for (let index = 0; index < count; index++) {
    const key = keys[index]!;
    putKey(key);
    write(value[key], depth + 1);
  }
}

/**
 * Writes the properties as they come. One loop finds them, their values and their shape: taking the keys
 * first, and the values by them, costs three times as much.
 */
function writePairs(value: Record<string, unknown>, depth: number, inherits: boolean): void {
  if (at.word > at.limit) grow(ROOM);
  const head = at.word++;
  let path = noPath;
  // Where the number of pairs stands once a key has not fitted a shape; 0 = the word before them.
  let pairsAt = -1;
  let pairs = 0;
  for (const key in value) {
    if (inherits && !Object.hasOwn(value, key)) continue;
    if (pairsAt < 0) {
      const latest = path.latest;
      const next = latest !== undefined && latest.key === key ? latest : path.step(key);
      if (next !== undefined) {
        path = next;
      } else {
        pairsAt = path === noPath ? 0 : at.word++;
      }
    }
    if (pairsAt >= 0) {
      putKey(key);
      pairs++;
    }
    write(value[key], depth + 1);
  }
  putObjectHead(head, path, pairsAt, pairs);
}

/** Writes the head of a map of a plain object after its content: a shape, pairs, or first one, then others. */
function putObjectHead(head: number, path: KeyPath, pairsAt: number, pairs: number): void {
  if (pairs > MAX_COUNT) throw new Fault(`has ${pairs} entries, more than a message can carry`);
  if (path === noPath) {
    at.words[head] =
      pairs === 0
        ? (tape.EMPTY_MAP << 4) | tape.CONST
        : (((pairs << 2) | tape.KEYS_MIXED) << 4) | tape.MAP;
    return;
  }
  const shape = shapeIndex(path);
  if (pairsAt < 0) {
    at.words[head] = (shape << 4) | tape.OBJECT;
  } else {
    at.words[head] = (((shape << 6) | tape.MIXED) << 4) | tape.EXT;
    at.words[pairsAt] = pairs;
  }
}

/** The place of a shape in the table of this message. */
function shapeIndex(path: KeyPath): number {
  if (path.message !== message) {
    path.message = message;
    path.index = shapeCount;
    shapes[shapeCount++] = path;
  }
  return path.index;
}

function hasEnumerable(object: object): boolean {
  for (const _ in object) return true;
  return false;
}

function putMapHead(count: number): void {
  if (count > MAX_COUNT) throw new Fault(`has ${count} entries, more than a message can carry`);
  put((((count << 2) | tape.KEYS_MIXED) << 4) | tape.MAP);
}

function putKey(key: string): void {
  if (at.word > at.limit) grow(ROOM);
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
    if (beginsWithLowSurrogate(name)) throw new Fault('has a key with a lone surrogate');
    index = addAtom(name);
    places.set(name, index);
  }
  at.words[at.word++] = (index << 4) | tape.ATOM;
}

function addAtom(name: string): number {
  names += name;
  atoms[atomCount] = name.length;
  return atomCount++;
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
  if (at.word > at.limit) grow(ROOM);
  if (value instanceof Atom) {
    at.words[at.word++] = (atomIndex(value) << 4) | tape.ATOM;
  } else if (value instanceof Uint8Array) {
    writeBinary(value);
  } else if (value instanceof Float) {
    at.words[at.word++] = tape.FLOAT;
    putFloat(value.value);
  } else if (value instanceof BitString) {
    putExt(tape.BITSTRING, value.bits);
    at.words[at.word++] = value.bytes.length;
    at.words[at.word++] = putBytes(value.bytes);
  } else if (value instanceof Pid) {
    putExt(tape.PID, 0);
    at.words[at.word++] = atomIndex(value.node);
    at.words[at.word++] = value.id;
    at.words[at.word++] = value.serial;
    at.words[at.word++] = value.creation;
  } else if (value instanceof Port) {
    putExt(tape.PORT, 0);
    at.words[at.word++] = atomIndex(value.node);
    at.words[at.word++] = Number(value.id >> 32n);
    at.words[at.word++] = Number(value.id & 0xffffffffn);
    at.words[at.word++] = value.creation;
  } else if (value instanceof Reference) {
    putExt(tape.REFERENCE, value.ids.length);
    at.words[at.word++] = atomIndex(value.node);
    at.words[at.word++] = value.creation;
    for (const id of value.ids) at.words[at.word++] = id;
  } else if (value instanceof ExternalFunction) {
    putExt(tape.EXTFUN, value.arity);
    at.words[at.word++] = atomIndex(value.module);
    at.words[at.word++] = atomIndex(value.function);
  } else {
    return false;
  }
  return true;
}

function putExt(kind: number, rest: number): void {
  at.words[at.word++] = (((rest << 4) | kind) << 4) | tape.EXT;
}

function putImproperHead(value: ImproperList): void {
  if (at.word > at.limit) grow(ROOM);
  const count = value.items.length;
  if (count > MAX_IMPROPER) throw new Fault(`has ${count} items, more than a message can carry`);
  putExt(tape.IMPROPER, count);
}

function putFunHead(value: Fun): void {
  const { parts } = value;
  if (at.word > at.limit) grow(ROOM);
  putExt(tape.FUN, parts.arity);
  at.words[at.word++] = parts.free.length;
  for (let offset = 0; offset < 16; offset += 4)
    at.words[at.word++] = parts.uniq.readUInt32BE(offset);
  at.words[at.word++] = parts.index;
  at.words[at.word++] = atomIndex(parts.module);
}

function funTerms({ parts }: Fun): unknown[] {
  return [parts.oldIndex, parts.oldUniq, parts.pid, ...parts.free];
}

/** An object literal of another realm (a vm context, say). */
function isForeignPlain(prototype: object): boolean {
  return Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype, 'isPrototypeOf');
}

function describe(value: object): string {
  if (value instanceof Promise) return 'a promise (is an await missing?)';
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
  const hook = hookOf(value, encoders);
  if (hook === undefined) throw new Fault(`is ${describe(value)}, which is no term`);
  return [{ path: '[toTerm]()', value: termOf(hook), hooked: true }];
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
  if (keys.length === 0) put((tape.EMPTY_MAP << 4) | tape.CONST);
  else putMapHead(keys.length);
  return keys.map((key) => {
    const path = /^[A-Za-z_$][\w$]*$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`;
    return { path, value: value[key], before: () => putKey(key) };
  });
}

function openMap(map: Map<unknown, unknown>): ReturnType<Step> {
  return Array.from(map).flatMap(([key, value], index) => [
    { path: `.key(${index})`, value: key },
    { path: typeof key === 'string' ? `.get(${JSON.stringify(key)})` : `.value(${index})`, value },
  ]);
}
