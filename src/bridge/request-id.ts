import { Buffer } from 'node:buffer';
import type { Arrival } from '../codec/tape-buffers.js';
import { EVENT_WORDS, EventWord } from './numbers.js';
import { isError } from '../platform/realms.js';

const LENGTH = 4;

/** The identifier of the request that an event is about, as its header has it; undefined for none. */
export function requestIdOf({
  buffers,
  frame,
}: Pick<Arrival, 'buffers' | 'frame'>): string | undefined {
  const at = frame - EVENT_WORDS + EventWord.requestId;
  const words = buffers.words.slice(at, at + LENGTH);
  return words.some((word) => word !== 0)
    ? Buffer.from(words.buffer).toString('base64')
    : undefined;
}

/** Says on an error of a call which request it is about. */
export function setRequestId(error: unknown, requestId: string | undefined): void {
  if (requestId === undefined || !isError(error)) return;
  // A reviver may have made the error, and may have frozen it.
  Reflect.defineProperty(error, 'requestId', {
    // Keeps additions to Object.prototype out of the descriptor.
    __proto__: null,
    value: requestId,
    enumerable: true,
    configurable: true,
    writable: true,
  } as PropertyDescriptor);
}
