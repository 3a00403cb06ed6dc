import { defineHidden, sharedByCopies } from '../platform/brands.js';
import { isSame } from './atom.js';
import { inspectCall, inspectSymbol, type Inspector } from './inspect.js';

/**
 * An Erlang tuple: an array with a mark, made by {@link tuple} and recognized by {@link isTuple}.
 */
export type Tuple<Elements extends readonly unknown[] = readonly unknown[]> = Readonly<Elements> &
  TupleMark;

/** The mark of tuples. */
export interface TupleMark {
  readonly [inspectSymbol]: Inspector;
}

/**
 * The mark is also the printer for `util.inspect`, because each property of an array costs the
 * decoder time.
 */
const ownMark: Inspector = function (this: readonly unknown[], depth, options, print) {
  return inspectCall(this, 'tuple', Array.from(this), depth, options, print);
};

const TUPLE = Symbol.for('backwater.tuple');
defineHidden(ownMark, TUPLE, true);

/** All copies share the first mark, so that test runners consider their tuples equal. */
const inspectTuple = sharedByCopies(TUPLE, ownMark, isMark);

/**
 * Makes a tuple.
 *
 * @example
 * ```ts
 * import { atom, tuple } from 'backwater';
 * const result = tuple(atom('ok'), 42);
 * ```
 */
export function tuple<Elements extends readonly unknown[]>(...elements: Elements): Tuple<Elements> {
  return markTuple(elements) as unknown as Tuple<Elements>;
}

/** @internal Marks the array itself. */
export function markTuple(elements: readonly unknown[]): Tuple {
  (elements as { [inspectSymbol]?: Inspector })[inspectSymbol] = inspectTuple;
  return elements as Tuple;
}

/** @internal Whether an array is a tuple of any copy of the library. */
export function isMarked(array: readonly unknown[]): array is Tuple {
  const mark = (array as { [inspectSymbol]?: unknown })[inspectSymbol];
  return mark === inspectTuple || (mark !== undefined && isMark(mark));
}

function isMark(mark: unknown): boolean {
  return typeof mark === 'function' && (mark as { [TUPLE]?: unknown })[TUPLE] === true;
}

/**
 * Whether a value is a tuple, optionally with a first element and a length. TypeScript then knows
 * its elements.
 *
 * @example
 * ```ts
 * import { atom, call, isTuple } from 'backwater';
 * const target = { url: '127.0.0.1:8080', secret: 'at least 32 bytes of random data' };
 * const result = await call(target, 'accounts', 'find', [42]);
 * if (isTuple(result, atom('ok'), 2)) console.log(result[1]);
 * ```
 */
export function isTuple(value: unknown): value is Tuple;
export function isTuple<Value, Tag>(
  value: Value,
  tag: Tag,
): value is Extract<TaggedTuple<Value, Tag, number>, Value>;
export function isTuple<Value, Tag, const Length extends number>(
  value: Value,
  tag: Tag,
  length: Length,
): value is Extract<TaggedTuple<Value, Tag, Length>, Value>;
export function isTuple(value: unknown, ...expected: [tag?: unknown, length?: number]): boolean {
  if (!Array.isArray(value) || !isMarked(value)) return false;
  if (expected.length > 0 && (value.length === 0 || !isSame(value[0], expected[0]))) return false;
  return expected.length < 2 || value.length === expected[1];
}

export type TaggedTuple<Value, Tag, Length extends number> = unknown extends Value
  ? Tuple<TaggedElements<Tag, Length, unknown>> & Matched
  : Value extends readonly (infer Element)[]
    ? number extends Value['length']
      ? Tuple<TaggedElements<Tag, Length, Element>> & Matched
      : number extends Length
        ? Value & TupleMark & Matched
        : Length extends Value['length']
          ? Value & TupleMark & Matched
          : never
    : TupleMark extends Value
      ? Tuple<TaggedElements<Tag, Length, unknown>> & Matched
      : never;

export type TaggedElements<Tag, Length extends number, Element = unknown> = number extends Length
  ? readonly [Tag, ...Element[]]
  : Elements<Length, Element, [Tag]>;

type Elements<
  Length extends number,
  Element,
  Known extends readonly unknown[],
> = Known['length'] extends Length | 255
  ? Readonly<Known>
  : Elements<Length, Element, [...Known, Element]>;

/** Marks matched types, so that a tuple that did not match keeps its type. */
export interface Matched {
  readonly [matched]: true;
}
declare const matched: unique symbol;
