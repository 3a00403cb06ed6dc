import { types } from 'node:util';
import { beginAtCaller } from '../platform/call-stack.js';
import { attempt } from '../platform/inspect.js';
import { Atom } from '../terms/atom.js';
import { TERM, type TermKind } from '../terms/brands.js';
import type { Encoder as ClassEncoder } from '../terms/hooks.js';
import { isMarked as hasTupleMark } from '../terms/tuple.js';
import type { Fun, ImproperList, NativeRecord } from '../terms/values.js';
import { hookOf, isBuiltInUrl, termOf } from './class-encoders.js';
import { ListWriter } from './list-writer.js';
import type { Properties } from './object-writer.js';
import { writeFunHead, writeNativeRecordHead, writeOpaque } from './opaque.js';
import { LoneSurrogateError, SerializeError, type SizeLimit } from './serialize-error.js';
import * as tape from './tape.js';

const {
  CONST,
  DOUBLES,
  EMPTY_LIST,
  FALSE,
  IMPROPER,
  INT,
  LIST,
  MAX_PAIRS,
  MAX_REST,
  NIL,
  TRUE,
  TUPLE,
  UNDEFINED,
} = tape;

export interface EncoderSettings {
  readonly objectKeys: 'binary' | 'atom';
  readonly encoders?: readonly ClassEncoder[] | undefined;
  readonly maxDepth: number;
  readonly markBytes?: boolean | undefined;
  readonly terms?: 'js' | 'exact' | undefined;
}

const MIN_INT = -(2 ** 27);
const MAX_INT = 2 ** 27 - 1;
/** Erlang's limit. */
const MAX_TUPLE = 2 ** 24 - 1;

// In CommonJS each use of an import is a property access.
const isMarked = hasTupleMark;
const isOwnAtom = Atom.isOwn;
const { isArray } = Array;
const { getPrototypeOf } = Reflect;
// Subclasses of Map may override these.
const { entries: entriesOf } = Map.prototype;
const { next: nextOf } = new Map<unknown, unknown>().entries();
const sizeOf = Object.getOwnPropertyDescriptor(Map.prototype, 'size')!.get as (
  this: Map<unknown, unknown>,
) => number;

/**
 * Writing may stop anywhere, because getters throw, the stack overflows or V8 terminates it. So the
 * next tape depends only on where it begins.
 */
export class Encoder extends ListWriter {
  private encoders: readonly ClassEncoder[] | undefined = undefined;
  private maxItems = 0;

  /**
   * Writes a value and returns the index of the tape's header.
   *
   * @param root how the path in an error begins
   */
  encode(
    value: unknown,
    settings: EncoderSettings,
    limit: SizeLimit,
    root: string,
    called: (...args: never[]) => unknown,
  ): number {
    const { word, float, byte } = this;
    try {
      try {
        this.writeTape(value, settings, limit, false);
      } catch (error) {
        if (!SerializeError.is(error) || !(error instanceof LoneSurrogateError)) throw error;
        // Encode again to find which text of a chunk has a lone surrogate.
        this.seek(word, float, byte);
        this.writeTape(value, settings, limit, true);
      }
      return word;
    } catch (error) {
      this.seek(word, float, byte);
      this.forgetOutOfBand();
      throw SerializeError.is(error) ? beginAtCaller(error.toTermError(root), called) : error;
    } finally {
      this.release();
    }
  }

  private writeTape(
    value: unknown,
    settings: EncoderSettings,
    limit: SizeLimit,
    checksEachText: boolean,
  ): void {
    this.start(settings, limit, checksEachText);
    this.write(value, 0);
    this.finish();
  }

  private start(settings: EncoderSettings, limit: SizeLimit, checksEachText: boolean): void {
    this.begin(limit);
    this.checksEachText = checksEachText;
    this.keysAreAtoms = settings.objectKeys === 'atom';
    this.marksBytes = settings.markBytes ?? settings.terms === 'js';
    this.encoders = settings.encoders;
    this.maxDepth = settings.maxDepth;
    this.maxItems = Math.min(MAX_PAIRS, limit.bytes);
  }

  openList(settings: EncoderSettings, limit: SizeLimit): void {
    // An item cannot be encoded again to find the wrong text.
    this.start(settings, limit, true);
    this.beginItems();
  }

  /** @throws TermError, after which the list can only be closed */
  addItem(value: unknown, called: (...args: never[]) => unknown): void {
    try {
      this.writeItem(value);
    } catch (error) {
      throw SerializeError.is(error) ? beginAtCaller(error.toTermError('item'), called) : error;
    }
  }

