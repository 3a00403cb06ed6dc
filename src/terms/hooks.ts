/**
 * The symbol of the method by which an object of a class of one's own says which term it is. It is
 * `Symbol.for('backwater.toTerm')`, for classes that do not import this package.
 *
 * The method is called whenever the object is encoded. What it returns may contain such objects. Plain
 * objects, arrays and maps are terms already: their `toTerm` is not called.
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

/** What objects of a class are sent as, for classes that are not your own. */
export interface Encoder<Value = any> {
  /**
   * Objects of this class, and of those that extend it. For `Date`, `Error`, `RegExp`, `Set` and `URL`
   * these include the objects of other realms, such as a `vm` context.
   */
  readonly class: abstract new (...args: never[]) => Value;
  /** The term that an object is; it may contain objects with encoders. */
  toTerm(value: Value): unknown;
}
