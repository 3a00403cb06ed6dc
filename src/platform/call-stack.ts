import { attempt } from './inspect.js';
import { isError } from './realms.js';

/** Rejects with an error of a call, and adds the frames of the code that awaits the call. */
export async function rejection(error: unknown, keeps = false): Promise<never> {
  // Only after two turns does the call's promise follow this one, so that the engine knows what awaits it.
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

/** Removes the library's own frames from a new error. */
export function beginAtCaller<E extends Error>(error: E, called: (...args: never[]) => unknown): E {
  Error.captureStackTrace(error, called);
  return error;
}
