import { Buffer } from 'node:buffer';
import { types } from 'node:util';

// A subclass of Uint8Array can override `length` and `buffer`, so bytes are read by their internal slots.

const typedArray = Object.getPrototypeOf(Uint8Array.prototype) as object;
const lengthOf = getter<Uint8Array, number>(typedArray, 'length');
const bufferOf = getter<Uint8Array, ArrayBufferLike>(typedArray, 'buffer');
const byteOffsetOf = getter<Uint8Array, number>(typedArray, 'byteOffset');
const bufferLengthOf = getter<ArrayBufferLike, number>(ArrayBuffer.prototype, 'byteLength');

function getter<This, Value>(prototype: object, name: string): (this: This) => Value {
  return Object.getOwnPropertyDescriptor(prototype, name)!.get as never;
}

/** The real number of bytes. */
export function byteLength(bytes: Uint8Array): number {
  return lengthOf.call(bytes);
}

/** Whether other threads can change the bytes. */
export function isShared(bytes: Uint8Array): boolean {
  return types.isSharedArrayBuffer(bufferOf.call(bytes));
}

/** The bytes themselves, or a copy if other threads can change them. */
export function unshared(bytes: Uint8Array): Uint8Array {
  return isShared(bytes) ? new Uint8Array(bytes) : bytes;
}

/** A copy with memory of its own. */
export function copyBytes(bytes: Uint8Array): Buffer {
  return Buffer.from(new Uint8Array(bytes).buffer);
}

/** A view of some of the bytes. */
export function view(bytes: Uint8Array, start: number, length: number): Uint8Array {
  return new Uint8Array(bufferOf.call(bytes), byteOffsetOf.call(bytes) + start, length);
}

/** A view as a Buffer, if it makes up at least a quarter of the memory that it would keep alive. */
export function viewIfLarge(bytes: Uint8Array, start: number, length: number): Buffer | undefined {
  const buffer = bufferOf.call(bytes) as ArrayBuffer;
  if (length * 4 < bufferLengthOf.call(buffer)) return undefined;
  return Buffer.from(buffer, byteOffsetOf.call(bytes) + start, length);
}
