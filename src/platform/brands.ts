import { attempt } from './inspect.js';

// Registered symbols let several copies of this library in a process recognize each other's objects.

/** Makes `instanceof` accept instances of other copies of this library. */
export function brand(
  constructor: { readonly prototype: object },
  key: symbol,
  value: unknown,
): void {
  // On the prototype, so that it is inherited and safe from minifiers.
  defineHidden(constructor.prototype, key, value);
  defineHidden(constructor, Symbol.hasInstance, function (this: unknown, object: unknown): boolean {
    // User-defined subclasses inherit this method, but have no brand of their own.
    return this === constructor
      ? brandOf(object, key) === value
      : Function.prototype[Symbol.hasInstance].call(this as () => void, object);
  });
}

export function brandOf(object: unknown, key: symbol): unknown {
  if (typeof object !== 'object' || object === null) return undefined;
  return attempt(() => (object as Record<symbol, unknown>)[key]);
}

export function defineError(constructor: { readonly prototype: Error }, name: string): void {
  defineHidden(constructor.prototype, 'name', name);
  brand(constructor, Symbol.for(`backwater.${name}`), true);
}

/** Hides the property from `Object.keys` and `util.inspect`. */
export function defineHidden(target: object, key: string | symbol, value: unknown): void {
  define(target, key, value, false);
}

/** Unlike an assignment, ignores setters. */
export function defineShown(target: object, key: string | symbol, value: unknown): void {
  define(target, key, value, true);
}

function define(target: object, key: string | symbol, value: unknown, enumerable: boolean): void {
  Object.defineProperty(target, key, {
    // Keeps additions to Object.prototype out of the descriptor.
    __proto__: null,
    value,
    writable: true,
    configurable: true,
    enumerable,
  } as PropertyDescriptor);
}

/** The value that the first copy of this library has chosen. */
export function sharedByCopies<T>(key: symbol, own: T, accepts: (value: unknown) => boolean): T {
  const shared = attempt(() => (globalThis as Record<symbol, unknown>)[key]);
  if (accepts(shared)) return shared as T;
  // The global object may be frozen.
  attempt(() => defineHidden(globalThis, key, own));
  return own;
}
