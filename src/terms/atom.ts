import { FinalizationRegistry, WeakRef } from '../platform/host.js';
import { Buffer } from 'node:buffer';
import type { inspect } from 'node:util';
import { TermError } from './term-error.js';
import { brand } from '../platform/brands.js';
import { environment } from '../platform/environment.js';
import { TERM } from './brands.js';
import { inspectSymbol, type PrinterOptions } from './inspect.js';

/** Erlang's limit, in code points. */
export const MAX_ATOM_LENGTH = 255;

/** An Erlang atom, made by {@link atom}. Atoms of the same name are `===`. */
export class Atom {
  /** 0 to 255 characters. */
  readonly name: string;
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

  /** @internal */
  static isOwn(value: object): value is Atom {
    return #index in value;
  }

  /** @internal Its index in a tape, or -1. */
  static indexIn(atom: Atom, tape: number): number {
    return atom.#tape === tape ? atom.#index : -1;
  }

  /** @internal */
  static setIndexIn(atom: Atom, tape: number, index: number): void {
    atom.#tape = tape;
    atom.#index = index;
  }

  toString(): string {
    return this.name;
  }

  toJSON(): string {
    return this.name;
  }

  [inspectSymbol](_depth: number | null, options: PrinterOptions, print: typeof inspect): string {
    const name = print(this.name, { maxStringLength: null });
    return options.stylize(`atom(${name})`, 'symbol');
  }
}

/** The program's own atoms. */
const own = new Map<string, Atom>();
/** Atoms from the wire. */
const foreign = new Map<string, WeakRef<Atom>>();
/** Registering every atom would take a third longer, so a single object reports garbage collections. */
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
 * @param name up to 255 characters (code points)
 * @throws {@link TermError} for a longer name, a lone surrogate, or another type
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
  // Safe decoding accepts the program's own atoms.
  environment.knowAtom(name);
  return result;
}

/** @internal Copies of this library have different atoms of the same name. */
export function isSame(value: unknown, expected: unknown): boolean {
  if (value === expected) return true;
  return value instanceof Atom && expected instanceof Atom && value.name === expected.name;
}

/** @internal */
export function ownAtom(given: Atom): Atom {
  if (Atom.isOwn(given)) return given;
  const { name } = given as Atom;
  checkName(name);
  return foreignAtom(name);
}

/** @internal Held weakly. The name must be valid. */
export function foreignAtom(name: string): Atom {
  const key = keyOf(name);
  const known = own.get(key) ?? foreign.get(key)?.deref();
  if (known !== undefined) return known;
  const result = Atom.make(detached(name));
  if (!isAwaitingCollection) awaitCollection();
  foreign.set(key === name ? result.name : key, new WeakRef(result));
  return result;
}

/** Until March 2026 V8 hashed array indices by value; the colon prevents collisions. */
function keyOf(name: string): string {
  const first = name.charCodeAt(0);
  return first >= DIGIT_ZERO && first <= COLON ? `:${name}` : name;
}

const DIGIT_ZERO = 48;
const COLON = 58;

/** Slices would keep the whole text alive. */
function detached(name: string): string {
  return name.length < MIN_SLICE ? name : Buffer.from(name, 'utf16le').ucs2Slice();
}

/** V8 copies shorter strings anyway. */
const MIN_SLICE = 13;

function checkName(name: unknown): asserts name is string {
  if (typeof name !== 'string') {
    throw new TermError(
      `an atom's name must be a string, not ${name === null ? 'null' : typeof name}`,
    );
  }
  if (!name.isWellFormed()) {
    throw new TermError("an atom's name cannot have a lone surrogate");
  }
  if (isTooLong(name)) {
    throw new TermError(
      `an atom's name can have at most ${MAX_ATOM_LENGTH} characters, not ${Array.from(name).length}`,
    );
  }
}

function isTooLong(name: string): boolean {
  return name.length > MAX_ATOM_LENGTH && Array.from(name).length > MAX_ATOM_LENGTH;
}

/** @internal Whether it can name a module, a function or a struct. */
export function isAtomName(name: unknown): name is string {
  return typeof name === 'string' && name !== '' && name.isWellFormed() && !isTooLong(name);
}
