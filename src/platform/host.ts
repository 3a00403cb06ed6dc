/**
 * Functions of the host, taken when the library is loaded, because programs replace globals: test runners
 * mock timers and clocks, and jsdom brings its own.
 *
 * Timers that matter are the addon's (`bridge.startTimer`), which mocks do not reach.
 */
import { AsyncResource, executionAsyncId } from 'node:async_hooks';
import { performance } from 'node:perf_hooks';
import timers from 'node:timers';
import { native } from './native.js';

/** Monotonic, in milliseconds. */
export const now: () => number = performance.now.bind(performance);

/** Milliseconds since 1970. Only for display, because system clocks jump. */
export const dateNow: () => number = Date.now.bind(Date);

export const { AbortController, DOMException, FinalizationRegistry, WeakRef } = globalThis;

const { setImmediate, setTimeout } = timers;
const resolved = Promise.resolve();

/** Runs before the event loop continues. `run` must not throw. */
export function runSoon(run: () => void): void {
  void resolved.then(run);
}

/** For optional work: never runs if timers were mocked when the library was loaded. */
export function runWhenIdle(run: () => void): void {
  setImmediate(run);
}

/** As unreliable as {@link runWhenIdle}. */
export function runSometime(run: () => void, milliseconds: number): void {
  // A mock may return anything.
  (setTimeout(run, milliseconds) as Partial<NodeJS.Timeout> | undefined)?.unref?.();
}

/** Runs outside of every `AsyncLocalStorage`. */
export function runAtRoot<T>(run: () => T): T {
  let value: T;
  let failure: unknown;
  let failed = false;
  native.runAtRoot({}, () => {
    try {
      value = run();
    } catch (error) {
      failure = error;
      failed = true;
    }
  });
  if (failed) throw failure;
  return value!;
}

const ROOT = 0;

/** Starts a separate tree for async hooks. Inherits the current stores, so call it at the root. */
export function newContext(type: string): AsyncResource {
  return new AsyncResource(type, ROOT);
}

/**
 * Runs in a new context with the stores of `scope`. On Node 20 and 22, `AsyncLocalStorage.enterWith` changes
 * the current resource, so code of users needs a new one.
 */
export function runApart<T>(scope: AsyncResource, type: string, run: () => T): T {
  return scope.runInAsyncScope(() => contextOfCaller(type).runInAsyncScope(run));
}

export function contextOfCaller(type: string): AsyncResource {
  return new AsyncResource(type, executionAsyncId());
}
