import type { AbortSignalLike } from '../platform/realms.js';

/** One listener per signal, because Node warns of a leak when a signal has more than ten. */
const waiting = new WeakMap<AbortSignalLike, Waiting>();

class Waiting {
  readonly actions = new Set<() => void>();
  readonly listener: () => void;

  constructor(signal: AbortSignalLike) {
    this.listener = () => {
      waiting.delete(signal);
      signal.removeEventListener('abort', this.listener);
      for (const action of this.actions) action();
    };
  }
}

/** `action` must not throw, and the signal must not have aborted yet. */
export function onAbort(signal: AbortSignalLike, action: () => void): void {
  let known = waiting.get(signal);
  if (known === undefined) {
    known = new Waiting(signal);
    waiting.set(signal, known);
    signal.addEventListener('abort', known.listener);
  }
  known.actions.add(action);
}

/** Polyfills of AbortSignal may lack `reason`. */
export function abortReason(signal: AbortSignalLike): unknown {
  if (signal.reason !== undefined) return signal.reason;
  return Object.assign(new Error('This operation was aborted'), {
    name: 'AbortError',
    code: 'ABORT_ERR',
  });
}

export function offAbort(signal: AbortSignalLike, action: () => void): void {
  const known = waiting.get(signal);
  if (known === undefined || !known.actions.delete(action) || known.actions.size > 0) return;
  waiting.delete(signal);
  signal.removeEventListener('abort', known.listener);
}
