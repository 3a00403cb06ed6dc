// Each entry point for `import` imports this first. When an imported CommonJS module throws, Node
// 20 ends the process, even if the caller of `import()` catches the error. An error that an ES
// module throws can be caught.
import { failure } from './loading.js';

if (failure !== undefined) throw failure;
