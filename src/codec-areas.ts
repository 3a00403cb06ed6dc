import type { NativeBridge } from './native.js';
import type { Areas, Parts } from './terms/areas.js';

/** The functions of crates/node/src/codec_functions.rs; parameters and results are words of `control`. */
interface CodecFunctions {
  decode(): void;
  decodeBytes(bytes: Uint8Array): void;
  encode(): void;
  copyEncoded(target: Uint8Array): void;
  gap(): void;
  nextPart(): void;
  table(): void;
  names(): string;
  text8(): string;
  text16(): string;
  close(): void;
}

const NOTHING = new Uint8Array(0);
/** A part of a tape fits: it has some 20,000 words at most, and no more doubles than words. */
const WORDS = 64 * 1024;
const FLOATS = 32 * 1024;
const BYTES = 256 * 1024;

/**
 * The native codec of an environment, and where it writes tapes: small ones whole, large ones in parts. Those
 * of large messages of calls are read from here too.
 */
export class CodecAreas {
  readonly control = new Uint32Array(8);
  readonly native = {} as CodecFunctions;
  /** For tapes that are here whole. */
  readonly whole: Areas;
  /** For tapes of which only the header is here. */
  readonly inParts: Areas;

  constructor(bridge: NativeBridge) {
    bridge.installCodec(this.native, this.control);
    const words = new Uint32Array(WORDS);
    const floats = new Float64Array(FLOATS);
    const bytes = Buffer.from(new ArrayBuffer(BYTES));
    bridge.attachCodecInbox(words, floats, bytes);
    this.whole = { words, floats, bytes, source: NOTHING, parts: undefined };
    this.inParts = { words, floats, bytes, source: NOTHING, parts: partsOf(this) };
  }

  /** Forgets what the tape was made of. */
  forgetSource(): void {
    this.whole.source = this.inParts.source = NOTHING;
  }
}

function partsOf({ native, control }: CodecAreas): Parts {
  return {
    nextPart: () => native.nextPart(),
    table: (start) => {
      control[0] = start;
      native.table();
    },
    names: () => native.names(),
    text8: (start, length) => {
      control[0] = start;
      control[1] = length;
      return native.text8();
    },
    text16: (start, length) => {
      control[0] = start;
      control[1] = length;
      return native.text16();
    },
    close: () => native.close(),
  };
}
