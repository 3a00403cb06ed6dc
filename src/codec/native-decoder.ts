import { Buffer } from 'node:buffer';
import { environment } from '../platform/environment.js';
import type { DecodeFailure } from '../platform/native.js';
import { DECODER_WORDS, DecoderWord } from './control.js';
import type { TapeBuffers } from './tape-buffers.js';

/** The functions of crates/node/src/codec/decoder.rs; parameters and results are words of `control`. */
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

/** A part of a tape fits: it has some 20,000 words, and no more doubles than words. */
const WORDS = 64 * 1024;
const FLOATS = 32 * 1024;
const BYTES = 256 * 1024;
/** Encodings up to this size are copied, which costs less than handing over their memory. */
export const SMALL_INPUT = 4096;

/** The half of a decoder that is Rust, and the memory that both halves share. */
export class NativeDecoder {
  /** Where tapes are written: small ones whole, large ones in parts. */
  readonly buffers: TapeBuffers;
  /** Where small encodings are copied. */
  readonly input = new Uint8Array(SMALL_INPUT);
  readonly #control = new Uint32Array(DECODER_WORDS);
  // Without a prototype, so that adding the functions calls no setter.
  readonly #functions = { __proto__: null } as unknown as DecoderFunctions;

  constructor() {
    const words = new Uint32Array(WORDS);
    const floats = new Float64Array(FLOATS);
    const bytes = Buffer.from(new ArrayBuffer(BYTES));
    this.buffers = { words, floats, bytes };
    environment.installDecoder(this.#functions, this.#control, words, floats, bytes, this.input);
  }

  /** Decodes the first `length` bytes of `input`. */
  decodeInput(
    length: number,
    flags: number,
    maxDepth: number,
    maxTerms: number,
  ): DecodeFailure | undefined {
    this.#setLimits(length, flags, maxDepth, maxTerms);
    return this.#functions.decode();
  }

  /** Decodes bytes that no other thread can change meanwhile. */
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

  /** Whether the tape that was just decoded lies in `buffers`; if not, only its header does. */
  get isWhole(): boolean {
    return this.#control[DecoderWord.whole] === 1;
  }

  /** Makes a large message of the bridge the tape that is read in parts. Returns its source, if it has one. */
  open(large: number): Uint8Array | undefined {
    this.#control[DecoderWord.slot] = large;
    return this.#functions.open();
  }

  /** Writes the next part of the tape to the start of the words and the doubles. */
  nextPart(): void {
    this.#functions.nextPart();
  }

  /** Writes the lengths of atoms and the shapes to the start of the words, from entry `start` on. */
  readTable(start: number): void {
    this.#control[DecoderWord.start] = start;
    this.#functions.table();
  }

  /** All names of the tape. */
  names(): string {
    return this.#functions.names();
  }

  /** Latin-1 text of the tape. */
  text8(start: number, length: number): string {
    this.#control[DecoderWord.start] = start;
    this.#control[DecoderWord.textLength] = length;
    return this.#functions.text8();
  }

  /** UTF-16 text of the tape; place and length are in bytes. */
  text16(start: number, length: number): string {
    this.#control[DecoderWord.start] = start;
    this.#control[DecoderWord.textLength] = length;
    return this.#functions.text16();
  }

  /** Ends the reading of a tape in parts, and frees it. */
  close(): void {
    this.#functions.close();
  }
}
