import { defineHidden } from '../platform/brands.js';
import { attempt } from '../platform/inspect.js';
import { Atom } from './atom.js';
import { inspectCall, inspectSymbol, type Inspector } from './inspect.js';

/**
 * An Erlang tuple: an array with a mark, so that `const [tag, value] = t`, `t.length` and iteration
 * work as on any array. Made by {@link tuple}; told from lists by {@link isTuple}.
 */
export type Tuple<Elements extends readonly unknown[] = readonly unknown[]> = Readonly<Elements> &
  TupleMark;

/** What only tuples have. */
export interface TupleMark {
  readonly [inspectSymbol]: Inspector;
}

/**
 * The mark. It is also what `util.inspect` calls: one property for both, since each property added
 * to an array literal costs time in the decoder.
 */
const ownMark: Inspector = function (this: readonly unknown[], depth, options, print) {
  return inspectCall(this, 'tuple', Array.from(this), depth, options, print);
};

/** By this, other copies of the library in the process know the mark of this one. */
const TUPLE = Symbol.for('backwater.tuple');
defineHidden(ownMark, TUPLE, true);

/** The copies use the mark of the first one, so that test runners find their tuples equal. */
const inspectTuple = sharedMark();

function sharedMark(): Inspector {
  const shared = attempt(() => (globalThis as { [TUPLE]?: unknown })[TUPLE]);
  if (isMark(shared)) return shared as Inspector;
  // A global object that is frozen takes none.
  attempt(() => defineHidden(globalThis, TUPLE, ownMark));
  return ownMark;
}

/**
 * A tuple of the given elements.
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

/** @internal Makes the given array a tuple. */
export function markTuple(elements: readonly unknown[]): Tuple {
  (elements as { [inspectSymbol]?: Inspector })[inspectSymbol] = inspectTuple;
  return elements as Tuple;
}

/** @internal For arrays only: whether it carries the mark, or that of another copy. */
export function isMarked(array: readonly unknown[]): array is Tuple {
  const mark = (array as { [inspectSymbol]?: unknown })[inspectSymbol];
  return mark === inspectTuple || (mark !== undefined && isMark(mark));
}

function isMark(mark: unknown): boolean {
  return typeof mark === 'function' && (mark as { [TUPLE]?: unknown })[TUPLE] === true;
}

/**
 * Whether a value is a tuple; with further arguments, one whose first element is `tag` and that
 * has `length` elements. TypeScript knows then how many there are, and of which type: those of a
 * {@link Term} are terms, those of a union of tuples what its tuples of that length have.
 *
 * @example
 * ```ts
 * import { atom, call, isTuple } from 'backwater';
 * const target = { url: '127.0.0.1:8080', secret: 'at least 32 bytes of random data' };
 * const result = await call(target, 'accounts', 'find', [42]);
 * if (isTuple(result, atom('ok'), 2)) {
 *   const [, account] = result;
 *   console.log(account);
 * } else if (isTuple(result, atom('error'), 2)) {
 *   console.error(result[1]);
 * }
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
  if (expected.length > 0 && (value.length === 0 || !isTag(value[0], expected[0]))) return false;
  return expected.length < 2 || value.length === expected[1];
}

/** Atoms of several copies of this library are different objects. */
function isTag(element: unknown, tag: unknown): boolean {
  if (element === tag) return true;
  return element instanceof Atom && tag instanceof Atom && element.name === tag.name;
}

/** What a value of a type is when it is a tuple of that tag and length. */
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

/** The elements of a tuple of a known tag and length. */
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

/**
 * Only known to types: that a tag or a length was compared. A tuple that they do not match may have the
 * same type, so that a type says nothing where they do not.
 */
export interface Matched {
  readonly [matched]: true;
}
declare const matched: unique symbol;
