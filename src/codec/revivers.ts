import { types } from 'node:util';
import { TermError } from '../errors/errors.js';
import { inspectBriefly } from '../platform/inspect.js';
import { atom } from '../terms/atom.js';
import type { Tuple } from '../terms/tuple.js';
import { atomTerm, type ReadShape } from './shapes.js';
import type { ValueSource } from './generated-reader.js';

/** Turns each Elixir struct of a module into a value of your own. */
export interface StructReviver {
  /** The module: `'Elixir.Date'`, or `'Date'` for short. */
  readonly struct: string;
  /** Only revivers of tuples have one. */
  readonly tag?: undefined;
  /** Returns the value to use instead, or `fields` to keep the map. `__struct__` is one of the fields. */
  revive(fields: Record<string, any>): unknown;
}

/** Turns each tuple that begins with an atom, such as an Erlang record, into a value of your own. */
export interface TupleReviver {
  /** The name of the atom. */
  readonly tag: string;
  /** Only revivers of structs have one. */
  readonly struct?: undefined;
  /** How many elements the tuple has, the atom included. */
  readonly length: number;
  /** Returns the value to use instead, or `tuple` to keep the tuple. */
  revive(tuple: Tuple<readonly any[]>): unknown;
}

/**
 * Turns some terms into values of your own when they are decoded. It may decode, encode and start calls
 * itself.
 */
export type Reviver = StructReviver | TupleReviver;

const STRUCT = '__struct__';

/** The revivers of one list, by what they apply to. */
export class Revivers {
  readonly #structs = new Map<unknown, StructReviver>();
  readonly #tuples = new Map<unknown, TupleReviver[]>();
  /** Only the revivers of structs. */
  readonly ofStructs: Revivers | undefined;

  constructor(list: readonly Reviver[]) {
    // These atoms are the program's own, so safe decoding accepts them.
    atom(STRUCT);
    for (const reviver of list) {
      if (typeof reviver.struct === 'string') {
        const { struct } = reviver;
        const name = /^(?!Elixir\.)[A-Z]/.test(struct) ? `Elixir.${struct}` : struct;
        this.#structs.set(atom(name), reviver);
      } else {
        const tag = atom(reviver.tag);
        this.#tuples.set(tag, [reviver, ...(this.#tuples.get(tag) ?? [])]);
      }
    }
    const structs = list.filter(({ struct }) => typeof struct === 'string');
    this.ofStructs = structs.length === list.length ? this : new Revivers(structs);
  }

  /** The value of a map whose keys are atoms. */
  object(fields: Record<string, unknown>): unknown {
    if (!Object.hasOwn(fields, STRUCT)) {
      noteKeys(fields);
      return fields;
    }
    const reviver = this.#structs.get(fields[STRUCT]);
    if (reviver === undefined) return fields;
    return revive(`struct ${reviver.struct}`, () => reviver.revive(fields));
  }

  tuple(tuple: Tuple): unknown {
    const found = this.#tuples.get(tuple[0])?.find(({ length }) => length === tuple.length);
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
    if (!Object.hasOwn(object, key)) return;
    const first = object[key];
    if (Array.isArray(first) && first.length === 0) atomKeyed.add(object);
    return;
  }
}

/** @internal The members of a set as Erlang's `sets` have them: the keys of a map with `[]` as values. */
export function membersOf(map: object): unknown[] {
  if (types.isMap(map)) return [...map.keys()];
  const names = Object.keys(map);
  return atomKeyed.has(map) ? names.map(atomTerm) : names;
}

class RevivingShape implements ReadShape {
  readonly keys: readonly string[];
  readonly #plain: ReadShape;
  readonly #revivers: Revivers;

  constructor(plain: ReadShape, revivers: Revivers) {
    this.keys = plain.keys;
    this.#plain = plain;
    this.#revivers = revivers;
  }

  read(at: ValueSource): unknown {
    return this.#revivers.object(this.#plain.readPlain(at));
  }

  readPlain(at: ValueSource): Record<string, unknown> {
    return this.#plain.readPlain(at);
  }

  keyTerm(index: number): unknown {
    return this.#plain.keyTerm(index);
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

function revive(which: string, make: () => unknown): unknown {
  try {
    return make();
  } catch (cause) {
    const reason = types.isNativeError(cause) ? cause.message : inspectBriefly(cause, 200);
    throw new TermError(`the reviver of the ${which} has thrown: ${reason}`, { cause });
  }
}
