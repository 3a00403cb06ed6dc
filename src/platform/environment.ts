import process from 'node:process';
import { runAtRoot } from './host.js';
import { native, type NativeBridge } from './native.js';

/** Whether the event loop is libuv's. Other runtimes only pretend to have one, and crash when it is used. */
const isNode = !('bun' in process.versions || 'deno' in process.versions);

let take: () => void = () => {};

/** The addon's part of this JavaScript thread. */
// Whoever loads the library may do so in some context; its stores are not for every call.
export const environment: NativeBridge = runAtRoot(() => new native.Bridge(() => take(), isNode));

/** Has `listener`, which never throws, called when there are events to take. */
export function onEvents(listener: () => void): void {
  take = listener;
}
