/** The term codec alone: `import { decode, encode } from 'backwater/terms'`. */
export { encode } from './codec/encode.js';
export { decode } from './codec/decode.js';
export type { Reviver, StructReviver, TupleReviver } from './codec/revivers.js';
export { TermError } from './errors/errors.js';
export { fromErlang, toElixir, toErlang } from './codec/notation.js';
export type {
  DecodeOptions,
  EncodeOptions,
  ToElixirOptions,
  ToErlangOptions,
} from './codec/options.js';
export * from './terms/index.js';
