import { TermError } from '../errors.js';
import { inspectBriefly } from '../inspect.js';
import { Atom, atom } from './atom.js';
import { atomTerm, type ReaderState, type ReadShape } from './shapes.js';
import type { Tuple } from './tuple.js';

/** Makes a value of one's own of each Elixir struct of a module. */
export interface StructReviver {
  /** The module: `'Elixir.Date'`, or `'Date'` for short. */
  readonly struct: string;
  /** Only tuples have one. */
  readonly tag?: undefined;
  /** The value to have instead; `fields` itself to leave it as it is. `__struct__` is one of the fields. */
  revive(fields: Record<string, any>): unknown;
}

/** Makes a value of one's own of each tuple that begins with an atom: an Erlang record, say. */
export interface TupleReviver {
  /** The name of the atom. */
  readonly tag: string;
  /** Only structs have one. */
  readonly struct?: undefined;
  /** How many elements the tuple has, the atom included. */
  readonly length: number;
  /** The value to have instead; `tuple` itself to leave it as it is. */
  revive(tuple: Tuple<readonly any[]>): unknown;
}

/** Makes a value of one's own of some terms when they are decoded. */
export type Reviver = StructReviver | TupleReviver;

const STRUCT = '__struct__';

/** A list of revivers, to be asked for each term. */
export class Revivers {
  readonly #structs = new Map<string, StructReviver>();
  readonly #tuples = new Map<string, TupleReviver[]>();
  /** Those of structs alone. */
  readonly ofStructs: Revivers | undefined;

  constructor(list: readonly Reviver[]) {
    // These atoms are the program's own: safe decoding takes them.
    atom(STRUCT);
    for (const reviver of list) {
      if (reviver.struct !== undefined) {
        const { struct } = reviver;
        const name = /^(?!Elixir\.)[A-Z]/.test(struct) ? `Elixir.${struct}` : struct;
        this.#structs.set(atom(name).name, reviver);
      } else {
        const { tag } = reviver;
        const others = this.#tuples.get(atom(tag).name) ?? [];
        this.#tuples.set(tag, [reviver, ...others]);
      }
    }
    const structs = list.filter(({ struct }) => struct !== undefined);
    this.ofStructs = structs.length === list.length ? this : new Revivers(structs);
  }

  /** What a map with atoms as keys is. */
  object(fields: Record<string, unknown>): unknown {
    if (!Object.hasOwn(fields, STRUCT)) {
      noteKeys(fields);
      return fields;
    }
    const module = fields[STRUCT];
    const reviver = module instanceof Atom ? this.#structs.get(module.name) : undefined;
    if (reviver === undefined) return fields;
    return revive(`struct ${reviver.struct}`, () => reviver.revive(fields));
  }

  tuple(tuple: Tuple): unknown {
    const [tag] = tuple;
    if (!(tag instanceof Atom)) return tuple;
    const found = this.#tuples.get(tag.name)?.find(({ length }) => length === tuple.length);
    if (found === undefined) return tuple;
    return revive(`tag ${found.tag}`, () => found.revive(tuple));
  }

  /** A shape whose objects are made what they are. */
  shape(shape: ReadShape): ReadShape {
    return typeof shape.keyTerm(0) === 'string' ? shape : new RevivingShape(shape, this);
  }
}

/** Objects of which it is known that their keys were atoms. */
const atomKeyed = new WeakSet<object>();

/** Notes that the keys of an object are atoms, if it looks like the inside of a set: empty lists as values. */
function noteKeys(object: Record<string, unknown>): void {
  for (const key in object) {
    const first = object[key];
    if (Array.isArray(first) && first.length === 0) atomKeyed.add(object);
    return;
  }
}

/** @internal The members of a set as Erlang's `sets` have them: the keys of a map with `[]` as values. */
export function membersOf(map: object): unknown[] {
  if (map instanceof Map) return [...map.keys()];
  const names = Object.keys(map);
  return atomKeyed.has(map) ? names.map(atomTerm) : names;
}

class RevivingShape implements ReadShape {
  readonly keys: readonly string[];
  readonly plain: ReadShape;
  readonly #revivers: Revivers;

  constructor(plain: ReadShape, revivers: Revivers) {
    this.keys = plain.keys;
    this.plain = plain;
    this.#revivers = revivers;
  }

  read(at: ReaderState, read: () => unknown): Record<string, unknown> {
    return this.#revivers.object(this.plain.read(at, read)) as never;
  }

  build(next: () => unknown): Record<string, unknown> {
    return this.#revivers.object(this.plain.build(next)) as never;
  }

  keyTerm(index: number): unknown {
    return this.plain.keyTerm(index);
  }
}

const compiled = new WeakMap<readonly Reviver[], Revivers>();

/** The revivers of an option. The list counts as it was when it was first used. */
export function reviversOf(list: readonly Reviver[] | undefined): Revivers | undefined {
  if (list === undefined || list.length === 0) return undefined;
  let revivers = compiled.get(list);
  if (revivers === undefined) {
    revivers = new Revivers(list);
    compiled.set(list, revivers);
  }
  return revivers;
}

let reviving = false;

function revive(which: string, make: () => unknown): unknown {
  reviving = true;
  try {
    return make();
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : inspectBriefly(cause, 200);
    throw new TermError(`the reviver of the ${which} has thrown: ${reason}`, { cause });
  } finally {
    reviving = false;
  }
}

/**
 * To be called before anything is decoded.
 *
 * @throws TermError when a term is being read: a reviver wants to read another one
 */
export function refuseInReviver(): void {
  if (reviving) throw new TermError('a reviver must not decode something itself');
}
