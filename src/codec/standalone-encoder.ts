import { Buffer } from 'node:buffer';
import { beginAtCaller } from '../platform/call-stack.js';
import { TermError } from '../errors/errors.js';
import { environment } from '../platform/environment.js';
import { ENCODER_WORDS, EncoderWord } from './control.js';
import { byteLength } from '../platform/bytes.js';
import { Encoder, type EncoderSettings } from './encoder.js';
import type { SizeLimit } from './serialize-error.js';
import { Attachment } from './shared-buffers.js';

const POOL_SIZE = 16 * 1024;
const SMALL_RESULT = POOL_SIZE / 4;

/** See crates/node/src/codec/encoder.rs. Arguments and results are in `control`. */
interface EncoderFunctions {
  encode(): void;
  copyEncoded(target: Uint8Array): void;
  gap(): void;
}

export interface Place {
  readonly root: string;
  readonly limit: SizeLimit;
}

class StandaloneEncoder {
  readonly #control = new Uint32Array(ENCODER_WORDS);
  // A prototype could have setters.
  readonly #functions = { __proto__: null } as unknown as EncoderFunctions;
  readonly #attachment: Attachment;
  /** Undefined while encoding, so that getters that encode get another one. */
  #idle: Encoder | undefined = undefined;
  #pool: Buffer | undefined = undefined;
  #pooled = 0;

  constructor() {
    environment.installEncoder(this.#functions, this.#control);
    this.#attachment = new Attachment((words, floats, bytes) => {
      environment.attachEncoderBuffers(words, floats, bytes);
    });
  }

  encode(
    value: unknown,
    settings: EncoderSettings,
    { root, limit }: Place,
    called: (...args: never[]) => unknown,
  ): Buffer {
    const encoder = this.#take();
    try {
      encoder.outOfBand ??= [];
      const frame = encoder.encode(value, settings, limit, root, called);
      this.#attachment.use(encoder);
      const length = this.#encodeTape(frame, limit.bytes, called);
      return length <= SMALL_RESULT
        ? this.#smallResult(length)
        : this.#largeResult(length, encoder);
    } finally {
      this.#putBack(encoder);
    }
  }

  withTape<T>(
    value: unknown,
    settings: EncoderSettings,
    limit: SizeLimit,
    root: string,
    called: (...args: never[]) => unknown,
    read: (frame: number) => T,
  ): T {
    const encoder = this.#take();
    try {
      encoder.outOfBand = undefined;
      const frame = encoder.encode(value, settings, limit, root, called);
      this.#attachment.use(encoder);
      return read(frame);
    } finally {
      this.#putBack(encoder);
    }
  }

  #take(): Encoder {
    const encoder = this.#idle ?? this.#newEncoder();
    this.#idle = undefined;
    return encoder;
  }

  #putBack(encoder: Encoder): void {
    encoder.rewind();
    this.#idle = encoder;
  }

  #newEncoder(): Encoder {
    const encoder = new Encoder();
    encoder.onShrink = () => this.#attachment.use(encoder);
    return encoder;
  }

  #encodeTape(frame: number, maxSize: number, called: (...args: never[]) => unknown): number {
    const control = this.#control;
    if (this.#pool === undefined) this.#renewPool();
    control[EncoderWord.frame] = frame;
    control[EncoderWord.maxSize] = maxSize;
    control[EncoderWord.result] = this.#pooled;
    try {
      this.#functions.encode();
    } catch (cause) {
      throw beginAtCaller(new TermError((cause as Error).message, { cause }), called);
    }
    return control[EncoderWord.length]!;
  }

  /** If V8 terminates here, the pool stays undefined. */
  #renewPool(): Buffer {
    this.#pool = undefined;
    const pool = Buffer.from(new ArrayBuffer(POOL_SIZE));
    environment.attachEncoderResults(pool);
    this.#pooled = 0;
    this.#pool = pool;
    return pool;
  }

  #smallResult(length: number): Buffer {
    let pool = this.#pool!;
    if (this.#pooled + length > POOL_SIZE) {
      pool = this.#renewPool();
      this.#functions.copyEncoded(pool.subarray(0, length));
    }
    const start = this.#pooled;
    this.#pooled += length;
    return pool.subarray(start, this.#pooled);
  }

  #largeResult(length: number, { outOfBand }: Encoder): Buffer {
    const control = this.#control;
    const result = Buffer.allocUnsafeSlow(length);
    this.#functions.copyEncoded(result);
    const binaries = outOfBand ?? [];
    for (const [index, bytes] of binaries.entries()) {
      control[EncoderWord.gap] = index;
      this.#functions.gap();
      if (byteLength(bytes) !== control[EncoderWord.gapLength]) {
        throw new TermError('value contains a Buffer whose length changed while it was encoded');
      }
      result.set(bytes, control[EncoderWord.gap]);
    }
    binaries.length = 0;
    return result;
  }
}

export const standaloneEncoder = new StandaloneEncoder();
