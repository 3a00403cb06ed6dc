import { bridge, areasOf } from './bridge.js';
import { TermError } from './errors.js';
import { decodeOptions, encodeOptions, type DecodeOptions, type EncodeOptions } from './options.js';
import { flatten, refuseNested } from './terms/flatten.js';
import { materialise, type Areas } from './terms/materialise.js';
import { Outbox } from './terms/outbox.js';
import type { Term } from './terms/types.js';

/** The codec has memory of its own: a value may be encoded while calls are being gathered. */
const outbox = new Outbox();
outbox.attach = ({ words, floats, bytes }) => bridge.native.attachCodecOutbox(words, floats, bytes);
outbox.attach(outbox);

const inboxBytes = Buffer.from(new ArrayBuffer(256 * 1024));
const inbox = { words: new Uint32Array(64 * 1024), floats: new Float64Array(16 * 1024) };
bridge.native.attachCodecInbox(inbox.words, inbox.floats, inboxBytes);

/** Encodings up to this size are copied out of memory that is used again. */
const SMALL = inboxBytes.length;

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
  const settings = encodeOptions(options);
  refuseNested();
  outbox.reset();
  const frame = flatten(outbox, value, settings, 'value');
  const length = unwrap(() => bridge.native.encode(frame, settings.maxSize, SMALL));
  if (length > SMALL) {
    const large = bridge.native.takeEncoded();
    return Buffer.from(large.buffer, large.byteOffset, large.length);
  }
  const result = Buffer.allocUnsafe(length);
  inboxBytes.copy(result, 0, 0, length);
  return result;
}

/**
 * The term whose external form the bytes begin with, as `binary_to_term` reads it; bytes after it
 * are ignored. Large binaries in the result may share memory with `bytes`.
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
  const fits = unwrap(() =>
    bridge.native.decode(bytes, settings.flags, settings.maxDepth, settings.maxTerms),
  );
  const source = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const areas: Areas = fits
    ? { ...inbox, bytes: inboxBytes, source }
    : { ...areasOf(bridge.native.takeDecoded()), source };
  return materialise(areas, 0, 0, settings.exact) as Term;
}

function unwrap<T>(operation: () => T): T {
  try {
    return operation();
  } catch (error) {
    throw new TermError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}
