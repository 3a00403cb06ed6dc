import { native } from '../platform/native.js';
import { standaloneEncoder } from './standalone-encoder.js';
import { encodeOptions, type EncodeOptions } from './options.js';

/** Same as zlib and Erlang. */
const DEFAULT_LEVEL = 6;

/**
 * Encodes a value in Erlang's external term format, like `term_to_binary` with UTF-8 atoms.
 *
 * @param value any value in the table of docs/terms.md
 * @throws {@link TermError} with the path to the part that cannot be encoded, or if the encoding
 * exceeds `maxSize`
 * @example
 * ```ts
 * import { atom, encode, tuple } from 'backwater';
 * const bytes = encode(tuple(atom('ok'), 'hello'));
 * ```
 */
export function encode(value: unknown, options?: EncodeOptions): Buffer {
  const settings = encodeOptions(options);
  const { maxSize, compressed } = settings;
  const limit = { bytes: maxSize, option: 'maxSize' } as const;
  const encoded = standaloneEncoder.encode(value, settings, { root: 'value', limit }, encode);
  const level = compressed === true ? DEFAULT_LEVEL : Number(compressed);
  return (level === 0 ? undefined : native.deflateTerm(encoded, level)) ?? encoded;
}
