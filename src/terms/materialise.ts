import type { Areas, Parts } from './areas.js';
import { Atom, atom, foreignAtom } from './atom.js';
import { refuseInReviver, type Revivers } from './revive.js';
import { type ReaderState, setOwn, shapeOf, shapeOfNumber, type ReadShape } from './shapes.js';
import * as tape from '../codec/tape.js';
import { Frame } from '../codec/tape.js';
import { markTuple, type Tuple } from './tuple.js';
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

/**
 * Above this nesting the reader goes on with a stack of its own: JavaScript's would overflow at some
 * ten thousand frames, fewer when the caller is already deep.
 */
const MAX_RECURSION = 400;
/** A binary of at least this size may share memory with the message it came in; see `readBytes`. */
const SHARED_BINARY = 64 * 1024;

const NO_ATOMS: Atom[] = [];
const NO_SHAPES: ReadShape[] = [];
const NO_BYTES = new Uint8Array(0);
/**
 * Where the reader is. Only one tape is read at a time, without suspension, so there is one such object,
 * of which V8 knows all it has to know: it is faster than variables of the module, and code that is
 * generated for shapes sees it too.
 */
const at: ReaderState = {
  words: new Uint32Array(0),
  word: 0,
  floats: new Float64Array(0),
  float: 0,
  text8: '',
  at8: 0,
  exact: false,
};

let bytes: Buffer;
let parts: Parts | undefined;
let source: Uint8Array;
let sourceStart = 0;
let next8 = 0;
let text16 = '';
let at16 = 0;
let next16 = 0;
let atoms = NO_ATOMS;
let shapes = NO_SHAPES;
let revivers: Revivers | undefined;

const CONSTANT_ATOMS = [atom('false'), atom('true'), atom('nil'), atom('undefined')] as const;
const CONSTANT_NAMES = ['false', 'true', 'nil', 'undefined'] as const;

/**
 * Makes JavaScript values of a tape that Rust has written.
 *
 * @param areas where it lies
 * @param frame index of its frame header in `areas.words`
 * @param skip words of the term to pass over: 0, or the place of an element that is to be read alone
 * @param exactMode whether the tape was written in exact mode
 * @param makers what makes other values of some terms, but in exact mode
 */
export function materialise(
  areas: Areas,
  frame: number,
  skip: number,
  exactMode: boolean,
  makers?: Revivers,
): unknown {
  refuseInReviver();
  revivers = makers;
  at.words = areas.words;
  at.floats = areas.floats;
  bytes = areas.bytes;
  source = areas.source;
  parts = areas.parts;
  at.exact = exactMode;
  at.float = at.words[frame + Frame.floats]!;
  next8 = at.words[frame + Frame.text]!;
  next16 = at.words[frame + Frame.utf16]!;
  sourceStart = at.words[frame + Frame.source]!;
  at.at8 = at16 = 0;
  at.word = frame + tape.FRAME_WORDS;
  const atomCount = at.words[frame + Frame.atoms]!;
  const shapeCount = at.words[frame + Frame.shapes]!;
  const deep = at.words[frame + Frame.depth]! > MAX_RECURSION;
  try {
    if (atomCount + shapeCount > 0) readNames(frame, atomCount, shapeCount);
    if (parts !== undefined) nextPart();
    at.word += skip;
    return deep ? readDeep() : read();
  } finally {
    // Nothing of the message may stay alive through this module.
    at.text8 = text16 = '';
    atoms = NO_ATOMS;
    shapes = NO_SHAPES;
    revivers = undefined;
    if (parts !== undefined) {
      parts.close();
      parts = undefined;
      areas.source = source = NO_BYTES;
    }
  }
}

function nextPart(): void {
  parts!.nextPart();
  at.word = at.float = 0;
}

/** The words of the tables of atoms and of shapes, one after the other. */
class TableReader {
  readonly #words = at.words;
  #next: number;
  /** Entries before those in the words, of a tape that is read in parts. */
  #before = 0;

