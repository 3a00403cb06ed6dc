import process from 'node:process';
import { runAtRoot } from './host.js';
import { native, type NativeBridge } from './native.js';

/** Other runtimes only pretend to have libuv's event loop, and crash when it is used. */
const isNode = !('bun' in process.versions || 'deno' in process.versions);

let take: () => void = () => {};

// At the root, so that calls do not see the stores of the code that loads the library.
export const environment: NativeBridge = runAtRoot(() => new native.Bridge(() => take(), isNode));

/** `listener` must not throw. */
export function onEvents(listener: () => void): void {
  take = listener;
}
