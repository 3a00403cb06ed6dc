import { attempt } from './inspect.js';

// Registered symbols mark what this library makes, so that every copy of it in a process recognizes the
// objects of the others: two versions in `node_modules`, or one of them in a bundle.

/** Whether a value has a brand. Values whose getters or traps throw have none. */
export function isBranded(value: unknown, brand: symbol): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return attempt(() => (value as Record<symbol, unknown>)[brand] === true) === true;
}

/** Gives an error class its name, and makes `instanceof` recognize its errors by the brand. */
export function defineError(constructor: { prototype: Error }, name: string): void {
  const brand = Symbol.for(`backwater.${name}`);
  // On the prototype, as for the built-in errors, and safe from renaming by minifiers.
  defineHidden(constructor.prototype, 'name', name);
  defineHidden(constructor.prototype, brand, true);
  defineHidden(constructor, Symbol.hasInstance, function (this: unknown, value: unknown): boolean {
    // Classes that users derive inherit this method and have no brand of their own.
    return this === constructor
      ? isBranded(value, brand)
      : Function.prototype[Symbol.hasInstance].call(this as () => void, value);
  });
}

/** Defines a property that neither `Object.keys` nor `util.inspect` shows. */
export function defineHidden(target: object, key: string | symbol, value: unknown): void {
  Object.defineProperty(target, key, {
    // Whatever a program has added to Object.prototype is no part of the descriptor.
    __proto__: null,
    value,
    writable: true,
    configurable: true,
    enumerable: false,
  } as PropertyDescriptor);
}
