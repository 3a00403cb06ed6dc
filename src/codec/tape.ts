/**
 * The tape: the flat form in which terms cross between JavaScript and Rust. Its grammar stands in
 * crates/etf/src/tape.rs; these are the numbers. A word is `payload << 4 | tag`.
 */
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

/** Payloads of CONST. */
export const FALSE = 0;
export const TRUE = 1;
export const NIL = 2;
export const UNDEFINED = 3;
export const EMPTY_LIST = 4;
export const EMPTY_TEXT = 5;
export const EMPTY_MAP = 6;

/** The low four bits of the payload of EXT. */
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
/** ASCII text in the words that follow, four characters each, the first one lowest. */
export const INLINE = 10;
/** Text of the form that it says comes from here on from the place in the text that the next word says. */
export const TEXT_FORM = 11;
/** A list of so many doubles, which are no integers, in tapes from JavaScript. */
export const DOUBLES = 12;
/** So many units of the text in UTF-16. */
export const WIDE_TEXT = 13;
/** A part of the tape ends here, in tapes from Rust that are read in parts. */
export const NEXT_PART = 14;

/** An offset with this bit is the number of a binary that stands apart, in tapes from JavaScript. */
export const APART = 0x80000000;

/** The low two bits of the payload of MAP: what all its keys are. */
export const KEYS_MIXED = 0;
export const KEYS_ATOMS = 1;
export const KEYS_TEXT = 2;

/** Kinds of a shape's keys. */
export const SHAPE_ATOMS = 0;
export const SHAPE_TEXT = 1;

/** The most keys that a map written as OBJECT may have. */
export const MAX_SHAPE_KEYS = 64;
/** The longest key of a shape, in bytes. */
export const MAX_SHAPE_KEY_LENGTH = 255;

/** The second word of a shape from Rust: the length of its joined keys, and above that its number. */
export const SHAPE_LENGTH_BITS = 15;
export const SHAPE_LENGTH = (1 << SHAPE_LENGTH_BITS) - 1;

/** How the text of a tape from JavaScript is written. */
export const TEXT_UTF8 = 0;
export const TEXT_ASCII = 1;
export const TEXT_UTF16 = 2;

/** Words of the frame header that precedes each tape; see `Frame`. */
export const FRAME_WORDS = 14;

/**
 * Where the parts of one tape lie in the shared areas: the words of its header, in order.
 * Offsets and lengths are in units of the area that they speak of.
 */
export const Frame = {
  /** Words of the term; they follow the header, then the atoms, then the shapes. */
  words: 0,
  atoms: 1,
  shapes: 2,
  /** First double, in the area of doubles. */
  floats: 3,
  floatCount: 4,
  /** Byte offset of the text: latin1 in tapes from Rust, as `textForm` says in tapes from JavaScript. */
  text: 5,
  textLength: 6,
  /** Byte offset of the UTF-16 text, in tapes from Rust. */
  utf16: 7,
  /** TEXT_UTF8 … TEXT_UTF16, in tapes from JavaScript. */
  textForm: 7,
  /** Byte offset of the names. */
  names: 8,
  namesLength: 9,
  /** Byte offset of the source. */
  source: 10,
  /** Its length, in tapes from JavaScript. */
  sourceLength: 11,
  /** The nesting depth, in tapes from Rust. */
  depth: 11,
  /** The first of the binaries that stand apart, among those of the outbox, in tapes from JavaScript. */
  apart: 12,
  /** How many there are. */
  apartCount: 13,
} as const;

/** How deep terms may be nested by default, and at most. */
export const DEFAULT_DEPTH = 1000;
export const MAX_DEPTH = 1500;
