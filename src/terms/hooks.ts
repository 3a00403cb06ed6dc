/**
 * The method that returns the term of an object of your own class. It is
 * `Symbol.for('backwater.toTerm')`, for classes that do not import this package.
 *
 * It is called each time the object is encoded. The result may contain such objects. Plain objects,
 * arrays and maps are terms already, so their `toTerm` is not called.
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

/** Encodes objects of classes that are not your own. */
export interface Encoder<Value = any> {
  /**
   * Objects of this class and its subclasses. For `Date`, `Error`, `RegExp`, `Set` and `URL`, also
   * of other realms, such as a `vm` context.
   */
  readonly class: abstract new (...args: never[]) => Value;
  /** Returns the term of an object, which may contain other such objects. */
  toTerm(value: Value): unknown;
}
