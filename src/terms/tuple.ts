import { inspectCall, inspectSymbol, type Inspector } from './inspect.js';

/**
 * An Erlang tuple: an array with a mark, so that `const [tag, value] = t`, `t.length` and iteration
 * work as on any array. Made by {@link tuple}; told from lists by {@link isTuple}.
 */
export type Tuple<Elements extends readonly unknown[] = readonly unknown[]> = Elements & {
  readonly [inspectSymbol]: Inspector;
};

/**
 * The mark. It is also what `util.inspect` calls: one property for both, since each property added
 * to an array literal costs time in the decoder.
 */
const inspectTuple: Inspector = function (this: readonly unknown[], depth, options, print) {
  return inspectCall(this, 'tuple', Array.from(this), depth, options, print);
};

/**
 * A tuple of the given elements.
 *
 * @example
 * ```ts
 * import { atom, tuple } from 'backwater';
 * const result = tuple(atom('ok'), 42);
 * ```
 */
export function tuple<const Elements extends readonly unknown[]>(
  ...elements: Elements
): Tuple<Elements> {
  return markTuple(elements) as Tuple<Elements>;
}

/** @internal Makes the given array a tuple. */
export function markTuple(elements: readonly unknown[]): Tuple {
  (elements as { [inspectSymbol]?: Inspector })[inspectSymbol] = inspectTuple;
  return elements as Tuple;
}

/** @internal For arrays only: whether it carries the mark. */
export function isMarked(array: readonly unknown[]): array is Tuple {
  return (array as { [inspectSymbol]?: unknown })[inspectSymbol] === inspectTuple;
}

/**
 * Whether a value is a tuple; with further arguments, one whose first element is `tag` and that
 * has `length` elements.
 *
 * @example
 * ```ts
 * import { atom, isTuple, tuple } from 'backwater';
 * const result: unknown = tuple(atom('ok'), 42);
 * if (isTuple(result, atom('ok'), 2)) console.log(result[1]);
 * ```
 */
export function isTuple(value: unknown): value is Tuple;
export function isTuple<Tag>(
  value: unknown,
  tag: Tag,
): value is Tuple<readonly [Tag, ...unknown[]]>;
export function isTuple<Tag, const Length extends number>(
  value: unknown,
  tag: Tag,
  length: Length,
): value is Tuple<TaggedElements<Tag, Length>>;
export function isTuple(value: unknown, ...expected: [tag?: unknown, length?: number]): boolean {
  if (!Array.isArray(value) || !isMarked(value)) return false;
  if (expected.length > 0 && (value.length === 0 || value[0] !== expected[0])) return false;
  return expected.length < 2 || value.length === expected[1];
}

/** The elements of a tuple of a known tag and length. */
export type TaggedElements<Tag, Length extends number> = Length extends 1
  ? readonly [Tag]
  : Length extends 2
    ? readonly [Tag, unknown]
    : Length extends 3
      ? readonly [Tag, unknown, unknown]
      : Length extends 4
        ? readonly [Tag, unknown, unknown, unknown]
        : readonly [Tag, ...unknown[]];
