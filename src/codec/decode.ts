import { types } from 'node:util';
import { TermError } from '../errors/errors.js';
import { decodeOptions, type DecodeOptions } from './options.js';
import type { Term } from '../terms/values.js';
import { decodeBytes } from './decoder.js';

/**
 * Decodes the term at the start of `bytes`, like `binary_to_term`, and ignores what follows.
 *
 * Large binaries in the result may share memory with `bytes`. A string may keep up to 64 KiB alive.
 *
 * @param bytes the encoding, beginning with its version byte 131
 * @throws {@link TermError} with the offset of the invalid byte
 * @example
 * ```ts
 * import { decode } from 'backwater';
 * decode(Buffer.from([131, 97, 42])); // 42
 * ```
 */
export function decode(bytes: Uint8Array, options?: DecodeOptions): Term {
  if (!types.isUint8Array(bytes)) {
    throw new TermError('decode takes a Uint8Array with a term in the external term format');
  }
  return decodeBytes(bytes, decodeOptions(options)) as Term;
}