  constructor(start: number) {
    this.#next = start;
    if (parts !== undefined) parts.table((this.#next = 0));
  }

  next(): number {
    if (parts !== undefined && this.#next === this.#words.length) {
      this.#before += this.#next;
      parts.table(this.#before);
      this.#next = 0;
    }
    return this.#words[this.#next++]!;
  }
}

function readNames(frame: number, atomCount: number, shapeCount: number): void {
  const { words } = at;
  const namesStart = words[frame + Frame.names]!;
  const namesEnd = namesStart + words[frame + Frame.namesLength]!;
  const table = new TableReader(at.word + words[frame + Frame.words]!);
  // Cut from the bytes when first needed: shapes of known numbers do without.
  let names: string | undefined;
  const readAll = (): string =>
    parts === undefined ? bytes.utf8Slice(namesStart, namesEnd) : parts.names();
  let start = 0;
  if (atomCount > 0) {
    names = readAll();
    atoms = new Array<Atom>(atomCount);
    for (let index = 0; index < atomCount; index++) {
      const end = start + table.next();
      atoms[index] = foreignAtom(names.substring(start, end));
      start = end;
    }
  }
  if (shapeCount > 0) {
    shapes = new Array<ReadShape>(shapeCount);
    for (let index = 0; index < shapeCount; index++) {
      const kind = table.next() & 1;
      const second = table.next();
      const number = second >>> tape.SHAPE_LENGTH_BITS;
      const end = start + (second & tape.SHAPE_LENGTH);
      let shape = shapeOfNumber(number);
      if (shape === undefined) {
        names ??= readAll();
        shape = shapeOf(names.substring(start, end), kind, number);
      }
      shapes[index] = revivers === undefined ? shape : revivers.shape(shape);
      start = end;
    }
  }
}

function read(): unknown {
  const head = at.words[at.word++]!;
  switch (head & 15) {
    case tape.INT:
      return (head | 0) >> 4;
    case tape.TEXT8: {
      const start = at.at8;
      at.at8 = start + (head >>> 4);
      return at.text8.substring(start, at.at8);
    }
    case tape.OBJECT: {
      const shape = shapes[head >>> 4]!;
      return shape.read(at, read);
    }
    case tape.LIST:
      return readItems(head >>> 4);
    case tape.TUPLE:
      return revivers === undefined ? readTuple(head >>> 4) : reviveTuple(readTuple(head >>> 4));
    case tape.MAP:
      return readMap(head >>> 4);
    case tape.EXT: {
      switch ((head >>> 4) & 15) {
        case tape.NEXT8:
          nextText8();
          return read();
        case tape.NEXT16:
          nextText16();
          return read();
        case tape.NEXT_PART:
          nextPart();
          return read();
        case tape.IMPROPER: {
          const count = head >>> 8;
          const items: unknown[] = [];
          for (let index = 0; index < count; index++) items.push(read());
          return new ImproperList(items, read());
        }
        case tape.MIXED:
          return readMixed(head >>> 8);
        case tape.FUN:
          return readFun(head >>> 8);
        default:
          return readOpaque(head);
      }
    }
    default:
      return readLeaf(head);
  }
}

/** Larger arrays grow as they are filled: V8 would begin with a hash table. */
const MAX_PRESIZED = 1 << 24;

/**
 * So many terms, one at least. Arrays get the size that they need: one that grows by `push` begins with
 * room for 17 items. Numbers have functions of their own, so that V8 learns what such arrays hold.
 */
function readItems(count: number): unknown[] {
  const tag = at.words[at.word]! & 15;
  if (tag === tape.FLOAT && !at.exact) return readDoubles(count);
  if (tag === tape.INT) return readIntegers(count);
  switch (count) {
    case 1:
      return [read()];
    case 2:
      return [read(), read()];
    case 3:
      return [read(), read(), read()];
    case 4:
      return [read(), read(), read(), read()];
    default:
      return readMore(count > MAX_PRESIZED ? [] : new Array<unknown>(count), 0, count);
  }
}

function readDoubles(count: number): unknown[] {
  const { words, floats } = at;
  const { word, float } = at;
  if (count === 2 && words[word + 1] === tape.FLOAT) {
    at.word = word + 2;
    at.float = float + 2;
    return [floats[float]!, floats[float + 1]!];
  }
  if (count > MAX_PRESIZED) return readMore([], 0, count);
  let items: unknown[];
  if (count > MANY_DOUBLES) {
    // It knows from the begin that it holds doubles, and needs not be copied when the first one comes.
    items = [floats[float]!];
    items.length = count;
  } else {
    items = new Array<unknown>(count);
  }
  return readMore(items, fillDoubles(items, 0, count), count);
}

const MANY_DOUBLES = 1024;

/** Fills in the doubles that come next, and returns the index of the item after them. */
function fillDoubles(items: unknown[], from: number, count: number): number {
  const { words, floats } = at;
  const word = at.word - from;
  const float = at.float - from;
  let index = from;
  while (index < count && words[word + index] === tape.FLOAT) {
    items[index] = floats[float + index]!;
    index++;
  }
  at.word = word + index;
  at.float = float + index;
  return index;
}

function readIntegers(count: number): unknown[] {
  if (count > MAX_PRESIZED) return readMore([], 0, count);
  const items = new Array<unknown>(count);
  return readMore(items, fillIntegers(items, 0, count), count);
}

/** The same for integers. */
function fillIntegers(items: unknown[], from: number, count: number): number {
  const { words } = at;
  const word = at.word - from;
  let index = from;
  while (index < count) {
    const head = words[word + index]!;
    if ((head & 15) !== tape.INT) break;
    items[index] = (head | 0) >> 4;
    index++;
  }
  at.word = word + index;
  return index;
}

const LIST_OF_TWO = (2 << 4) | tape.LIST;
const PART_END = (tape.NEXT_PART << 4) | tape.EXT;

/** Points of maps and curves come by the ten thousand. */
function isPairOfDoubles(words: Uint32Array, word: number): boolean {
  return words[word + 1] === tape.FLOAT && words[word + 2] === tape.FLOAT && !at.exact;
}

/** Reads the items from `index` on. */
function readMore(items: unknown[], index: number, count: number): unknown[] {
  const { words } = at;
  for (let next = index; next < count; next++) {
    const head = words[at.word]!;
    if ((head & 15) === tape.TEXT8) {
      at.word++;
      const start = at.at8;
      at.at8 = start + (head >>> 4);
      items[next] = at.text8.substring(start, at.at8);
    } else if (head === LIST_OF_TWO && isPairOfDoubles(words, at.word)) {
      const float = at.float;
      at.word += 3;
      at.float = float + 2;
      items[next] = [at.floats[float]!, at.floats[float + 1]!];
    } else if (head === PART_END) {
      nextPart();
      if (!at.exact) next = fillDoubles(items, next, count);
      next = fillIntegers(items, next, count) - 1;
    } else {
      items[next] = read();
    }
  }
  return items;
}

/** Everything that has no terms inside, but what `read` does itself for speed. */
function readLeaf(head: number): unknown {
  const payload = head >>> 4;
  switch (head & 15) {
    case tape.INT:
      return (head | 0) >> 4;
    case tape.TEXT8: {
      const start = at.at8;
      at.at8 = start + payload;
      return at.text8.substring(start, at.at8);
    }
    case tape.TEXT16: {
      const start = at16;
      at16 = start + payload;
      return text16.substring(start, at16);
    }
    case tape.FLOAT:
      return at.exact ? new Float(at.floats[at.float++]!) : at.floats[at.float++]!;
    case tape.WIDE:
      return at.floats[at.float++]!;
    case tape.CONST:
      return readConstant(payload);
    case tape.ATOM:
      return atoms[payload]!;
    case tape.BYTES:
      return readBytes(payload);
    case tape.BYTELIST: {
      const start = sourceStart + at.words[at.word++]!;
      const items: number[] = [];
      for (let index = 0; index < payload; index++) items.push(source[start + index]!);
      return items;
    }
    case tape.BIG:
      return readBig(payload >>> 1, (payload & 1) === 1);
    default:
      throw new Error(`backwater: word ${head} does not begin a term`);
  }
}

function readConstant(payload: number): unknown {
  if (payload <= tape.UNDEFINED) {
    if (at.exact) return CONSTANT_ATOMS[payload];
    return payload === tape.TRUE
      ? true
      : payload === tape.FALSE
        ? false
        : payload === tape.NIL
          ? null
          : undefined;
  }
  return payload === tape.EMPTY_LIST ? [] : payload === tape.EMPTY_TEXT ? '' : {};
}

function readTuple(count: number): unknown {
  switch (count) {
    case 2:
      return markTuple([read(), read()]);
    case 3:
      return markTuple([read(), read(), read()]);
    default:
      return markTuple(count === 0 ? [] : readItems(count));
  }
}

function readMap(payload: number): unknown {
  const keys = payload & 3;
  const count = payload >>> 2;
  if (keys === tape.KEYS_MIXED) {
    const map = new Map<unknown, unknown>();
    for (let index = 0; index < count; index++) map.set(read(), read());
    return map;
  }
  const object = count > MANY_KEYS ? readManyKeys(count) : readFewKeys(count);
  return keys === tape.KEYS_ATOMS ? reviveObject(object) : object;
}

function readFewKeys(count: number): Record<string, unknown> {
  const object: Record<string, unknown> = {};
  for (let index = 0; index < count; index++) setOwn(object, readKey(), read());
  return object;
}

function reviveObject(object: Record<string, unknown>): unknown {
  return revivers === undefined ? object : revivers.object(object);
}

function reviveTuple(tuple: unknown): unknown {
  // The terms that a closure holds are exact.
  return revivers === undefined || at.exact ? tuple : revivers.tuple(tuple as Tuple);
}

/** With more keys than this an object becomes a hash table in V8 anyway. */
const MANY_KEYS = 64;

/**
 * Without a prototype there is nothing that an assignment could hit but the object's own keys, and V8
 * takes half the time for each.
 */
function readManyKeys(count: number): Record<string, unknown> {
  const object = { __proto__: null } as unknown as Record<string, unknown>;
  for (let index = 0; index < count; index++) object[readKey()] = read();
  return Object.setPrototypeOf(object, Object.prototype) as Record<string, unknown>;
}

/** A key of a map that becomes an object: text, or an atom's name. */
function readKey(): string {
  const head = at.words[at.word]!;
  if ((head & 15) === tape.CONST && head >>> 4 <= tape.UNDEFINED) {
    at.word++;
    return CONSTANT_NAMES[head >>> 4]!;
  }
  const key = read();
  return key instanceof Atom ? key.name : (key as string);
}

/** A map that begins like a shape: its values, a word with the number of further pairs, these. */
function readMixed(rest: number): unknown {
  const shape = shapes[rest >>> 2]!;
  if ((rest & 3) === tape.KEYS_MIXED) {
    const map = new Map<unknown, unknown>();
    for (let index = 0; index < shape.keys.length; index++) map.set(shape.keyTerm(index), read());
    for (let left = at.words[at.word++]!; left > 0; left--) map.set(read(), read());
    return map;
  }
  const object = (shape.plain ?? shape).read(at, read);
  for (let left = at.words[at.word++]!; left > 0; left--) setOwn(object, readKey(), read());
  return (rest & 3) === tape.KEYS_ATOMS ? reviveObject(object) : object;
}

function nextText8(): void {
  const length = at.words[at.word++]!;
  at.text8 =
    parts === undefined ? bytes.latin1Slice(next8, next8 + length) : parts.text8(next8, length);
  next8 += length;
  at.at8 = 0;
}

function nextText16(): void {
  const length = at.words[at.word++]! * 2;
  text16 =
    parts === undefined ? bytes.ucs2Slice(next16, next16 + length) : parts.text16(next16, length);
  next16 += length;
  at16 = 0;
}

/**
 * A small binary is copied, so that it does not keep its message alive; a large one that makes up
 * at least a quarter of the message shares the message's memory.
 */
function readBytes(length: number): Buffer {
  const start = sourceStart + at.words[at.word++]!;
  if (length >= SHARED_BINARY) {
    const { buffer } = source;
    if (length * 4 >= buffer.byteLength) {
      return Buffer.from(buffer as ArrayBuffer, source.byteOffset + start, length);
    }
  }
  const copy = Buffer.allocUnsafe(length);
  copy.set(source.subarray(start, start + length));
  return copy;
}

function readBig(length: number, negative: boolean): bigint {
  const start = sourceStart + at.words[at.word++]!;
  if (length <= 8) {
    let low = 0n;
    for (let index = length - 1; index >= 0; index--) {
      low = (low << 8n) | BigInt(source[start + index]!);
    }
    return negative ? -low : low;
  }
  const digits = Buffer.from(source.subarray(start, start + length))
    .reverse()
    .toString('hex');
  const magnitude = BigInt(`0x${digits}`);
  return negative ? -magnitude : magnitude;
}

function readOpaque(head: number): unknown {
  const rest = head >>> 8;
  switch ((head >>> 4) & 15) {
    case tape.BITSTRING: {
      const length = at.words[at.word++]!;
      const start = sourceStart + at.words[at.word++]!;
      return new BitString(source.subarray(start, start + length), rest);
    }
    case tape.PID: {
      const node = atoms[at.words[at.word++]!]!;
      return new Pid(node, at.words[at.word++]!, at.words[at.word++]!, at.words[at.word++]!);
    }
    case tape.PORT: {
      const node = atoms[at.words[at.word++]!]!;
      const id = (BigInt(at.words[at.word++]!) << 32n) | BigInt(at.words[at.word++]!);
      return new Port(node, id, at.words[at.word++]!);
    }
    case tape.REFERENCE: {
      const node = atoms[at.words[at.word++]!]!;
      const creation = at.words[at.word++]!;
      const ids = Array.from(at.words.subarray(at.word, at.word + rest));
      at.word += rest;
      return new Reference(node, creation, ids);
    }
    case tape.EXTFUN: {
      const module = atoms[at.words[at.word++]!]!;
      return new ExternalFunction(module, atoms[at.words[at.word++]!]!, rest);
    }
    default:
      throw new Error(`backwater: word ${head} does not begin a term`);
  }
}

/** The head of a closure up to its terms; see {@link finishFun}. */
function readFunHead(): { free: number; uniq: Buffer; index: number; module: Atom } {
  const free = at.words[at.word++]!;
  const uniq = Buffer.alloc(16);
  for (let index = 0; index < 4; index++) uniq.writeUInt32BE(at.words[at.word++]!, index * 4);
  return { free, uniq, index: at.words[at.word++]!, module: atoms[at.words[at.word++]!]! };
}

function finishFun(
  arity: number,
  head: ReturnType<typeof readFunHead>,
  terms: readonly unknown[],
): Fun {
  const [oldIndex, oldUniq, pid, ...free] = terms;
  const { module, uniq, index } = head;
  return new Fun({ module, arity, uniq, index, oldIndex, oldUniq, pid, free });
}

function readFun(arity: number): Fun {
  const head = readFunHead();
  const outer = at.exact;
  at.exact = true;
  const terms: unknown[] = [];
  for (let index = 0; index < head.free + 3; index++) terms.push(read());
  at.exact = outer;
  return finishFun(arity, head, terms);
}

/** A container whose terms are still to be read. */
interface Open {
  /** The terms read so far; keys and values alternate in a map. */
  readonly terms: unknown[];
  /** How many it will have. */
  count: number;
  /** Called once these are there: how many more come. */
  more?: () => number;
  /** Makes the value of them. */
  readonly finish: (terms: unknown[]) => unknown;
}

/** Reads like {@link read}, with a stack of its own. */
function readDeep(): unknown {
  const stack: Open[] = [];
  for (;;) {
    let value: unknown;
    const open = openContainer();
    if (open !== undefined) {
      stack.push(open);
    } else {
      value = readShallow();
      const top = stack.at(-1);
      if (top === undefined) return value;
      top.terms.push(value);
    }
    for (let top = stack.at(-1)!; isComplete(top); top = stack.at(-1)!) {
      value = top.finish(top.terms);
      stack.pop();
      if (stack.length === 0) return value;
      stack.at(-1)!.terms.push(value);
    }
  }
}

function isComplete(open: Open): boolean {
  if (open.terms.length < open.count) return false;
  if (open.more !== undefined) {
    open.count += open.more();
    delete open.more;
  }
  return open.terms.length === open.count;
}

function readShallow(): unknown {
  const head = at.words[at.word++]!;
  return (head & 15) === tape.EXT ? readOpaque(head) : readLeaf(head);
}

/** Begins the container at the current word; undefined when there is none. */
function openContainer(): Open | undefined {
  const head = at.words[at.word]!;
  const payload = head >>> 4;
  const begin = (count: number, finish: Open['finish']): Open => {
    at.word++;
    return { terms: [], count, finish };
  };
  switch (head & 15) {
    case tape.LIST:
      return begin(payload, (terms) => terms);
    case tape.TUPLE:
      return begin(payload, (terms) => reviveTuple(markTuple(terms)));
    case tape.OBJECT: {
      const shape = shapes[payload]!;
      return begin(shape.keys.length, (terms) => {
        let index = 0;
        return shape.build(() => terms[index++]);
      });
    }
    case tape.MAP: {
      return begin((payload >>> 2) * 2, makerOf(payload & 3));
    }
    case tape.EXT:
      return openExtended(head, begin);
    default:
      return undefined;
  }
}

function openExtended(
  head: number,
  begin: (count: number, finish: Open['finish']) => Open,
): Open | undefined {
  switch ((head >>> 4) & 15) {
    case tape.NEXT8:
      at.word++;
      nextText8();
      return openContainer();
    case tape.NEXT16:
      at.word++;
      nextText16();
      return openContainer();
    case tape.NEXT_PART:
      nextPart();
      return openContainer();
    case tape.IMPROPER: {
      return begin((head >>> 8) + 1, (terms) => {
        const tail = terms.pop();
        return new ImproperList(terms, tail);
      });
    }
    case tape.MIXED: {
      const shape = shapes[head >>> 10]!;
      const kind = (head >>> 8) & 3;
      const asObject = kind !== tape.KEYS_MIXED;
      const open = begin(shape.keys.length, (terms) => {
        const pairs = shape.keys.flatMap((key, index) => [
          asObject ? key : shape.keyTerm(index),
          terms[index],
        ]);
        pairs.push(...terms.slice(shape.keys.length));
        return makerOf(kind)(pairs);
      });
      return { ...open, more: () => at.words[at.word++]! * 2 };
    }
    case tape.FUN: {
      at.word++;
      const fun = readFunHead();
      const outer = at.exact;
      at.exact = true;
      at.word--;
      return begin(fun.free + 3, (terms) => {
        at.exact = outer;
        return finishFun(head >>> 8, fun, terms);
      });
    }
    default:
      return undefined;
  }
}

/** What makes a map of alternating keys and values. */
function makerOf(keys: number): (terms: unknown[]) => unknown {
  if (keys === tape.KEYS_MIXED) return mapOf;
  return keys === tape.KEYS_ATOMS ? (terms) => reviveObject(objectOf(terms)) : objectOf;
}

function mapOf(terms: unknown[]): Map<unknown, unknown> {
  const map = new Map<unknown, unknown>();
  for (let index = 0; index < terms.length; index += 2) map.set(terms[index], terms[index + 1]);
  return map;
}

function objectOf(terms: unknown[]): Record<string, unknown> {
  const object: Record<string, unknown> = {};
  for (let index = 0; index < terms.length; index += 2) {
    const key = terms[index];
    const name = typeof key === 'string' ? key : key instanceof Atom ? key.name : constantName(key);
    setOwn(object, name, terms[index + 1]);
  }
  return object;
}

/** The name of an atom that stands for itself as a JavaScript constant. */
function constantName(value: unknown): string {
  return value === null ? 'nil' : String(value);
}
