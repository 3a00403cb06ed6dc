// What of encoding and decoding the JavaScript thread does itself. Servers and clients do the rest,
// between bytes and tape, on other threads.
import { bridge } from '../../build/bridge.js';
import { decode } from '../../build/codec/decode.js';
import { NativeDecoder } from '../../build/codec/native-decoder.js';
import { flatten } from '../../build/terms/flatten.js';
import { Outbox } from '../../build/terms/outbox.js';
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
  bridge.native.installCodec(native, control);
  const outbox = new Outbox();
  outbox.attach = ({ words, floats, bytes }) =>
    bridge.native.attachCodecOutbox(words, floats, bytes);
  outbox.attach(outbox);
  const write = () => {
    outbox.reset();
    return flatten(outbox, term, { objectKeys: 'binary' }, 'value');
  };
  const frame = write();
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
