/** A namespace that exports what others do, as the entry points of packages do. */
export { add, Greeter, greet, settings, version } from './exported.js';
export * as inner from './exported.js';
