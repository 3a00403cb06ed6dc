// What of encoding and decoding the JavaScript thread does itself. Servers and clients do the rest,
// between bytes and tape, on other threads.
import { bridge } from '../../build/bridge.js';
import { Encoder } from '../../build/codec/encoder.js';
import { materialise } from '../../build/terms/materialise.js';
import { measure } from '../measure.mjs';

/**
 * The times of the four parts. It takes the codec's memory for itself: `encode` and `decode` are
 * not to be called afterwards.
 *
 * @param {unknown} term
 * @param {import('../measure.mjs').Effort} effort
 */
export async function shares(term, effort) {
  const control = new Uint32Array(8);
  const native = {};
  bridge.native.installCodec(native, control);
  const encoder = new Encoder();
  const inbox = {
    words: new Uint32Array(1 << 20),
    floats: new Float64Array(1 << 20),
    bytes: Buffer.alloc(8 << 20),
    source: new Uint8Array(0),
  };
  bridge.native.attachCodecInbox(inbox.words, inbox.floats, inbox.bytes);
  const settings = { objectKeys: 'binary', maxDepth: 1000 };
  const limit = { bytes: 2 ** 28 - 1 };
  const write = () => {
    encoder.rewind();
    return encoder.encode(term, settings, limit, 'value', write);
  };
  const frame = write();
  bridge.native.attachCodecOutbox(encoder.words, encoder.floats, encoder.bytes);
  const toBytes = () => {
    control.set([frame, 2 ** 28, 0]);
    native.encode();
    return control[0];
  };
  const bytes = Buffer.alloc(toBytes());
  native.copyEncoded(bytes);
  const toTape = () => {
    control.set([bytes.length, 0, 100_000, 2 ** 24]);
    native.decodeBytes(bytes);
  };
  toTape();
  inbox.source = bytes;
  const read = () => materialise(inbox, 0, 0, false);
  return measure({ read, toTape, write, toBytes }, 'read', effort);
}
