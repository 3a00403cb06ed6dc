export { add, Greeter, greet, settings, version } from './exported.js';
export * as inner from './exported.js';
