import { foreignAtom } from './atom.js';
import { SHAPE_ATOMS } from './tape.js';

/** The keys of maps that come again and again, and what makes objects of them. */
export interface ReadShape {
  readonly keys: readonly string[];
  /** The object of this shape whose values `next` returns one after the other. */
  build(next: () => unknown): Record<string, unknown>;
  /** The key at `index` as a term: an atom or text. */
  keyTerm(index: number): unknown;
}

/** More shapes than this are not remembered: somebody is sending keys that are data. */
const MAX_REMEMBERED = 2048;
/** A literal is generated for a shape that is used this often; it costs some 30 µs to make. */
const USES_BEFORE_LITERAL = 4;

const remembered = [new Map<string, Shape>(), new Map<string, Shape>()] as const;

/** The shape of those keys, which are joined by NUL. */
export function shapeOf(joined: string, kind: number): ReadShape {
  const table = remembered[kind === SHAPE_ATOMS ? 0 : 1];
  const known = table.get(joined);
  if (known !== undefined) return known;
  if (table.size >= MAX_REMEMBERED) table.clear();
  const shape = new Shape(joined.split('\0').map(flat), kind === SHAPE_ATOMS);
  table.set(flat(joined), shape);
  return shape;
}

/**
 * Gives the object an own property, whatever its prototype says of that key: a setter (`__proto__`),
 * or a value that cannot be assigned over, where a program has frozen the prototypes.
 */
export function setOwn(object: Record<string, unknown>, key: string, value: unknown): void {
  if (key in object) {
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

class Shape implements ReadShape {
  readonly keys: readonly string[];
  readonly #atoms: boolean;
  #uses = 0;
  build: (next: () => unknown) => Record<string, unknown> = this.#buildSlowly;

  constructor(keys: readonly string[], atoms: boolean) {
    this.keys = keys;
    this.#atoms = atoms;
  }

  keyTerm(index: number): unknown {
    const key = this.keys[index]!;
    if (!this.#atoms) return key;
    switch (key) {
      case 'true':
        return true;
      case 'false':
        return false;
      case 'nil':
        return null;
      case 'undefined':
        return undefined;
      default:
        return foreignAtom(key);
    }
  }

  #buildSlowly(next: () => unknown): Record<string, unknown> {
    if (++this.#uses === USES_BEFORE_LITERAL) this.build = generate(this.keys) ?? this.build;
    const object: Record<string, unknown> = {};
    for (const key of this.keys) setOwn(object, key, next());
    return object;
  }
}

/**
 * A function that makes the object by a literal, which is several times faster than assigning keys;
 * undefined where the process forbids code from strings. Keys are data: they are quoted by
 * JSON.stringify and computed, so that `__proto__` is a key as any other.
 */
function generate(
  keys: readonly string[],
): ((next: () => unknown) => Record<string, unknown>) | undefined {
  try {
    const literal = keys.map((key) =>
      key === '__proto__' ? `["__proto__"]:next()` : `${JSON.stringify(key)}:next()`,
    );
    return new Function('next', `return {${literal.join(',')}}`) as never;
  } catch {
    return undefined;
  }
}
