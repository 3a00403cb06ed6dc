import { Buffer } from 'node:buffer';
import { defineShown } from '../platform/brands.js';
import { foreignAtom } from '../terms/atom.js';
import { SHAPE_ATOMS } from './tape.js';
import { filled } from './arrays.js';
import { isSparse, setSparse } from './sparse-keys.js';
import { generateReader, type ObjectReader, type ValueSource } from './generated-reader.js';

export interface ReadShape {
  readonly keys: readonly string[];
  read(at: ValueSource): unknown;
  readPlain(at: ValueSource): Record<string, unknown>;
  keyTerm(index: number): unknown;
}

/** More shapes mean that keys are data. */
const MAX_REMEMBERED = 2048;
/** A generated reader can take ten kilobytes. */
const MAX_READERS = 256;
const USES_BEFORE_CLASS = 3;
/** Generating takes 20 µs per key, as long as several hundred uses. */
const USES_BEFORE_READER = 200;

const remembered = [new Map<string, Shape>(), new Map<string, Shape>()] as const;
/** See crates/etf/src/shape_numbers.rs. */
const MAX_NUMBER = 4096;
const numbered = filled<Shape | undefined>(MAX_NUMBER + 1, undefined);

export function shapeOfNumber(number: number): ReadShape | undefined {
  return number <= MAX_NUMBER ? numbered[number] : undefined;
}

/**
 * @param joined the keys, joined by NUL
 * @param number the shape's number in this process, 0 = none
 */
export function shapeOf(joined: string, kind: number, number: number): ReadShape {
  if (number > 0 && number <= MAX_NUMBER) return (numbered[number] ??= newShape(joined, kind));
  const table = remembered[kind === SHAPE_ATOMS ? 0 : 1];
  const known = table.get(joined);
  if (known !== undefined) return known;
  if (table.size >= MAX_REMEMBERED) table.clear();
  const shape = newShape(joined, kind);
  table.set(shape.keys.join('\0'), shape);
  return shape;
}

function newShape(joined: string, kind: number): Shape {
  // Slices would keep the whole text alive.
  const keys = Buffer.from(joined, 'latin1').latin1Slice().split('\0');
  return new Shape(keys, kind === SHAPE_ATOMS);
}

class Shape implements ReadShape {
  static readonly #withReader = filled<Shape | undefined>(MAX_READERS, undefined);
  static #oldest = 0;

  readonly keys: readonly string[];
  readonly #areAtoms: boolean;
  readonly #isSparse: boolean;
  #uses = 0;
  read: ObjectReader;

  constructor(keys: readonly string[], areAtoms: boolean) {
    this.keys = keys;
    this.#areAtoms = areAtoms;
    this.#isSparse = keys.some((key) => isSparse(key, keys.length));
    this.read = this.#readSlowly;
  }

  keyTerm(index: number): unknown {
    const key = this.keys[index]!;
    return this.#areAtoms ? atomTerm(key) : key;
  }

  readPlain(at: ValueSource): Record<string, unknown> {
    return this.read(at);
  }

  #readSlowly(at: ValueSource): Record<string, unknown> {
    if (++this.#uses < USES_BEFORE_CLASS) return readRarely(at, this.keys);
    // In a literal V8 allocates a slot for every index.
    if (this.#uses === USES_BEFORE_READER && !this.#isSparse) this.#generateReader();
    const object: Record<string, unknown> = {};
    for (const key of this.keys) setOwn(object, key, at.read(), this.keys.length);
    return object;
  }

  #generateReader(): void {
    const reader = generateReader(this.keys);
    if (reader === undefined) return;
    this.read = reader;
    const oldest = Shape.#withReader[Shape.#oldest];
    if (oldest !== undefined) {
      oldest.read = oldest.#readSlowly;
      oldest.#uses = USES_BEFORE_CLASS;
    }
    Shape.#withReader[Shape.#oldest] = this;
    Shape.#oldest = (Shape.#oldest + 1) % MAX_READERS;
  }
}

/** Hidden classes for rare keys would take several times as long as a hash table. */
function readRarely(at: ValueSource, keys: readonly string[]): Record<string, unknown> {
  const object = { __proto__: null } as unknown as Record<string, unknown>;
  for (const key of keys) {
    if (isSparse(key, keys.length)) setSparse(object, key, at.read());
    else object[key] = at.read();
  }
  return Object.setPrototypeOf(object, Object.prototype) as Record<string, unknown>;
}

const EMPTY = {};

/** Sets an own property even if the prototype has a setter (`__proto__`) or is frozen. */
export function setOwn(
  object: Record<string, unknown>,
  key: string,
  value: unknown,
  count: number,
): void {
  // Looking a key up in a large object is slow.
  if (key in EMPTY) defineShown(object, key, value);
  else if (isSparse(key, count)) setSparse(object, key, value);
  else object[key] = value;
}

export function atomTerm(name: string): unknown {
  switch (name) {
    case 'true':
      return true;
    case 'false':
      return false;
    case 'nil':
      return null;
    case 'undefined':
      return undefined;
    default:
      return foreignAtom(name);
  }
}
