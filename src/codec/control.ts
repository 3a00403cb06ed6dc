// Generated from crates/node/src/numbers.rs. Run `npm run numbers` after a change there.

/** The words of an encoder's control block. */
export const EncoderWord = {
  /** Before `encode`: the word at which the tape's header begins. */
  frame: 0,
  /** Before `encode`: the most bytes that the encoding may have. */
  maxSize: 1,
  /** Before `encode`: where in the memory for results the encoding may begin. */
  result: 2,
  /** After `encode`: the length of the encoding. It lies in the memory for results if it fits there and has no binaries out of band. */
  length: 0,
  /** Before `gap`: the index of a binary out of band. After it: the place of its bytes. */
  gap: 0,
  /** After `gap`: the number of its bytes. */
  gapLength: 1,
} as const;
export const ENCODER_WORDS = 3;

/** The words of a decoder's control block. */
export const DecoderWord = {
  /** Before `decode`: the length of a small encoding. */
  length: 0,
  /** Before `decode` and `decodeBytes`: see the flags. */
  flags: 1,
  maxDepth: 2,
  maxTerms: 3,
  /** After `decode` and `decodeBytes`: 1 if the whole tape lies in the shared buffers, 0 if only its header does. */
  whole: 0,
  /** Before `open`: the slot of a large message. */
  slot: 0,
  /** Before `table`, `text8` and `text16`: where to begin. */
  start: 0,
  /** Before `text8` and `text16`: the length of the text. */
  textLength: 1,
} as const;
export const DECODER_WORDS = 4;

// How to decode and to call.
/** Values keep every type. */
export const FLAG_EXACT = 1;
/** Refuse atoms that the program has not made. */
export const FLAG_SAFE = 2;
/** Binaries are text if they are valid UTF-8. */
export const FLAG_BINARIES_AUTO = 0;
/** Binaries are bytes. */
export const FLAG_BINARIES_BUFFER = 4;
/** Binaries are text. */
export const FLAG_BINARIES_STRING = 8;
/** The call may be repeated. */
export const FLAG_IDEMPOTENT = 16;
/** The answer may be a stream. */
export const FLAG_STREAM = 32;
