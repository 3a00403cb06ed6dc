import { types } from 'node:util';
import { TermError } from '../errors/errors.js';
import { sharedByCopies } from '../platform/brands.js';
import { inspectBriefly } from '../platform/inspect.js';
import { atom } from '../terms/atom.js';
import type { Tuple } from '../terms/tuple.js';
import { atomTerm, type ReadShape } from './shapes.js';
import type { ValueSource } from './generated-reader.js';

/** Turns Elixir structs of a module into your own values. */
export interface StructReviver {
  /** The module: `'Elixir.Date'`, or `'Date'` for short. */
  readonly struct: string;
  /** Not for structs. */
  readonly tag?: undefined;
  /** Returns the value to use instead, or `fields` to keep the map. */
  revive(fields: Record<string, any>): unknown;
}

/** Turns tuples that begin with an atom, such as Erlang records, into your own values. */
export interface TupleReviver {
  /** The atom's name. */
  readonly tag: string;
  /** Not for tuples. */
  readonly struct?: undefined;
  /** The number of elements, including the atom. */
  readonly length: number;
  /** Returns the value to use instead, or `tuple` to keep the tuple. */
  revive(tuple: Tuple<readonly any[]>): unknown;
}

/** Turns decoded terms into your own values. It may decode, encode and start calls. */
export type Reviver = StructReviver | TupleReviver;

const STRUCT = '__struct__';

export class Revivers {
  readonly #structs = new Map<unknown, StructReviver>();
  readonly #tuples = new Map<unknown, TupleReviver[]>();
  readonly ofStructs: Revivers | undefined;

  constructor(list: readonly Reviver[]) {
    // Safe decoding must accept the atoms of revivers.
    atom(STRUCT);
    for (const reviver of list) {
      if (typeof reviver.struct === 'string') {
        const { struct } = reviver;
        const name = /^(?!Elixir\.)[A-Z]/.test(struct) ? `Elixir.${struct}` : struct;
        if (!this.#structs.has(atom(name))) this.#structs.set(atom(name), reviver);
      } else {
        const tag = atom(reviver.tag);
        this.#tuples.set(tag, [...(this.#tuples.get(tag) ?? []), reviver]);
      }
    }
    const structs = list.filter(({ struct }) => typeof struct === 'string');
    this.ofStructs = structs.length === list.length ? this : new Revivers(structs);
  }

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

  shape(shape: ReadShape): ReadShape {
    return typeof shape.keyTerm(0) === 'string' ? shape : new RevivingShape(shape, this);
  }
}

/** Shared, because a reviver may come from another copy of this library. */
const atomKeyed = sharedByCopies(
  Symbol.for('backwater.atomKeyed'),
  new WeakSet<object>(),
  types.isWeakSet,
);

/** If the first value is an empty list, the map may be a set; see {@link membersOf}. */
function noteKeys(object: Record<string, unknown>): void {
  for (const key in object) {
    if (!Object.hasOwn(object, key)) return;
    const first = object[key];
    if (Array.isArray(first) && first.length === 0) atomKeyed.add(object);
    return;
  }
}

/** @internal The members of one of Erlang's `sets`, a map with values `[]`. */
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
    throw new TermError(`the reviver of the ${which} threw: ${reason}`, { cause });
  }
}
