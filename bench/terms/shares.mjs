// Values to tape and back on the JavaScript thread, and tape to bytes and back on others.
import { environment } from '../../build/platform/environment.js';
import { ENCODER_WORDS, EncoderWord } from '../../build/codec/control.js';
import { decode } from '../../build/codec/decode.js';
import { encode } from '../../build/codec/encode.js';
import { Encoder } from '../../build/codec/encoder.js';
import { NativeDecoder } from '../../build/codec/native-decoder.js';
import { measure } from '../measure.mjs';

/** Takes the encoder's memory, so that `encode` must not be called afterwards. */
export async function shares(term, json, effort) {
  const bytes = encode(term);
  const control = new Uint32Array(ENCODER_WORDS);
  const native = {};
  environment.installEncoder(native, control);
  const results = Buffer.from(new ArrayBuffer(SMALL));
  environment.attachEncoderResults(results);
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
    control[EncoderWord.frame] = frame;
    control[EncoderWord.maxSize] = 2 ** 28;
    control[EncoderWord.result] = 0;
    native.encode();
    return control[EncoderWord.length];
  };
  const length = toBytes();
  /** Servers do not need this part of `encode`. */
  const copy = () => {
    if (length <= SMALL) return results.subarray(0, length);
    const result = Buffer.allocUnsafeSlow(length);
    native.copyEncoded(result);
    return result;
  };
  const decoder = new NativeDecoder();
  const limits = { flags: 0, maxDepth: 1000, maxTerms: 2 ** 24 };
  const toTape = () => decoder.decode(bytes, limits);
  const both = () => decode(bytes);
  const decoding = await measure({ JSON: json.decode, both, toTape }, 'JSON', effort);
  const encoding = await measure({ JSON: json.encode, write, toBytes, copy }, 'JSON', effort);
  return { ...decoding, ...encoding, read: difference(decoding.both, decoding.toTape) };
}

/** A part that cannot be measured by itself. */
function difference(whole, part) {
  const subtract = (kind) => ({
    median: whole[kind].median - part[kind].median,
    low: whole[kind].low - part[kind].high,
    high: whole[kind].high - part[kind].low,
  });
  return { micros: subtract('micros'), ratio: subtract('ratio') };
}

/** Up to this size, the addon writes the result of `encode` itself. */
const SMALL = 4096;
/** Of a term; it is two cycles of a processor. */
const LEAST_MICROS = 0.0005;
/** Of the sum of the parts beyond the noise, because the loops differ. */
const TOLERANCE = 0.15;
/** For reading options and the like. */
const AROUND_MICROS = 0.5;

/** Parts that do not add up to the whole, and times too short for the number of terms. */
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
    // `encode` copies a large binary straight into its result.
    ...(term instanceof Uint8Array
      ? []
      : apart(`encoding ${name}`, encoding.backwater, [parts.write, parts.toBytes, parts.copy])),
  ];
}

/** A slow moment of the machine shows in the times or in the ratios to JSON, not in both. */
function apart(what, whole, parts) {
  const differs = (kind) => {
    const half = (each) => (each[kind].high - each[kind].low) / 2;
    const sum = parts.reduce((total, each) => total + each[kind].median, 0);
    const noise = parts.reduce((total, each) => total + half(each), half(whole));
    const around = kind === 'micros' ? AROUND_MICROS : 0;
    return Math.abs(sum - whole[kind].median) > noise + TOLERANCE * whole[kind].median + around;
  };
  if (!differs('micros') || !differs('ratio')) return [];
  const times = parts.map(({ micros }) => micros.median.toFixed(2)).join(' + ');
  return [
    `${what}: the parts take ${times} µs, the whole takes ${whole.micros.median.toFixed(2)} µs`,
  ];
}

function countTerms(value) {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return 1;
  return Object.values(value).reduce((sum, each) => sum + countTerms(each), 1);
}
