import { attempt } from './inspect.js';
import { isError } from './realms.js';

/**
 * A promise that rejects with an error of a call. What happens on the other side of the bridge has no
 * stack here but this library's own: the error is given the stack of who awaits the call.
 *
 * @param keeps whether to keep the error's own frames, such as the frames of a remote function
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
 * Makes the stack of an error that this library has just created begin at the caller of a public function:
 * the library's own frames would leave little else to be seen.
 *
 * @returns the error
 */
export function beginAtCaller<E extends Error>(error: E, called: (...args: never[]) => unknown): E {
  Error.captureStackTrace(error, called);
  return error;
}
