import { bridge } from './bridge.js';
import { TermError } from './errors.js';
import { decodeOptions, encodeOptions, type DecodeOptions, type EncodeOptions } from './options.js';
import { materialise } from './terms/materialise.js';
import { refuseInReviver, reviversOf } from './terms/revive.js';
import type { Term } from './terms/types.js';

const { codec } = bridge;
const { control, native } = codec;

/** Encodings up to this size are copied to the inbox, which costs less than handing over their memory. */
const SMALL_INPUT = 4096;

/**
 * The term in Erlang's external form, as `term_to_binary` gives it with UTF-8 atoms.
 *
 * @param value any value of the table in docs/terms.md
 * @throws {@link TermError} with the path to the part that is no term, or when the encoding would be
 * larger than `maxSize` bytes
 * @example
 * ```ts
 * import { atom, encode, tuple } from 'backwater';
 * const bytes = encode(tuple(atom('ok'), 'hello'));
 * ```
 */
export function encode(value: unknown, options?: EncodeOptions): Buffer {
  return bridge.encoder.encode(value, encodeOptions(options), encode);
}

/**
 * The term whose external form the bytes begin with, as `binary_to_term` reads it; bytes after it
 * are ignored. Large binaries in the result may share memory with `bytes`. A string that is kept keeps
 * at most 64 KiB of the text it came with alive, unless it is longer itself.
 *
 * @param bytes the encoding, from its version byte 131 on
 * @throws {@link TermError} with the offset of the byte that is wrong
 * @example
 * ```ts
 * import { decode } from 'backwater';
 * decode(Buffer.from([131, 97, 42])); // 42
 * ```
 */
export function decode(bytes: Uint8Array, options?: DecodeOptions): Term {
  if (!(bytes instanceof Uint8Array)) {
    throw new TermError('decode takes a Uint8Array that holds a term in external form');
  }
  const settings = decodeOptions(options);
  refuseInReviver();
  const { length } = bytes;
  control[0] = length;
  control[1] = settings.flags;
  control[2] = settings.maxDepth;
  control[3] = settings.maxTerms;
  let source = bytes;
  try {
    if (length <= SMALL_INPUT) {
      codec.whole.bytes.set(bytes);
      native.decode();
    } else {
      source = unshared(bytes);
      native.decodeBytes(source);
    }
  } catch (error) {
    throw refusal(error);
  }
  const areas = control[0] === 0 ? codec.inParts : codec.whole;
  areas.source = source;
  try {
    return materialise(areas, 0, 0, settings.exact, reviversOf(settings.revivers)) as Term;
  } finally {
    codec.forgetSource();
  }
}

/** Memory that no other thread can change meanwhile. */
function unshared(bytes: Uint8Array): Uint8Array {
  return bytes.buffer instanceof ArrayBuffer ? bytes : new Uint8Array(bytes);
}

function refusal(error: unknown): TermError {
  return new TermError(error instanceof Error ? error.message : String(error), { cause: error });
}
