import { types } from 'node:util';
import { TermError } from '../errors/errors.js';
import { decodeOptions, type DecodeOptions } from './options.js';
import type { Term } from '../terms/values.js';
import { decodeBytes } from './decoder.js';

/**
 * Decodes the term that the bytes begin with, as `binary_to_term` does. Bytes after it are ignored.
 *
 * Large binaries in the result may share memory with `bytes`. A string that you keep can keep up to 64 KiB of
 * the text that it came with alive.
 *
 * @param bytes the encoding, from its version byte 131 on; memory shared with other threads is copied
 * @throws {@link TermError} with the offset of the byte that is wrong
 * @example
 * ```ts
 * import { decode } from 'backwater';
 * decode(Buffer.from([131, 97, 42])); // 42
 * ```
 */
export function decode(bytes: Uint8Array, options?: DecodeOptions): Term {
  if (!types.isUint8Array(bytes)) {
    throw new TermError('decode takes a Uint8Array that holds a term in external form');
  }
  return decodeBytes(bytes, decodeOptions(options)) as Term;
}
