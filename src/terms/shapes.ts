import { foreignAtom } from './atom.js';
import { INT, SHAPE_ATOMS, TEXT8 } from '../codec/tape.js';

/** Where in a tape its reader is; see materialise.ts. */
export interface ReaderState {
  words: Uint32Array;
  word: number;
  floats: Float64Array;
  float: number;
  /** The chunk of latin1 text, and where in it the next string begins. */
  text8: string;
  at8: number;
  exact: boolean;
}

/** The keys of maps that come again and again, and what makes objects of them. */
export interface ReadShape {
  readonly keys: readonly string[];
  /** The object of this shape whose values come next in the tape; `read` reads any of them. */
  read(at: ReaderState, read: () => unknown): Record<string, unknown>;
  /** The object of this shape whose values `next` returns one after the other. */
  build(next: () => unknown): Record<string, unknown>;
  /** The shape whose objects are maps, where this one makes something else of them. */
  readonly plain?: ReadShape;
  /** The key at `index` as a term: an atom or text. */
  keyTerm(index: number): unknown;
}

/** More shapes than this are not remembered: somebody is sending keys that are data. */
const MAX_REMEMBERED = 2048;
/** A literal is generated for a shape that is used this often; it costs some 30 µs to make. */
const USES_BEFORE_LITERAL = 4;

const remembered = [new Map<string, Shape>(), new Map<string, Shape>()] as const;
/** Shapes by their numbers in this process; Rust gives some thousand of these at most. */
const numbered: (Shape | undefined)[] = [undefined];

/** The shape of that number, if this thread has met it. */
export function shapeOfNumber(number: number): ReadShape | undefined {
  return number < numbered.length ? numbered[number] : undefined;
}

/**
 * The shape of those keys, which are joined by NUL.
 *
 * @param number its number in this process, 0 = none
 */
export function shapeOf(joined: string, kind: number, number: number): ReadShape {
  if (number > 0) {
    while (numbered.length <= number) numbered.push(undefined);
    return (numbered[number] ??= new Shape(joined.split('\0').map(flat), kind === SHAPE_ATOMS));
  }
  const table = remembered[kind === SHAPE_ATOMS ? 0 : 1];
  const known = table.get(joined);
  if (known !== undefined) return known;
  if (table.size >= MAX_REMEMBERED) table.clear();
  const shape = new Shape(joined.split('\0').map(flat), kind === SHAPE_ATOMS);
  table.set(flat(joined), shape);
  return shape;
}

const EMPTY = {};

/**
 * Gives the object an own property, whatever its prototype says of that key: a setter (`__proto__`),
 * or a value that cannot be assigned over, where a program has frozen the prototypes.
 */
export function setOwn(object: Record<string, unknown>, key: string, value: unknown): void {
  // Asked of an empty object, not of the large one that this may be: its own keys do not matter.
  if (key in EMPTY) {
    Object.defineProperty(object, key, {
      value,
      writable: true,
      enumerable: true,
      configurable: true,
    });
  } else {
    object[key] = value;
  }
}

/** A copy that does not share memory with the text it was cut from. */
function flat(text: string): string {
  return Buffer.from(text, 'latin1').latin1Slice();
}

/** The atom of a name as a value: a constant of JavaScript where it is one. */
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

class Shape implements ReadShape {
  readonly keys: readonly string[];
  readonly #atoms: boolean;
  #uses = 0;
  read: ReadShape['read'] = this.#readSlowly;

  constructor(keys: readonly string[], atoms: boolean) {
    this.keys = keys;
    this.#atoms = atoms;
  }

  keyTerm(index: number): unknown {
    const key = this.keys[index]!;
    return this.#atoms ? atomTerm(key) : key;
  }

  #readSlowly(_at: ReaderState, read: () => unknown): Record<string, unknown> {
    if (++this.#uses === USES_BEFORE_LITERAL) this.read = generate(this.keys) ?? this.read;
    return this.build(read);
  }

  build(next: () => unknown): Record<string, unknown> {
    const object: Record<string, unknown> = {};
    for (const key of this.keys) setOwn(object, key, next());
    return object;
  }
}

/**
 * A function that makes the object by a literal, which is several times faster than assigning keys,
 * and reads small integers and text without a call; undefined where the process forbids code from
 * strings. Keys are data: they are quoted by JSON.stringify and computed, so that `__proto__` is a key
 * as any other.
 */
function generate(keys: readonly string[]): ReadShape['read'] | undefined {
  const reads = keys.map(
    (_, index) =>
      `let v${index};head=words[at.word];` +
      `if((head&15)===${INT}){at.word++;v${index}=(head|0)>>4}` +
      `else if((head&15)===${TEXT8}){at.word++;start=at.at8;v${index}=at.text8.substring(start,at.at8=start+(head>>>4))}` +
      `else v${index}=read();`,
  );
  const literal = keys.map((key, index) =>
    key === '__proto__' ? `["__proto__"]:v${index}` : `${JSON.stringify(key)}:v${index}`,
  );
  try {
    return new Function(
      'at',
      'read',
      `let head,start;const{words}=at;${reads.join('')}return{${literal.join(',')}}`,
    ) as never;
  } catch {
    return undefined;
  }
}
