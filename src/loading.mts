// Each entry point for `import` imports this first. When a CommonJS module throws that an ES module has
// imported, Node 20 ends the process with an unhandled rejection, even if the caller of `import()` has
// caught the error. What an ES module throws itself can be caught.
import { failure } from './loading.js';

if (failure !== undefined) throw failure;