  closeList(): void {
    this.endItems();
    this.release();
  }

  write(value: unknown, depth: number): void {
    // V8 calls a function for the `typeof` of a switch.
    if (typeof value === 'string') {
      this.writeString(value);
    } else if (typeof value === 'number') {
      this.writeNumber(value);
    } else if (typeof value === 'boolean') {
      // V8 no longer inlines `put` here.
      if (this.word > this.limit) this.grow(1);
      this.words[this.word++] = ((value ? TRUE : FALSE) << 4) | CONST;
    } else if (value === null) {
      if (this.word > this.limit) this.grow(1);
      this.words[this.word++] = (NIL << 4) | CONST;
    } else if (typeof value === 'object') {
      // From here on, each level of nesting takes at most three stack frames.
      if (isList(value)) {
        this.writeArray(value, depth);
      } else if (isOwnAtom(value)) {
        this.writeAtom(value);
      } else {
        const prototype = getPrototypeOf(value);
        if (prototype === Object.prototype || prototype === null) {
          this.writePlain(value as Properties, depth);
        } else {
          this.writeInstance(value, prototype, depth);
        }
      }
    } else if (value === undefined) {
      this.put((UNDEFINED << 4) | CONST);
    } else if (typeof value === 'bigint') {
      this.writeBigInt(value);
    } else {
      throw new SerializeError(`is a ${typeof value}, which cannot be encoded as a term`);
    }
  }

  private writeArray(array: readonly unknown[], depth: number): void {
    const count = array.length;
    if (count > this.maxItems || count >>> 0 !== count) this.refuseCount(count, MAX_PAIRS);
    if (count > 0) this.enter(depth);
    const first = count > 1 ? array[0] : undefined;
    let index = 0;
    if (typeof first !== 'number') {
      this.putArrayHead(array, count);
    } else if ((first | 0) === first) {
      this.putArrayHead(array, count);
      index = this.writeIntegers(array, count);
    } else if (count > MAX_REST || isMarked(array) || !this.writeDoubles(array, count)) {
      this.putArrayHead(array, count);
    } else {
      return;
    }
    try {
      for (; index < count; index++) this.write(array[index], depth + 1);
    } catch (error) {
      throw SerializeError.through(error, array, index);
    }
  }

  private putArrayHead(array: readonly unknown[], count: number): void {
    if (this.word > this.limit) this.grow(1);
    if (isMarked(array)) {
      if (count > MAX_TUPLE) this.refuseCount(count, MAX_TUPLE);
      this.words[this.word++] = (count << 4) | TUPLE;
    } else if (count === 0) {
      this.words[this.word++] = (EMPTY_LIST << 4) | CONST;
    } else {
      this.words[this.word++] = (count << 4) | LIST;
    }
  }

  private writeIntegers(array: readonly unknown[], count: number): number {
    if (this.word + count > this.limit) this.grow(count);
    const { words } = this;
    const start = this.word;
    let index = 0;
    while (index < count) {
      const item = array[index];
      if (typeof item !== 'number' || (item | 0) !== item) break;
      if (item < MIN_INT || item > MAX_INT || Object.is(item, -0)) break;
      words[start + index] = (item << 4) | INT;
      index++;
    }
    this.word = start + index;
    return index;
  }

  private writeDoubles(array: readonly unknown[], count: number): boolean {
    if (!this.hasRoomFor(count * 9)) return false;
    const start = this.float;
    this.reserveFloats(count);
    const { floats } = this;
    for (let index = 0; index < count; index++) {
      const item = array[index];
      if (typeof item !== 'number' || item - Math.trunc(item) === 0 || item - item !== 0) {
        return false;
      }
      floats[start + index] = item;
    }
    this.float = start + count;
    this.putExt(DOUBLES, count);
    return true;
  }

  private writeInstance(value: object, prototype: object, depth: number): void {
    if (prototype === Map.prototype) {
      this.writeMap(value as Map<unknown, unknown>, depth);
      return;
    }
    const kind = (value as { readonly [TERM]?: TermKind })[TERM];
    if (kind === 'improper_list') {
      this.writeImproper(value as ImproperList, depth);
    } else if (kind === 'fun') {
      this.writeFun(value as Fun, depth);
    } else if (kind === 'native_record') {
      this.writeNativeRecord(value as NativeRecord, depth);
    } else if (kind !== undefined) {
      writeOpaque(this, value, kind);
    } else if (types.isUint8Array(value)) {
      this.writeBinary(value);
    } else if (types.isMap(value)) {
      this.writeMap(value, depth);
    } else if (isForeignPlain(prototype)) {
      this.writePairs(value as Properties, depth, true);
    } else {
      this.writeHooked(value, depth);
    }
  }

