import { Buffer } from 'node:buffer';
import { environment } from '../platform/environment.js';
import { TermError } from '../errors/errors.js';
import { byteLength, unshared } from '../platform/bytes.js';
import type { DecodeFailure } from '../platform/native.js';
import type { DecodeSettings } from './options.js';
import { DECODER_WORDS, DecoderWord } from './control.js';
import type { TapeBuffers } from './tape-buffers.js';

/** See crates/node/src/codec/decoder.rs. Arguments and results are in `control`. */
interface DecoderFunctions {
  decode(): DecodeFailure | undefined;
  decodeBytes(bytes: Uint8Array): DecodeFailure | undefined;
  open(): Uint8Array | undefined;
  nextPart(): void;
  table(): void;
  names(): string;
  text8(): string;
  text16(): string;
  close(): void;
}

const WORDS = 64 * 1024;
const FLOATS = 32 * 1024;
const BYTES = 256 * 1024;
/** Copying up to this size is faster than handing over memory. */
const SMALL_INPUT = 4096;

export class NativeDecoder {
  readonly buffers: TapeBuffers;
  readonly #input = new Uint8Array(SMALL_INPUT);
  readonly #control = new Uint32Array(DECODER_WORDS);
  // A prototype could have setters.
  readonly functions = { __proto__: null } as unknown as DecoderFunctions;

  constructor() {
    const words = new Uint32Array(WORDS);
    const floats = new Float64Array(FLOATS);
    const bytes = Buffer.from(new ArrayBuffer(BYTES));
    this.buffers = { words, floats, bytes };
    environment.installDecoder(this.functions, this.#control, words, floats, bytes, this.#input);
  }

  decode(bytes: Uint8Array, { flags, maxDepth, maxTerms }: DecodeSettings): Uint8Array {
    const control = this.#control;
    const length = byteLength(bytes);
    control[DecoderWord.length] = length;
    control[DecoderWord.flags] = flags;
    control[DecoderWord.maxDepth] = maxDepth;
    control[DecoderWord.maxTerms] = maxTerms;
    let source;
    let failure;
    if (length <= SMALL_INPUT) {
      source = this.#input;
      // Copying from detached memory throws.
      if (length > 0) source.set(bytes);
      failure = this.functions.decode();
    } else {
      source = unshared(bytes);
      failure = this.functions.decodeBytes(source);
    }
    if (failure !== undefined) throw new TermError(failure.message, { offset: failure.offset });
    return source;
  }

  /** Whether `buffers` has more than the header. */
  get isWhole(): boolean {
    return this.#control[DecoderWord.whole] === 1;
  }

  open(large: number): Uint8Array | undefined {
    this.#control[DecoderWord.slot] = large;
    return this.functions.open();
  }

  readTable(start: number): void {
    this.#control[DecoderWord.start] = start;
    this.functions.table();
  }

  text8(start: number, length: number): string {
    this.#control[DecoderWord.start] = start;
    this.#control[DecoderWord.textLength] = length;
    return this.functions.text8();
  }

  /** `start` and `length` count bytes. */
  text16(start: number, length: number): string {
    this.#control[DecoderWord.start] = start;
    this.#control[DecoderWord.textLength] = length;
    return this.functions.text16();
  }
}
