// Keeps the load generator and the servers on cores of their own, where there are enough of them.
import { availableParallelism } from 'node:os';

const cores = availableParallelism();
/** A server of ours uses two threads, so that the generator would take one of two cores away from it. */
export const isPinned = cores >= 3 && process.platform === 'linux';

/**
 * @param {'generator' | 'other'} role
 * @returns {[string, string[]]} the command and its arguments
 */
export function pinned(role, command, args) {
  if (!isPinned) return [command, args];
  const list = role === 'generator' ? String(cores - 1) : `0-${cores - 2}`;
  return ['taskset', ['-c', list, command, ...args]];
}
