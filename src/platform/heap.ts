import { getHeapStatistics } from 'node:v8';
import type { ResourceLimits } from 'node:worker_threads';

/** The heap limit of this thread, in bytes; Infinity where the runtime does not say. */
function heapLimit(): number {
  const { heap_size_limit: limit } = getHeapStatistics();
  return limit > 0 ? limit : Infinity;
}

const MIB = 1024 * 1024;

/**
 * How large a value may be that a message becomes, in bytes; null for no limit. A larger one might end
 * the process, since V8 does not survive a heap that is full.
 *
 * @param limits those of the worker threads that values are made in
 */
export function maxValueSize(limits?: ResourceLimits): number | null {
  const worker = (limits?.maxOldGenerationSizeMb ?? Infinity) * MIB;
  const limit = Math.min(heapLimit(), worker);
  return Number.isFinite(limit) ? Math.floor(limit / 2) : null;
}

/** The default of `maxBytesInFlight`: 256 MiB, or a quarter of the heap where that is less. */
export const DEFAULT_BYTES_IN_FLIGHT = Math.min(256 * MIB, Math.floor(heapLimit() / 4));
