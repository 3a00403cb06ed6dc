/** The term codec alone: `import { decode, encode } from 'backwater/terms'`. */
export { decode, encode } from './codec.js';
export { TermError } from './errors.js';
export type { DecodeOptions, EncodeOptions } from './options.js';
export * from './terms/index.js';
