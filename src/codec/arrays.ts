const MAX_COPIED = 4096;
/** V8 would turn a longer array into a hash table. */
const MAX_PRESIZED = 1 << 24;

// One for each of V8's representations, because converting an array copies it.
const ZEROS = filled(MAX_COPIED, 0);
const FRACTIONS = filled(MAX_COPIED, 0.5);
const VALUES = filled(MAX_COPIED, undefined);

/** Fills the array, because assigning to a hole could call a setter. */
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

export function integersOf(length: number): unknown[] {
  return length <= MAX_COPIED ? ZEROS.slice(0, length) : longArrayOf(length);
}

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

export function filled<Value>(length: number, value: Value): Value[] {
  return Array.from({ __proto__: null, length } as ArrayLike<never>, () => value);
}

function inheritsElements(): boolean {
  return startsWithIndex(Array.prototype) || startsWithIndex(Object.prototype);
}

/** An object's index keys come first. */
function startsWithIndex(object: object): boolean {
  const [first] = Reflect.ownKeys(object);
  return typeof first === 'string' && /^\d/.test(first);
}
