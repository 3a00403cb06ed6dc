// Gives the load generator a core of its own, where there are enough.
import { availableParallelism } from 'node:os';

const cores = availableParallelism();
/** Not with two cores, since a server of ours uses two threads. */
export const isPinned = cores >= 3 && process.platform === 'linux';

export function pinned(role, command, args) {
  if (!isPinned) return [command, args];
  const list = role === 'generator' ? String(cores - 1) : `0-${cores - 2}`;
  return ['taskset', ['-c', list, command, ...args]];
}
