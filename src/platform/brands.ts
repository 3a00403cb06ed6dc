import { attempt } from './inspect.js';

// Registered symbols mark what this library makes, so that every copy of it in a process recognizes the
// objects of the others: two versions in `node_modules`, or one of them in a bundle.

/** Marks the instances of a class, so that `instanceof` also accepts instances of other copies of this library. */
export function brand(
  constructor: { readonly prototype: object },
  key: symbol,
  value: unknown,
): void {
  // On the prototype, so that it is inherited and safe from renaming by minifiers.
  defineHidden(constructor.prototype, key, value);
  defineHidden(constructor, Symbol.hasInstance, function (this: unknown, object: unknown): boolean {
    // Classes that users derive inherit this method, but not the brand.
    return this === constructor
      ? brandOf(object, key) === value
      : Function.prototype[Symbol.hasInstance].call(this as () => void, object);
  });
}

/** The value that an object is marked with; undefined if there is none, or if reading it throws. */
export function brandOf(object: unknown, key: symbol): unknown {
  if (typeof object !== 'object' || object === null) return undefined;
  return attempt(() => (object as Record<symbol, unknown>)[key]);
}

/** Gives an error class its name and its brand. */
export function defineError(constructor: { readonly prototype: Error }, name: string): void {
  defineHidden(constructor.prototype, 'name', name);
  brand(constructor, Symbol.for(`backwater.${name}`), true);
}

/** Defines a property that neither `Object.keys` nor `util.inspect` shows. */
export function defineHidden(target: object, key: string | symbol, value: unknown): void {
  Object.defineProperty(target, key, {
    // Keeps additions to Object.prototype out of the descriptor.
    __proto__: null,
    value,
    writable: true,
    configurable: true,
    enumerable: false,
  } as PropertyDescriptor);
}
