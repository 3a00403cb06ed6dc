import { Buffer } from 'node:buffer';
import { types } from 'node:util';

// Subclasses of Uint8Array can override `length` and `buffer`; these getters read the internal slots.

const typedArray = Object.getPrototypeOf(Uint8Array.prototype) as object;
const lengthOf = getter<Uint8Array, number>(typedArray, 'length');
const bufferOf = getter<Uint8Array, ArrayBufferLike>(typedArray, 'buffer');
const byteOffsetOf = getter<Uint8Array, number>(typedArray, 'byteOffset');
const bufferLengthOf = getter<ArrayBufferLike, number>(ArrayBuffer.prototype, 'byteLength');

function getter<This, Value>(prototype: object, name: string): (this: This) => Value {
  return Object.getOwnPropertyDescriptor(prototype, name)!.get as never;
}

export function byteLength(bytes: Uint8Array): number {
  return lengthOf.call(bytes);
}

/** Whether other threads can change the bytes. */
export function isShared(bytes: Uint8Array): boolean {
  return types.isSharedArrayBuffer(bufferOf.call(bytes));
}

export function unshared(bytes: Uint8Array): Uint8Array {
  return isShared(bytes) ? new Uint8Array(bytes) : bytes;
}

export function copyBytes(bytes: Uint8Array): Buffer {
  return Buffer.from(new Uint8Array(bytes).buffer);
}

export function view(bytes: Uint8Array, start: number, length: number): Uint8Array {
  return new Uint8Array(bufferOf.call(bytes), byteOffsetOf.call(bytes) + start, length);
}

/** Undefined if the view would keep more than four times its size alive. */
export function viewIfLarge(bytes: Uint8Array, start: number, length: number): Buffer | undefined {
  const buffer = bufferOf.call(bytes) as ArrayBuffer;
  if (length * 4 < bufferLengthOf.call(buffer)) return undefined;
  return Buffer.from(buffer, byteOffsetOf.call(bytes) + start, length);
}
