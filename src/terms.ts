/** The term codec alone: `import { decode, encode } from 'backwater/terms'`. */
export { decode, encode } from './codec.js';
export { elixir, type ElixirHooks, type ElixirOptions } from './elixir.js';
export { TermError } from './errors.js';
export { fromErlang, toElixir, toErlang } from './notation.js';
export type { DecodeOptions, EncodeOptions, ToElixirOptions, ToErlangOptions } from './options.js';
export * from './terms/index.js';
