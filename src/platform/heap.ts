import { getHeapStatistics } from 'node:v8';
import type { ResourceLimits } from 'node:worker_threads';

/** The heap limit of this thread, in bytes; Infinity where the runtime does not say. */
function heapLimit(): number {
  const { heap_size_limit: limit } = getHeapStatistics();
  return limit > 0 ? limit : Infinity;
}

const MIB = 1024 * 1024;

/**
 * How large the value of a message may become, in bytes; Infinity for no limit. A larger one might end the
 * process, because V8 does not survive a full heap.
 *
 * @param limits the limits of the worker threads that decode messages
 */
export function maxValueSize(limits?: ResourceLimits): number {
  const worker = (limits?.maxOldGenerationSizeMb ?? Infinity) * MIB;
  const limit = Math.min(heapLimit(), worker);
  return Math.floor(limit / 2);
}

/** The default of `maxBytesInFlight`: 256 MiB, or a quarter of the heap where that is less. */
export const DEFAULT_BYTES_IN_FLIGHT = Math.min(256 * MIB, Math.floor(heapLimit() / 4));
