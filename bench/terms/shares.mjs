// What of encoding and decoding the JavaScript thread does itself. Servers and clients do the rest,
// between bytes and tape, on other threads.
import { environment } from '../../build/platform/environment.js';
import { decode } from '../../build/codec/decode.js';
import { Encoder } from '../../build/codec/encoder.js';
import { NativeDecoder } from '../../build/codec/native-decoder.js';
import { measure } from '../measure.mjs';

/**
 * The times of the four parts. It takes the encoder's memory for itself: `encode` is not to be called
 * afterwards.
 *
 * @param {unknown} term
 * @param {import('../measure.mjs').Effort} effort
 */
export async function shares(term, effort) {
  const control = new Uint32Array(8);
  const native = {};
  environment.installEncoder(native, control);
  const encoder = new Encoder();
  const settings = { objectKeys: 'binary', maxDepth: 1000 };
  const limit = { bytes: 2 ** 28 - 1 };
  const write = () => {
    encoder.rewind();
    return encoder.encode(term, settings, limit, 'value', write);
  };
  const frame = write();
  environment.attachEncoderBuffers(encoder.words, encoder.floats, encoder.bytes);
  const toBytes = () => {
    control.set([frame, 2 ** 28, 0]);
    native.encode();
    return control[0];
  };
  const bytes = Buffer.alloc(toBytes());
  native.copyEncoded(bytes);
  const decoder = new NativeDecoder();
  const toTape = () => decoder.decodeBytes(bytes, 0, 1000, 2 ** 24);
  const both = () => decode(bytes);
  const parts = await measure({ both, toTape, write, toBytes }, 'both', effort);
  return { ...parts, read: { micros: difference(parts.both.micros, parts.toTape.micros) } };
}

/** The rest of a time, where only the whole and the other part can be measured. */
function difference(whole, part) {
  return {
    median: whole.median - part.median,
    low: whole.low - part.high,
    high: whole.high - part.low,
  };
}
