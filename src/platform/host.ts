/**
 * What the library takes from its host, once, when it is loaded. Programs replace globals at any time:
 * test runners mock timers and clocks, jsdom brings its own. All of src/ uses these instead.
 *
 * Timers that matter are the addon's: see `bridge.startTimer`. Whatever a host or a test does to
 * timers, before or after the library is loaded, does not reach them.
 */
import { AsyncResource, executionAsyncId } from 'node:async_hooks';
import { performance } from 'node:perf_hooks';
import timers from 'node:timers';
import { native } from './native.js';

/** Milliseconds that have passed since some moment; never goes back. */
export const now: () => number = performance.now.bind(performance);

/** Milliseconds since 1970. Only for display, because system clocks jump. */
export const dateNow: () => number = Date.now.bind(Date);

/** The host's own, even if a program replaces the globals later. */
export const { AbortController, DOMException, FinalizationRegistry, WeakRef } = globalThis;

const { setImmediate, setTimeout } = timers;
const resolved = Promise.resolve();

/** Runs what never throws after the code that runs now, before the event loop goes on. */
export function runSoon(run: () => void): void {
  void resolved.then(run);
}

/**
 * Runs what never throws after whatever else is ready in this turn of the event loop. Never, if timers
 * were mocked when the library was loaded: only for what is not needed.
 */
export function runWhenIdle(run: () => void): void {
  setImmediate(run);
}

/** Runs what never throws some time later. As unreliable as {@link runWhenIdle}. */
export function runSometime(run: () => void, milliseconds: number): void {
  // A mocked one may return anything.
  (setTimeout(run, milliseconds) as Partial<NodeJS.Timeout> | undefined)?.unref?.();
}

/**
 * Runs something outside of every asynchronous context: it sees no store of any `AsyncLocalStorage`, and
 * neither does what it starts.
 */
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

/** The identifier that triggers what no JavaScript has triggered. */
const ROOT = 0;

/**
 * An asynchronous context that begins here: async hooks see a tree of its own. It inherits the stores of
 * what runs now, so make it at the root.
 */
export function newContext(type: string): AsyncResource {
  return new AsyncResource(type, ROOT);
}

/**
 * Runs something in a new context that has the stores of `scope`. `AsyncLocalStorage.enterWith` changes the
 * resource that runs on Node 20 and 22, so code of users must not run in one that is used again.
 */
export function runApart<T>(scope: AsyncResource, type: string, run: () => T): T {
  return scope.runInAsyncScope(() => contextOfCaller(type).runInAsyncScope(run));
}

/** An asynchronous context for callbacks of what runs now. */
export function contextOfCaller(type: string): AsyncResource {
  return new AsyncResource(type, executionAsyncId());
}
