// Generated from crates/etf/src/tape.rs, where the grammar of the tape stands. Run `npm run numbers` after a change there.

// Tags: the low four bits of a word. The others are its payload.
export const INT = 0;
export const TEXT8 = 1;
export const OBJECT = 2;
export const LIST = 3;
export const FLOAT = 4;
export const CONST = 5;
export const ATOM = 6;
export const TUPLE = 7;
export const BYTES = 8;
export const TEXT16 = 9;
export const MAP = 10;
export const WIDE = 11;
export const BIG = 12;
export const BYTELIST = 13;
export const EXT = 14;
export const TEXT = 15;

// Payloads of CONST.
export const FALSE = 0;
export const TRUE = 1;
export const NIL = 2;
export const UNDEFINED = 3;
export const EMPTY_LIST = 4;
export const EMPTY_TEXT = 5;
export const EMPTY_MAP = 6;

// Kinds of EXT: the low four bits of its payload.
export const IMPROPER = 0;
export const BITSTRING = 1;
export const PID = 2;
export const PORT = 3;
export const REFERENCE = 4;
export const EXTFUN = 5;
export const FUN = 6;
export const MIXED = 7;
export const NEXT8 = 8;
export const NEXT16 = 9;
export const INLINE = 10;
export const TEXT_FORM = 11;
export const DOUBLES = 12;
export const WIDE_TEXT = 13;
export const NEXT_PART = 14;
export const NATIVE_RECORD = 15;

// What all keys of a map are: the low two bits of its payload.
export const KEYS_MIXED = 0;
export const KEYS_ATOMS = 1;
export const KEYS_TEXT = 2;

// Forms of text in tapes from JavaScript.
export const TEXT_UTF8 = 0;
export const TEXT_ASCII = 1;
export const TEXT_UTF16 = 2;

// Shapes.
export const SHAPE_ATOMS = 0;
export const SHAPE_TEXT = 1;
export const MAX_SHAPE_KEYS = 64;
export const MAX_SHAPE_KEY_LENGTH = 255;
export const SHAPE_LENGTH_BITS = 15;
export const SHAPE_LENGTH = 32767;

// Limits, and the bit of a place in the source that makes it an index out of band.
export const MAX_PAYLOAD = 268435455;
export const MAX_BIG = 134217727;
export const MAX_PAIRS = 67108863;
export const MAX_REST = 16777215;
export const OUT_OF_BAND = 2147483648;
/** The most fields of a native record: its head must fit a part of a tape. */
export const MAX_FIELDS = 1024;

// How deep terms may be nested.
export const DEFAULT_DEPTH = 1000;
export const MAX_DEPTH = 1500;

/** The words of the header of a tape, in order. */
export const Frame = {
  /** The words of the term. */
  words: 0,
  atoms: 1,
  shapes: 2,
  /** The first double. */
  floats: 3,
  floatCount: 4,
  /** Latin-1 in tapes from Rust. */
  text: 5,
  textLength: 6,
  /** Only in tapes from Rust. */
  utf16: 7,
  names: 8,
  namesLength: 9,
  source: 10,
  /** Only in tapes from JavaScript; those from Rust come with the bytes. */
  sourceLength: 11,
  /** How many buffers are out of band, in tapes from JavaScript. */
  outOfBand: 12,
  /** 1 if binaries are marked as bytes, in tapes from JavaScript. */
  markBytes: 13,
} as const;
export const FRAME_WORDS = 14;
