import { Buffer } from 'node:buffer';
import type { Arrival } from '../codec/tape-buffers.js';
import { EVENT_WORDS, EventWord } from './numbers.js';
import { defineShown } from '../platform/brands.js';
import { attempt } from '../platform/inspect.js';
import { isError } from '../platform/realms.js';

const LENGTH = 4;

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

export function setRequestId(error: unknown, requestId: string | undefined): void {
  if (requestId === undefined || !isError(error)) return;
  // A reviver may have made the error, and frozen it.
  attempt(() => defineShown(error, 'requestId', requestId));
}
