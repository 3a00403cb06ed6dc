import { types } from 'node:util';

// What an array says of itself is not what a subclass says of it, so these are read from internal slots.
const typedArray = Object.getPrototypeOf(Uint8Array.prototype) as object;
const lengthOf = getter<number>('length');
const bufferOf = getter<ArrayBufferLike>('buffer');
const byteOffsetOf = getter<number>('byteOffset');

function getter<Value>(name: string): (this: Uint8Array) => Value {
  return Object.getOwnPropertyDescriptor(typedArray, name)!.get as never;
}

/** How many bytes there are. */
export function byteLength(bytes: Uint8Array): number {
  return lengthOf.call(bytes);
}

/** The same bytes as a plain Uint8Array; a copy of them if other threads could change them meanwhile. */
export function plainBytes(bytes: Uint8Array): Uint8Array {
  const buffer = bufferOf.call(bytes);
  return types.isSharedArrayBuffer(buffer)
    ? new Uint8Array(bytes)
    : new Uint8Array(buffer, byteOffsetOf.call(bytes), lengthOf.call(bytes));
}
