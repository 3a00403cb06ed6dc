import { FinalizationRegistry, WeakRef } from '../platform/host.js';
import { Buffer } from 'node:buffer';
import type { inspect } from 'node:util';
import { TermError } from './term-error.js';
import { brand } from '../platform/brands.js';
import { environment } from '../platform/environment.js';
import { TERM } from './brands.js';
import { inspectSymbol, type PrinterOptions } from './inspect.js';

/** The most characters (code points) that an atom's name may have, as in Erlang. */
export const MAX_ATOM_LENGTH = 255;

/**
 * An Erlang atom. There is one object for each name: two atoms of the same name are `===`.
 *
 * Atoms are made by {@link atom}, never by `new`.
 */
export class Atom {
  /** The atom's name, 0 to 255 characters. */
  readonly name: string;
  /** The number of the tape that this atom was last written to, and its place in the table of that one. */
  #tape = 0;
  #index = 0;

  static {
    brand(this, TERM, 'atom');
  }

  private constructor(name: string) {
    this.name = name;
    Object.freeze(this);
  }

  /** @internal */
  static make(name: string): Atom {
    return new Atom(name);
  }

  /** @internal Whether this copy of the library has made the value. */
  static isOwn(value: object): value is Atom {
    return #index in value;
  }

  /** @internal The place in the table of atoms of a tape, or -1 when it is not in there yet. */
  static indexIn(atom: Atom, tape: number): number {
    return atom.#tape === tape ? atom.#index : -1;
  }

  /** @internal */
  static setIndexIn(atom: Atom, tape: number, index: number): void {
    atom.#tape = tape;
    atom.#index = index;
  }

  /** The name, so that `${atom}` reads well. */
  toString(): string {
    return this.name;
  }

  /** The name. */
  toJSON(): string {
    return this.name;
  }

  /** What `util.inspect` and `console.log` show. */
  [inspectSymbol](_depth: number | null, options: PrinterOptions, print: typeof inspect): string {
    const name = print(this.name, { maxStringLength: null });
    return options.stylize(`atom(${name})`, 'symbol');
  }
}

/** Atoms that the program made, by {@link keyOf} their names: they stay. */
const own = new Map<string, Atom>();
/** Atoms that came from the wire, likewise: they stay as long as somebody holds them. */
const foreign = new Map<string, WeakRef<Atom>>();
/** Calls back after a garbage collection. Registering every atom would take a third of making one. */
const collections = new FinalizationRegistry<void>(forgetCollected);

let isAwaitingCollection = false;

function awaitCollection(): void {
  collections.register({}, undefined);
  isAwaitingCollection = true;
}

function forgetCollected(): void {
  isAwaitingCollection = false;
  for (const [name, atom] of foreign) if (atom.deref() === undefined) foreign.delete(name);
  if (foreign.size > 0) awaitCollection();
}

/**
 * The atom of that name.
 *
 * @param name 0 to 255 characters (code points) of well-formed text
 * @throws {@link TermError} when the name is longer, has a lone surrogate, or is no string
 * @example
 * ```ts
 * import { atom } from 'backwater';
 * atom('ok') === atom('ok'); // true
 * ```
 */
export function atom(name: string): Atom {
  const key = keyOf(name);
  const known = own.get(key);
  if (known !== undefined) return known;
  checkName(name);
  const result = foreign.get(key)?.deref() ?? Atom.make(name);
  foreign.delete(key);
  own.set(key, result);
  // Safe decoding accepts the atoms that the program has made.
  environment.knowAtom(name);
  return result;
}

/** @internal The atom of this copy of the library for one of any copy. */
export function ownAtom(given: Atom): Atom {
  if (Atom.isOwn(given)) return given;
  const { name } = given as Atom;
  checkName(name);
  return foreignAtom(name);
}

/** @internal The atom of a name from the wire, which was checked there; held weakly. */
export function foreignAtom(name: string): Atom {
  const key = keyOf(name);
  const known = own.get(key) ?? foreign.get(key)?.deref();
  if (known !== undefined) return known;
  const result = Atom.make(detached(name));
  if (!isAwaitingCollection) awaitCollection();
  foreign.set(key === name ? result.name : key, new WeakRef(result));
  return result;
}

/**
 * What an atom is remembered by. Until March 2026 V8 hashed text that is an array index by its value, so that
 * such names could be chosen to collide; with a colon in front of them they are hashed as others are.
 */
function keyOf(name: string): string {
  const first = name.charCodeAt(0);
  return first >= DIGIT_ZERO && first <= COLON ? `:${name}` : name;
}

const DIGIT_ZERO = 48;
/** The character behind the nine. */
const COLON = 58;

/** A copy, since V8 keeps the text that a long string was cut out of as long as the string itself. */
function detached(name: string): string {
  return name.length < MIN_SLICE ? name : Buffer.from(name, 'utf16le').ucs2Slice();
}

/** V8 copies shorter strings at once. */
const MIN_SLICE = 13;

function checkName(name: unknown): asserts name is string {
  if (typeof name !== 'string') {
    throw new TermError(`an atom's name is a string, not ${name === null ? 'null' : typeof name}`);
  }
  if (!name.isWellFormed()) {
    throw new TermError("an atom's name cannot have a lone surrogate");
  }
  if (name.length > MAX_ATOM_LENGTH && Array.from(name).length > MAX_ATOM_LENGTH) {
    throw new TermError(
      `an atom's name has at most ${MAX_ATOM_LENGTH} characters, this one has ${Array.from(name).length}`,
    );
  }
}