  private writeImproper(list: ImproperList, depth: number): void {
    const { items, tail } = list;
    if (!isArray(items) || items.length === 0) {
      throw new SerializeError('is an ImproperList without items');
    }
    const count = items.length;
    if (count > MAX_REST) this.refuseCount(count, MAX_REST);
    this.enter(depth);
    this.putExt(IMPROPER, count);
    let index = 0;
    try {
      for (; index < count; index++) this.write(items[index], depth + 1);
      this.write(tail, depth + 1);
    } catch (error) {
      throw SerializeError.through(error, list, () =>
        index < count ? `.items[${index}]` : '.tail',
      );
    }
  }

  private writeFun(fun: Fun, depth: number): void {
    this.enter(depth);
    const terms = writeFunHead(this, fun);
    // Rust needs the encoding of these terms in one piece.
    const { separable } = this;
    this.separable = false;
    let index = 0;
    try {
      for (; index < terms.length; index++) this.write(terms[index], depth + 1);
    } catch (error) {
      throw SerializeError.through(error, fun, index);
    }
    this.separable = separable;
  }

  private writeNativeRecord(record: NativeRecord, depth: number): void {
    const values = writeNativeRecordHead(this, record);
    if (values.length > 0) this.enter(depth);
    let index = 0;
    try {
      for (; index < values.length; index++) this.write(values[index], depth + 1);
    } catch (error) {
      throw SerializeError.through(error, record, () => `.fields.value(${index})`);
    }
  }

  private writeMap(map: Map<unknown, unknown>, depth: number): void {
    if (sizeOfMap(map) > 0) this.enter(depth);
    this.put(0);
    const head = this.word - 1;
    const { separable } = this;
    let count = 0;
    let atKey = true;
    let key: unknown;
    try {
      const entries = entriesOf.call(map);
      for (let step = nextOf.call(entries); step.done !== true; step = nextOf.call(entries)) {
        key = step.value[0];
        atKey = true;
        // Rust compares the encodings of keys.
        this.separable = false;
        this.write(key, depth + 1);
        this.separable = separable;
        atKey = false;
        this.write(step.value[1], depth + 1);
        count++;
      }
    } catch (error) {
      throw SerializeError.through(error, map, () => entryStep(key, count, atKey));
    }
    // Getters may have changed the map.
    this.putMapHead(head, count);
  }

  private writeHooked(value: object, depth: number): void {
    const hook = hookOf(value, this.encoders);
    if (hook === undefined)
      throw new SerializeError(
        `is ${describe(value)}, which cannot be encoded as a term${adviceFor(value)}`,
      );
    this.enter(depth);
    const term = termOf(hook);
    try {
      this.write(term, depth + 1);
    } catch (error) {
      throw SerializeError.through(error, value, () => '[toTerm]()');
    }
  }
}

/** Also true for arrays of other realms and for proxies. */
function isList(value: object): value is readonly unknown[] {
  try {
    return isArray(value);
  } catch {
    throw new SerializeError('is a revoked Proxy');
  }
}

function sizeOfMap(map: Map<unknown, unknown>): number {
  try {
    return sizeOf.call(map);
  } catch {
    throw new SerializeError('inherits from Map but is not a Map');
  }
}

function isForeignPlain(prototype: object): boolean {
  return getPrototypeOf(prototype) === null && Object.hasOwn(prototype, 'isPrototypeOf');
}

function entryStep(key: unknown, index: number, atKey: boolean): string {
  if (atKey) return `.key(${index})`;
  return typeof key === 'string' ? `.get(${JSON.stringify(key)})` : `.value(${index})`;
}

function describe(value: object): string {
  if (types.isPromise(value)) return 'a promise (is an await missing?)';
  if (types.isProxy(value)) return 'a Proxy';
  const name = attempt((): unknown => value.constructor.name);
  return typeof name === 'string' && name !== ''
    ? `an instance of ${name}`
    : 'an object with a prototype';
}

function adviceFor(value: object): string {
  const elixir = types.isDate(value) || types.isSet(value) || isBuiltInUrl(value);
  if (elixir) {
    return "; javascript() of 'backwater/hooks' sends it to Node, elixir() of 'backwater/elixir' to Elixir";
  }
  const other =
    types.isNativeError(value) || ArrayBuffer.isView(value) || types.isArrayBuffer(value);
  return other ? "; javascript() of 'backwater/hooks' sends it to Node" : '';
}
