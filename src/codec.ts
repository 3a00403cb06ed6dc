import { bridge } from './bridge.js';
import { TermError } from './errors.js';
import { decodeOptions, encodeOptions, type DecodeOptions, type EncodeOptions } from './options.js';
import { flatten, refuseNested } from './terms/flatten.js';
import { materialise, type Areas } from './terms/materialise.js';
import { Outbox } from './terms/outbox.js';
import { refuseInReviver, reviversOf } from './terms/revive.js';
import type { Term } from './terms/types.js';

/** The functions of crates/node/src/codec_functions.rs; parameters and results are words of `control`. */
interface NativeCodec {
  decode(): void;
  decodeBytes(bytes: Uint8Array): void;
  deliver(): void;
  encode(): void;
  copyEncoded(target: Uint8Array): void;
}

const control = new Uint32Array(8);
const native = {} as NativeCodec;
bridge.native.installCodec(native, control);

/** The codec has memory of its own: a value may be encoded while calls are being gathered. */
const outbox = new Outbox();
outbox.attach = ({ words, floats, bytes }) => bridge.native.attachCodecOutbox(words, floats, bytes);
outbox.attach(outbox);

const NOTHING = new Uint8Array(0);
const INBOX_WORDS = 64 * 1024;
const INBOX_FLOATS = 16 * 1024;
const INBOX_BYTES = 256 * 1024;
/** What larger terms made necessary is kept up to this size of an area, in bytes, and then given back. */
const KEPT = 8 * 1024 * 1024;
let inbox = newInbox(INBOX_WORDS, INBOX_FLOATS, INBOX_BYTES);

/** Encodings up to this size are copied to the inbox, which costs less than handing over their memory. */
const SMALL_INPUT = 4096;

/** Small results share memory, as those of `Buffer.from` do. */
const POOL_SIZE = 16 * 1024;
const SMALL_RESULT = POOL_SIZE / 4;
let pool = newPool();
let pooled = 0;

function newInbox(words: number, floats: number, bytes: number): Areas {
  const areas = {
    words: new Uint32Array(words),
    floats: new Float64Array(floats),
    bytes: Buffer.from(new ArrayBuffer(bytes)),
    source: NOTHING,
  };
  bridge.native.attachCodecInbox(areas.words, areas.floats, areas.bytes);
  return areas;
}

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
      inbox.bytes.set(bytes);
      native.decode();
    } else {
      source = unshared(bytes);
      native.decodeBytes(source);
    }
  } catch (error) {
    throw refusal(error);
  }
  if (control[0] === 0) growInbox();
  inbox.source = source;
  try {
    return materialise(inbox, 0, 0, settings.exact, reviversOf(settings.revivers)) as Term;
  } finally {
    inbox.source = NOTHING;
    // A byte of input makes four of words at most (empty lists): less than this needs no more than is kept.
    if (length > KEPT / 8) shrinkInbox();
  }
}

/** Memory that no other thread can change meanwhile. */
function unshared(bytes: Uint8Array): Uint8Array {
  return bytes.buffer instanceof ArrayBuffer ? bytes : new Uint8Array(bytes);
}

/** Makes room for the tape that did not fit, and has it delivered. */
function growInbox(): void {
  const room = (needed: number, now: number): number =>
    needed <= now ? now : Math.max(needed, Math.min(now * 2, KEPT));
  inbox = newInbox(
    room(control[1]!, inbox.words.length),
    room(control[2]!, inbox.floats.length),
    room(control[3]!, inbox.bytes.length),
  );
  native.deliver();
}

function shrinkInbox(): void {
  const { words, floats, bytes } = inbox;
  if (Math.max(words.byteLength, floats.byteLength, bytes.byteLength) <= KEPT) return;
  inbox = newInbox(INBOX_WORDS, INBOX_FLOATS, INBOX_BYTES);
}

function refusal(error: unknown): TermError {
  return new TermError(error instanceof Error ? error.message : String(error), { cause: error });
}
