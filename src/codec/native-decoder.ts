import { Buffer } from 'node:buffer';
import { environment } from '../platform/environment.js';
import type { DecodeFailure } from '../platform/native.js';
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

/** Enough for a part: some 20,000 words, and at most as many doubles. */
const WORDS = 64 * 1024;
const FLOATS = 32 * 1024;
const BYTES = 256 * 1024;
/** Copying up to this size is faster than handing over memory. */
export const SMALL_INPUT = 4096;

/** The Rust half of a decoder, and the memory that both halves share. */
export class NativeDecoder {
  /** Small tapes are written here as a whole, large ones in parts. */
  readonly buffers: TapeBuffers;
  /** Memory for small encodings. */
  readonly input = new Uint8Array(SMALL_INPUT);
  readonly #control = new Uint32Array(DECODER_WORDS);
  // No prototype, whose setters could be called.
  readonly #functions = { __proto__: null } as unknown as DecoderFunctions;

  constructor() {
    const words = new Uint32Array(WORDS);
    const floats = new Float64Array(FLOATS);
    const bytes = Buffer.from(new ArrayBuffer(BYTES));
    this.buffers = { words, floats, bytes };
    environment.installDecoder(this.#functions, this.#control, words, floats, bytes, this.input);
  }

  decodeInput(
    length: number,
    flags: number,
    maxDepth: number,
    maxTerms: number,
  ): DecodeFailure | undefined {
    this.#setLimits(length, flags, maxDepth, maxTerms);
    return this.#functions.decode();
  }

  /** The bytes must not be shared with other threads. */
  decodeBytes(
    bytes: Uint8Array,
    flags: number,
    maxDepth: number,
    maxTerms: number,
  ): DecodeFailure | undefined {
    this.#setLimits(0, flags, maxDepth, maxTerms);
    return this.#functions.decodeBytes(bytes);
  }

  #setLimits(length: number, flags: number, maxDepth: number, maxTerms: number): void {
    const control = this.#control;
    control[DecoderWord.length] = length;
    control[DecoderWord.flags] = flags;
    control[DecoderWord.maxDepth] = maxDepth;
    control[DecoderWord.maxTerms] = maxTerms;
  }

  /** Whether the whole tape is in `buffers`; otherwise only its header. */
  get isWhole(): boolean {
    return this.#control[DecoderWord.whole] === 1;
  }

  /** Begins a large message of the bridge. Returns its source, if any. */
  open(large: number): Uint8Array | undefined {
    this.#control[DecoderWord.slot] = large;
    return this.#functions.open();
  }

  nextPart(): void {
    this.#functions.nextPart();
  }

  /** Writes entries of the tables to the words, from entry `start` on. */
  readTable(start: number): void {
    this.#control[DecoderWord.start] = start;
    this.#functions.table();
  }

  names(): string {
    return this.#functions.names();
  }

  text8(start: number, length: number): string {
    this.#control[DecoderWord.start] = start;
    this.#control[DecoderWord.textLength] = length;
    return this.#functions.text8();
  }

  /** Place and length are in bytes. */
  text16(start: number, length: number): string {
    this.#control[DecoderWord.start] = start;
    this.#control[DecoderWord.textLength] = length;
    return this.#functions.text16();
  }

  close(): void {
    this.#functions.close();
  }
}
