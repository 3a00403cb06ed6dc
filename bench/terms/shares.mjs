// The parts of decoding and encoding. The JavaScript thread of a server or client does those between values
// and tape; other threads do those between tape and bytes.
import { environment } from '../../build/platform/environment.js';
import { decode } from '../../build/codec/decode.js';
import { Encoder } from '../../build/codec/encoder.js';
import { NativeDecoder } from '../../build/codec/native-decoder.js';
import { measure } from '../measure.mjs';

/**
 * The times of the parts. It takes the encoder's memory for itself: `encode` must not be called afterwards.
 *
 * @param {unknown} term
 * @param {Record<string, import('../measure.mjs').Way>} json by direction: what times are relative to
 * @param {import('../measure.mjs').Effort} effort
 */
export async function shares(term, json, effort) {
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
  /** Only `encode` copies; a server sends the memory that the bytes were written to. */
  const copy = () => {
    const result = Buffer.allocUnsafeSlow(bytes.length);
    native.copyEncoded(result);
    return result;
  };
  copy().copy(bytes);
  const decoder = new NativeDecoder();
  const toTape = () => decoder.decodeBytes(bytes, 0, 1000, 2 ** 24);
  const both = () => decode(bytes);
  const decoding = await measure({ JSON: json.decode, both, toTape }, 'JSON', effort);
  const encoding = await measure({ JSON: json.encode, write, toBytes, copy }, 'JSON', effort);
  return { ...decoding, ...encoding, read: difference(decoding.both, decoding.toTape) };
}

/** The part of a whole that cannot be measured by itself. */
function difference(whole, part) {
  const subtract = (kind) => ({
    median: whole[kind].median - part[kind].median,
    low: whole[kind].low - part[kind].high,
    high: whole[kind].high - part[kind].low,
  });
  return { micros: subtract('micros'), ratio: subtract('ratio') };
}

/** No term takes less: it would be two cycles of a processor. */
const LEAST_MICROS = 0.0005;
/** What the parts may differ from the whole beyond their noise, since they are other loops of the same work. */
const TOLERANCE = 0.15;

/**
 * Impossible results: parts that do not add up to the whole, which was measured apart from them, and times
 * that are too short for the number of terms.
 *
 * @returns {string[]}
 */
export function contradictionsIn(
  { name, decode: decoding, encode: encoding, shares: parts },
  term,
) {
  const least = LEAST_MICROS * countTerms(term);
  const short = ['read', 'toTape', 'write', 'toBytes'].filter(
    (part) => !(parts[part].micros.median > least),
  );
  return [
    ...short.map(
      (part) => `${name}: ${part} takes ${parts[part].micros.median} µs, but ${least} at least`,
    ),
    ...apart(`decoding ${name}`, decoding.backwater, [parts.toTape, parts.read]),
    ...apart(`encoding ${name}`, encoding.backwater, [parts.write, parts.toBytes, parts.copy]),
  ];
}

/** Ratios to JSON are compared, since the machine may be slower when the parts have their turn. */
function apart(what, whole, parts) {
  const half = ({ ratio }) => (ratio.high - ratio.low) / 2;
  const sum = parts.reduce((total, { ratio }) => total + ratio.median, 0);
  const noise = parts.reduce((total, part) => total + half(part), half(whole));
  const { median } = whole.ratio;
  if (Math.abs(sum - median) <= noise + TOLERANCE * median) return [];
  return [`${what}: the parts take ${sum} times as long as JSON, the whole takes ${median}`];
}

function countTerms(value) {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return 1;
  return Object.values(value).reduce((sum, each) => sum + countTerms(each), 1);
}
