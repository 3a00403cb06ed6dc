// Bytes by their internal slots: a subclass can override `length` and `buffer`, and `instanceof` knows only
// the classes of this realm.

const typedArray = Object.getPrototypeOf(Uint8Array.prototype) as object;
const tagOf = getterOf(Symbol.toStringTag) as (this: unknown) => string | undefined;
const lengthOf = getterOf('length') as (this: Uint8Array) => number;
const bufferOf = getterOf('buffer') as (this: Uint8Array) => ArrayBufferLike;

function getterOf(name: string | symbol): unknown {
  return Object.getOwnPropertyDescriptor(typedArray, name)!.get;
}

/** Whether a value is a Uint8Array, of any realm and any subclass. */
export function isBytes(value: unknown): value is Uint8Array {
  return tagOf.call(value) === 'Uint8Array';
}

/** The number of bytes an array really has. */
export function byteLength(bytes: Uint8Array): number {
  return lengthOf.call(bytes);
}

/** The memory an array really lies in. */
export function memoryOf(bytes: Uint8Array): ArrayBufferLike {
  return bufferOf.call(bytes);
}

/** A copy. */
export function copyOf(bytes: Uint8Array): Buffer {
  const copy = Buffer.allocUnsafe(byteLength(bytes));
  copy.set(bytes);
  return copy;
}
