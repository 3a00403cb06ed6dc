/**
 * The method that returns the term of an object of your own class. Without importing this package,
 * use `Symbol.for('backwater.toTerm')`.
 *
 * The encoder calls it each time, including on objects in the result, but not on plain objects,
 * arrays and maps.
 *
 * @example
 * ```ts run
 * import { atom, toElixir, toTerm, tuple } from 'backwater';
 * class Money {
 *   constructor(readonly amount: number) {}
 *   [toTerm]() {
 *     return tuple(atom('money'), this.amount);
 *   }
 * }
 * console.log(toElixir({ price: new Money(250) })); // %{"price" => {:money, 250}}
 * ```
 */
export const toTerm: unique symbol = Symbol.for('backwater.toTerm') as never;

/** Encodes objects of classes that are not your own. */
export interface Encoder<Value = any> {
  /** Includes subclasses, and `Date`, `Error`, `RegExp`, `Set` and `URL` of other realms. */
  readonly class: abstract new (...args: never[]) => Value;
  /** Returns a term, which may contain other such objects. */
  toTerm(value: Value): unknown;
}
