// A subclass of Uint8Array can say what it likes about itself, so bytes are read by their internal slots.

const typedArray = Object.getPrototypeOf(Uint8Array.prototype) as object;
const lengthOf = getter<Uint8Array, number>(typedArray, 'length');
const bufferOf = getter<Uint8Array, ArrayBufferLike>(typedArray, 'buffer');
const byteOffsetOf = getter<Uint8Array, number>(typedArray, 'byteOffset');
const bufferLengthOf = getter<ArrayBufferLike, number>(ArrayBuffer.prototype, 'byteLength');

function getter<This, Value>(prototype: object, name: string): (this: This) => Value {
  return Object.getOwnPropertyDescriptor(prototype, name)!.get as never;
}

/** How many bytes there are. */
export function byteLength(bytes: Uint8Array): number {
  return lengthOf.call(bytes);
}

/** The bytes themselves, or a copy if other threads could change them meanwhile. */
export function unshared(bytes: Uint8Array): Uint8Array {
  try {
    // Throws for a SharedArrayBuffer.
    bufferLengthOf.call(bufferOf.call(bytes));
    return bytes;
  } catch {
    return new Uint8Array(bytes);
  }
}

/** A view of some of the bytes. */
export function view(bytes: Uint8Array, start: number, length: number): Uint8Array {
  return new Uint8Array(bufferOf.call(bytes), byteOffsetOf.call(bytes) + start, length);
}

/** The same as a Buffer if it makes up at least a quarter of the memory that it would keep alive. */
export function viewIfLarge(bytes: Uint8Array, start: number, length: number): Buffer | undefined {
  const buffer = bufferOf.call(bytes) as ArrayBuffer;
  if (length * 4 < bufferLengthOf.call(buffer)) return undefined;
  return Buffer.from(buffer, byteOffsetOf.call(bytes) + start, length);
}
