import { attempt } from './inspect.js';
import { isError } from './realms.js';

/**
 * A promise that rejects with an error of a call. What happens on the other side of the bridge has no
 * stack here but this library's own: the error is given the stack of who awaits the call.
 *
 * @param keeps whether the frames that the error has are of use, as those of a remote function are
 */
export async function rejection(error: unknown, keeps = false): Promise<never> {
  // The engine follows a promise to who awaits it: from here to the promise of the call, once that has
  // been resolved with this one, which takes two turns.
  await undefined;
  await undefined;
  if (isError(error)) attempt(() => addCallers(error, keeps));
  throw error;
}

function addCallers(error: Error, keeps: boolean): void {
  const holder = { stack: '' };
  Error.captureStackTrace(holder, rejection);
  const frames = holder.stack.split('\n').filter((line) => line.startsWith('    at async '));
  if (frames.length === 0) return;
  const head = keeps ? error.stack : `${error.name}: ${error.message}`;
  error.stack = [head, ...frames].join('\n');
}

/**
 * Gives an error the stack of who has called a function, instead of one of which this library's frames
 * leave nothing to be seen.
 */
export function beginAtCaller(error: unknown, called: (...args: never[]) => unknown): void {
  if (isError(error)) Error.captureStackTrace(error, called);
}
