import { inspectBriefly } from '../inspect.js';
import { Fault } from './walk.js';

/**
 * The symbol of the method by which an object of a class of one's own says which term it is. It is
 * `Symbol.for('backwater.toTerm')`, for classes that do not import this package.
 *
 * The method is called when the object is encoded, perhaps more than once, and must not encode or call
 * something itself. What it returns may have such objects in it. Plain objects, arrays and maps are
 * terms already: theirs is not called.
 *
 * @example
 * ```ts run
 * import { atom, encode, toElixir, toTerm, tuple } from 'backwater';
 * class Money {
 *   constructor(readonly amount: number, readonly currency: string) {}
 *   [toTerm]() {
 *     return tuple(atom('money'), this.amount, this.currency);
 *   }
 * }
 * console.log(toElixir({ price: new Money(250, 'EUR') })); // %{"price" => {:money, 250, "EUR"}}
 * ```
 */
export const toTerm: unique symbol = Symbol.for('backwater.toTerm') as never;

/** What objects of a class are sent as, for classes that are not one's own. */
export interface Encoder<Value = any> {
  /** Objects of this class, and of those that extend it. */
  readonly class: abstract new (...args: never[]) => Value;
  /** The term that an object is; it may have objects with encoders in it. */
  toTerm(value: Value): unknown;
}

type Hook = () => unknown;

/** What gives the term of an object that is none itself; undefined when nothing does. */
export function hookOf(value: object, encoders: readonly Encoder[] | undefined): Hook | undefined {
  const encoder = encoders?.find((one) => value instanceof one.class);
  if (encoder !== undefined) return () => encoder.toTerm(value);
  const method: unknown = (value as { readonly [toTerm]?: unknown })[toTerm];
  return typeof method === 'function'
    ? () => Reflect.apply(method, value, []) as unknown
    : undefined;
}

/** Calls a hook. */
export function termOf(hook: Hook): unknown {
  try {
    return hook();
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : inspectBriefly(cause, 200);
    throw new Fault(`cannot be made a term, its toTerm has thrown: ${reason}`, { cause });
  }
}
