/** Longer arrays are made by the constructor. */
const MAX_COPIED = 4096;
/** Longer arrays grow as they are filled: V8 would make them hash tables. */
const MAX_PRESIZED = 1 << 24;

// V8 keeps integers, doubles and everything else in different forms, and copies an array to change it.
const ZEROS = filled(MAX_COPIED, 0);
const FRACTIONS = filled(MAX_COPIED, 0.5);
const VALUES = filled(MAX_COPIED, undefined);

/**
 * An array of that length for the caller to fill in order.
 *
 * Its elements are its own already, or become so by assignment. An assignment to a hole would call a setter
 * that somebody has given `Object.prototype`.
 */
export function arrayOf(length: number): unknown[] {
  switch (length) {
    case 1:
      return [undefined];
    case 2:
      return [undefined, undefined];
    default:
      return length <= MAX_COPIED ? VALUES.slice(0, length) : longArrayOf(length);
  }
}

/** The same for integers. */
export function integersOf(length: number): unknown[] {
  return length <= MAX_COPIED ? ZEROS.slice(0, length) : longArrayOf(length);
}

/** The same for doubles. */
export function doublesOf(length: number): unknown[] {
  if (length <= MAX_COPIED) return FRACTIONS.slice(0, length);
  if (length > MAX_PRESIZED || inheritsElements()) return longArrayOf(length);
  const array: unknown[] = [0.5];
  array.length = length;
  return array;
}

function longArrayOf(length: number): unknown[] {
  if (inheritsElements()) return filled(length, 0);
  return length > MAX_PRESIZED ? [] : new Array<unknown>(length);
}

/** An array whose elements are its own, and hold `value`. */
export function filled<Value>(length: number, value: Value): Value[] {
  // What `Object.prototype` has under a number is no element of it.
  return Array.from({ __proto__: null, length } as ArrayLike<never>, () => value);
}

/** Whether arrays have elements that are not their own. */
function inheritsElements(): boolean {
  return startsWithIndex(Array.prototype) || startsWithIndex(Object.prototype);
}

/** The keys of an object begin with its indices. */
function startsWithIndex(object: object): boolean {
  const [first] = Reflect.ownKeys(object);
  return typeof first === 'string' && /^\d/.test(first);
}
