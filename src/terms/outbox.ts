import { runSometime } from '../host.js';

/**
 * Memory that JavaScript writes tapes into and Rust reads them from, used again for every message.
 * Rust knows it by `attach`, which is called when an area had to grow.
 */
export class Outbox {
  words = new Uint32Array(16 * 1024);
  floats = new Float64Array(2 * 1024);
  bytes = Buffer.alloc(64 * 1024);
  /** The next free index of each area. */
  word = 0;
  float = 0;
  byte = 0;
  /** How many binaries stand apart, and how many bytes they have. */
  apart = 0;
  apartBytes = 0;
  /**
   * Takes a large binary that is to stand apart, as number `apart`, instead of a copy of it in the bytes;
   * none does where there is no such function.
   */
  putApart: ((index: number, bytes: Uint8Array) => void) | undefined;
  /** Called after an area was replaced by a larger one, and once at the start. */
  attach: (outbox: Outbox) => void = () => {};

  /** Forgets everything written. */
  reset(): void {
    if (this.#isLarge()) {
      this.#wasLarge ||=
        this.byte > KEPT_BYTES || this.word > KEPT_WORDS || this.float > KEPT_FLOATS;
      if (!this.#shrinking) {
        this.#shrinking = true;
        runSometime(this.#shrinkUnlessUsed, KEPT_TIME);
      }
    }
    this.word = this.float = this.byte = this.apart = this.apartBytes = 0;
  }

  #isLarge(): boolean {
    const { bytes, words, floats } = this;
    return bytes.length > KEPT_BYTES || words.length > KEPT_WORDS || floats.length > KEPT_FLOATS;
  }

  /** Whether a large message was written since it was last looked after. */
  #wasLarge = false;
  #shrinking = false;

  readonly #shrinkUnlessUsed = (): void => {
    this.#shrinking = false;
    const { word, float, byte } = this;
    if (this.#wasLarge || word + float + byte > 0) {
      this.#wasLarge = false;
      this.#shrinking = true;
      runSometime(this.#shrinkUnlessUsed, KEPT_TIME);
    } else {
      this.#shrink();
    }
  };

  /** Makes room for `count` more words. */
  growWords(count: number): void {
    const words = new Uint32Array(nextSize(this.words.length, this.word + count));
    words.set(this.words.subarray(0, this.word));
    this.words = words;
    this.attach(this);
  }

  /** Makes room for `count` more doubles. */
  growFloats(count: number): void {
    const floats = new Float64Array(nextSize(this.floats.length, this.float + count));
    floats.set(this.floats);
    this.floats = floats;
    this.attach(this);
  }

  /** Makes sure that `count` more bytes fit. */
  reserveBytes(count: number): void {
    if (this.byte + count <= this.bytes.length) return;
    // What is not written is not read either.
    const bytes = Buffer.allocUnsafeSlow(nextSize(this.bytes.length, this.byte + count));
    this.bytes.copy(bytes, 0, 0, this.byte);
    this.bytes = bytes;
    this.attach(this);
  }

  #shrink(): void {
    this.words = new Uint32Array(16 * 1024);
    this.floats = new Float64Array(2 * 1024);
    this.bytes = Buffer.alloc(64 * 1024);
    this.attach(this);
  }
}

/**
 * What large messages made necessary is given back when none was written for some milliseconds: memory
 * that is fresh from the system costs more than copying to it.
 */
const KEPT_TIME = 1000;
const KEPT_BYTES = 4 * 1024 * 1024;
const KEPT_WORDS = 1024 * 1024;
const KEPT_FLOATS = 512 * 1024;

function nextSize(current: number, needed: number): number {
  return Math.max(current * 2, needed + 1024);
}
