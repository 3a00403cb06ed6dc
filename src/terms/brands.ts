import { defineHidden } from '../platform/brands.js';

/** The value classes that stand for terms of their own. */
export type TermKind =
  | 'atom'
  | 'float'
  | 'bit_string'
  | 'improper_list'
  | 'pid'
  | 'port'
  | 'reference'
  | 'external_function'
  | 'fun';

/**
 * The property that tells which term a value is. The symbol is registered, so every copy of this library in
 * a process recognizes the values that the others made.
 */
export const TERM: unique symbol = Symbol.for('backwater.term') as never;

/** Brands a class. `instanceof` then accepts the instances that other copies of this library made, too. */
export function brand(constructor: { readonly prototype: object }, kind: TermKind): void {
  defineHidden(constructor.prototype, TERM, kind);
  defineHidden(constructor, Symbol.hasInstance, function (this: unknown, value: unknown): boolean {
    // Classes that users derive inherit this method, but not the brand.
    return this === constructor
      ? kindOf(value) === kind
      : Function.prototype[Symbol.hasInstance].call(this as () => void, value);
  });
}

/** Which term a branded value is; undefined for all other values. */
export function kindOf(value: unknown): TermKind | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  return (value as { readonly [TERM]?: TermKind })[TERM];
}
