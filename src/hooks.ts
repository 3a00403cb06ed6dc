/** Hooks for values of JavaScript between Node services: `import { javascript } from 'backwater/hooks'`. */
export { javascript, type JavaScriptHooks } from './hooks/javascript.js';
