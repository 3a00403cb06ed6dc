import { Buffer } from 'node:buffer';
import { runSometime } from '../platform/host.js';

/** Milliseconds after the last large message. */
const KEPT_TIME = 1000;
const KEPT_WORDS = 1024 * 1024;
const KEPT_FLOATS = 512 * 1024;
const KEPT_BYTES = 4 * 1024 * 1024;

const INITIAL_WORDS = 4096;
const INITIAL_FLOATS = 512;
const INITIAL_BYTES = 16 * 1024;

/** Memory of tapes, shared with Rust and reused, because writing to fresh memory is slower. */
export class SharedBuffers {
  words = new Uint32Array(INITIAL_WORDS);
  floats = new Float64Array(INITIAL_FLOATS);
  bytes = Buffer.from(new ArrayBuffer(INITIAL_BYTES));
  word = 0;
  float = 0;
  byte = 0;
  /** Must drop the old buffers. */
  onShrink: () => void = () => {};
  #wasLarge = false;
  #isTimed = false;

  rewind(): void {
    if (this.#isLarge()) {
      this.#wasLarge ||=
        this.byte > KEPT_BYTES || this.word > KEPT_WORDS || this.float > KEPT_FLOATS;
      if (!this.#isTimed) this.#shrinkLater();
    }
    this.word = this.float = this.byte = 0;
  }

  seek(word: number, float: number, byte: number): void {
    this.word = word;
    this.float = float;
    this.byte = byte;
  }

  protected growWords(count: number): void {
    const words = new Uint32Array(nextSize(this.words.length, this.word + count));
    words.set(this.words.subarray(0, this.word));
    this.words = words;
  }

  protected growFloats(count: number): void {
    const floats = new Float64Array(nextSize(this.floats.length, this.float + count));
    floats.set(this.floats.subarray(0, this.float));
    this.floats = floats;
  }

  protected reserveBytes(count: number): void {
    if (this.byte + count <= this.bytes.length) return;
    const bytes = Buffer.allocUnsafeSlow(nextSize(this.bytes.length, this.byte + count));
    bytes.set(this.bytes.subarray(0, this.byte));
    this.bytes = bytes;
  }

  #isLarge(): boolean {
    const { words, floats, bytes } = this;
    return words.length > KEPT_WORDS || floats.length > KEPT_FLOATS || bytes.length > KEPT_BYTES;
  }

  #shrinkLater(): void {
    runSometime(() => this.#shrink(), KEPT_TIME);
    this.#isTimed = true;
  }

  #shrink(): void {
    this.#isTimed = false;
    if (this.#wasLarge || this.word + this.float + this.byte > 0) {
      this.#wasLarge = false;
      this.#shrinkLater();
      return;
    }
    this.words = new Uint32Array(INITIAL_WORDS);
    this.floats = new Float64Array(INITIAL_FLOATS);
    this.bytes = Buffer.from(new ArrayBuffer(INITIAL_BYTES));
    this.onShrink();
  }
}

function nextSize(current: number, needed: number): number {
  return Math.max(current * 2, needed + 1024);
}

/** Tells Rust when the memory of tapes changes. */
export class Attachment {
  readonly #attach: (words: Uint32Array, floats: Float64Array, bytes: Uint8Array) => void;
  #words: Uint32Array | undefined;
  #floats: Float64Array | undefined;
  #bytes: Uint8Array | undefined;

  constructor(attach: (words: Uint32Array, floats: Float64Array, bytes: Uint8Array) => void) {
    this.#attach = attach;
  }

  use({ words, floats, bytes }: SharedBuffers): void {
    if (words === this.#words && floats === this.#floats && bytes === this.#bytes) return;
    // If V8 terminates in between, nothing must look attached.
    this.#words = undefined;
    this.#attach(words, floats, bytes);
    this.#floats = floats;
    this.#bytes = bytes;
    this.#words = words;
  }
}
