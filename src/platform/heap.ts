import { getHeapStatistics } from 'node:v8';
import type { ResourceLimits } from 'node:worker_threads';

/** In bytes; Infinity if unknown. */
function heapLimit(): number {
  const { heap_size_limit: limit } = getHeapStatistics();
  return limit > 0 ? limit : Infinity;
}

const MIB = 1024 * 1024;

/** The limit of a message's value in bytes, because V8 does not survive a full heap. */
export function maxValueSize(limits?: ResourceLimits): number {
  const worker = (limits?.maxOldGenerationSizeMb ?? Infinity) * MIB;
  const limit = Math.min(heapLimit(), worker);
  return Math.floor(limit / 2);
}

export const DEFAULT_BYTES_IN_FLIGHT = Math.min(256 * MIB, Math.floor(heapLimit() / 4));
