/** Hooks for the structs of Elixir: `import { elixir } from 'backwater/elixir'`. */
export { elixir, type ElixirHooks, type ElixirOptions, type Structs } from './elixir/elixir.js';
export { Range } from './elixir/range.js';
export { Time } from './elixir/time.js';
export { Version } from './elixir/version.js';
