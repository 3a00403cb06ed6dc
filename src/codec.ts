import { bridge } from './bridge.js';
import { TermError } from './errors.js';
import { encodeOptions, type EncodeOptions } from './options.js';
import { flatten, refuseNested } from './terms/flatten.js';
import { Outbox } from './terms/outbox.js';

/** The functions of crates/node/src/codec_functions.rs; parameters and results are words of `control`. */
interface EncoderFunctions {
  encode(): void;
  copyEncoded(target: Uint8Array): void;
  gap(): void;
}

const control = new Uint32Array(8);
const native = {} as EncoderFunctions;
bridge.native.installCodec(native, control);

/** The codec has memory of its own: a value may be encoded while calls are being gathered. */
const outbox = new Outbox();
outbox.attach = ({ words, floats, bytes }) => bridge.native.attachCodecOutbox(words, floats, bytes);
outbox.attach(outbox);
/** Large binaries of the value that is being encoded: they are copied once, into the result. */
const apart: Uint8Array[] = [];
outbox.putApart = (index, bytes) => {
  apart[index] = bytes;
};

/** Small results share memory, as those of `Buffer.from` do. */
const POOL_SIZE = 16 * 1024;
const SMALL_RESULT = POOL_SIZE / 4;
let pool = newPool();
let pooled = 0;

function newPool(): Buffer {
  const buffer = Buffer.from(new ArrayBuffer(POOL_SIZE));
  bridge.native.attachCodecResults(buffer);
  return buffer;
}

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
  // What an encoding has left that failed.
  if (apart.length > 0) apart.length = 0;
  const frame = flatten(outbox, value, settings, 'value');
  control[0] = frame;
  control[1] = settings.maxSize;
  control[2] = pooled;
  try {
    native.encode();
  } catch (error) {
    throw refusal(error);
  }
  const length = control[0]!;
  if (length > SMALL_RESULT) {
    const result = Buffer.allocUnsafeSlow(length);
    native.copyEncoded(result);
    if (outbox.apart > 0) copyApart(result, outbox.apart);
    return result;
  }
  if (pooled + length > POOL_SIZE) {
    pool = newPool();
    pooled = 0;
    native.copyEncoded(pool.subarray(0, length));
  }
  const start = pooled;
  pooled += length;
  return pool.subarray(start, pooled);
}

/** The length that an array has, whatever its class says. */
const lengthOf = Object.getOwnPropertyDescriptor(
  Object.getPrototypeOf(Uint8Array.prototype) as object,
  'length',
)!.get!;

/** Copies the large binaries of the value to where they belong. */
function copyApart(result: Buffer, count: number): void {
  const binaries = apart.splice(0, count);
  for (const [index, bytes] of binaries.entries()) {
    control[0] = index;
    native.gap();
    // A getter may have resized the memory of what was noted before.
    if (lengthOf.call(bytes) !== control[1]) {
      throw new TermError('a Buffer changed its length while it was encoded');
    }
    result.set(bytes, control[0]);
  }
}

function refusal(error: unknown): TermError {
  return new TermError(error instanceof Error ? error.message : String(error), { cause: error });
}
