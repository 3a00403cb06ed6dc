//! The tape: the flat form of terms that crosses between Rust and JavaScript.
//!
//! The format may change with every version. `src/codec/tape.ts` is generated from the numbers
//! below.
//!
//! # Words
//!
//! The low four bits of a word are its tag, the other 28 its payload. `term*n` means n terms. `(R)`
//! occurs only in tapes from Rust, `(J)` only in tapes from JavaScript.
//!
//! ```text
//! tag       payload                    followed by          term
//! INT       signed integer                                  integer
//! WIDE      0                                               the next double as an integer
//! BIG       bytes × 2 + 1 if negative  place                integer; little-endian bytes
//! FLOAT     0                                               the next double
//! CONST     FALSE … EMPTY_MAP                               that constant
//! ATOM      index                                           atom
//! TEXT8     bytes                                           binary: next text of the Latin-1 chunk
//! TEXT16    units                                           binary: next text of the UTF-16 chunk
//! TEXT      units                                           binary: next text (J)
//! BYTES     bytes                      place                binary
//! BYTELIST  bytes                      place                list of integers from 0 to 255
//! LIST      n > 0                      term*n               proper list
//! TUPLE     n                          term*n               tuple
//! MAP       n × 4 + KEYS_…             (key term)*n         map
//! OBJECT    shape of n keys            term*n               map
//! EXT       rest × 16 + kind           see below
//!
//! kind of EXT    rest                 followed by
//! INLINE         characters, n        ⌈n / 4⌉ words: binary of ASCII, lowest byte first
//! WIDE_TEXT      units                binary: next UTF-16 text (J)
//! DOUBLES        n > 0                list of the next n doubles (J)
//! IMPROPER       n > 0                term*n; tail
//! MIXED          shape × 4 + KEYS_…   term for each key; n; (key term)*n: map that begins like a shape
//! BITSTRING      bits of last byte    bytes; place
//! PID            0                    node; id; serial; creation
//! PORT           0                    node; high and low half of id; creation
//! REFERENCE      n, 1 to 5            node; creation; n ids
//! EXTFUN         arity                module; function
//! NATIVE_RECORD  n                    exported; module; name; n names; term*n
//! FUN            arity                n; four words of uniq; index; module; term*(n + 3)
//! NEXT8, NEXT16  0                    length: the next chunk of text begins (R)
//! NEXT_PART      0                    a part ends; JavaScript fetches the next (R)
//! TEXT_FORM      TEXT_UTF8, …         place: text in this form continues there (J)
//! ```
//!
//! A place is an offset in the source, or (J) [`OUT_OF_BAND`] + the index of an out-of-band buffer,
//! except in keys of maps and terms of funs. Nodes, modules, functions and names are indices of
//! atoms. The first terms of a fun are old index, old uniq and pid.
//!
//! Encoders write nonempty [`BYTES`] of marked tapes as BIT_BINARY_EXT of whole bytes, which Erlang
//! reads as ordinary binaries.
//!
//! JavaScript slices the strings of a chunk from one string. Chunks are short, so that a retained
//! slice does not retain the whole message, and end with a whole string.
//!
//! # Limits
//!
//! [`MAX_PAYLOAD`], [`MAX_PAIRS`] for maps, [`MAX_BIG`] for the bytes of an integer, [`MAX_REST`]
//! for a rest. Writers refuse anything larger; readers check each count against the remaining
//! input.
//!
//! # Shapes
//!
//! A shape is a sequence of 1 to [`MAX_SHAPE_KEYS`] different keys, each 1 to
//! [`MAX_SHAPE_KEY_LENGTH`] characters of ASCII without NUL. Its first word is the number of keys ×
//! 2 + [`SHAPE_ATOMS`] or [`SHAPE_TEXT`]. The lowest [`SHAPE_LENGTH_BITS`] bits of its second word
//! are the length of the keys joined by NUL. The others are the shape's number in this process (R;
//! 0 = none), so that readers need not compare keys.
//!
//! # Header
//!
//! JavaScript has tapes in three shared buffers: words, doubles and bytes. The words begin with the
//! header of [`frame`], followed by the term, the atoms and the shapes. Offsets count from the
//! start of a buffer, in its units.

use crate::numbers;

mod memory;

pub use memory::*;

numbers! {
    /// Tags.
    pub const TAGS {
        INT = 0;
        TEXT8 = 1;
        OBJECT = 2;
        LIST = 3;
        FLOAT = 4;
        CONST = 5;
        ATOM = 6;
        TUPLE = 7;
        BYTES = 8;
        TEXT16 = 9;
        MAP = 10;
        WIDE = 11;
        BIG = 12;
        BYTELIST = 13;
        EXT = 14;
        TEXT = 15;
    }
}

numbers! {
    /// Payloads of CONST.
    pub const CONSTANTS {
        FALSE = 0;
        TRUE = 1;
        NIL = 2;
        UNDEFINED = 3;
        EMPTY_LIST = 4;
        EMPTY_TEXT = 5;
        EMPTY_MAP = 6;
    }
}

numbers! {
    /// Kinds of EXT.
    pub const KINDS {
        IMPROPER = 0;
        BITSTRING = 1;
        PID = 2;
        PORT = 3;
        REFERENCE = 4;
        EXTFUN = 5;
        FUN = 6;
        MIXED = 7;
        NEXT8 = 8;
        NEXT16 = 9;
        INLINE = 10;
        TEXT_FORM = 11;
        DOUBLES = 12;
        WIDE_TEXT = 13;
        NEXT_PART = 14;
        NATIVE_RECORD = 15;
    }
}

numbers! {
    /// The kind of a map's keys.
    pub const KEYS {
        KEYS_MIXED = 0;
        KEYS_ATOMS = 1;
        KEYS_TEXT = 2;
    }
}

numbers! {
    /// Forms of text in tapes from JavaScript.
    pub const FORMS {
        TEXT_UTF8 = 0;
        TEXT_ASCII = 1;
        TEXT_UTF16 = 2;
    }
}

numbers! {
    /// Shapes: the kind of their keys, and their limits.
    pub const SHAPES {
        SHAPE_ATOMS = 0;
        SHAPE_TEXT = 1;
        MAX_SHAPE_KEYS = 64;
        MAX_SHAPE_KEY_LENGTH = 255;
        SHAPE_LENGTH_BITS = 15;
        SHAPE_LENGTH = (1 << SHAPE_LENGTH_BITS) - 1;
    }
}

numbers! {
    /// The largest counts, and the bit that marks a place as an index of an out-of-band buffer.
    pub const LIMITS {
        MAX_PAYLOAD = (1 << 28) - 1;
        MAX_BIG = (1 << 27) - 1;
        MAX_PAIRS = (1 << 26) - 1;
        MAX_REST = (1 << 24) - 1;
        OUT_OF_BAND = 1 << 31;
        MAX_FIELDS = 1024;
    }
}

numbers! {
    /// JavaScript recurses this deep with its default stack.
    pub const DEPTHS {
        DEFAULT_DEPTH = 1000;
        MAX_DEPTH = 1500;
    }
}

/// The header of a tape in the shared buffers.
pub mod frame {
    use crate::numbers;

    numbers! {
        /// The words of the header, in order.
        pub const FIELDS {
            WORDS = 0;
            ATOMS = 1;
            SHAPES = 2;
            /// Where the doubles start.
            FLOATS = 3;
            FLOAT_COUNT = 4;
            /// Latin-1 in tapes from Rust.
            TEXT = 5;
            TEXT_LENGTH = 6;
            /// Only in tapes from Rust.
            UTF16 = 7;
            NAMES = 8;
            NAMES_LENGTH = 9;
            SOURCE = 10;
            /// Only in tapes from JavaScript.
            SOURCE_LENGTH = 11;
            /// Only in tapes from JavaScript.
            OUT_OF_BAND = 12;
            /// Only in tapes from JavaScript: 1 if binaries are marked as bytes.
            MARK_BYTES = 13;
        }
    }

    /// In words.
    pub const LENGTH: usize = FIELDS.len();
}

pub const fn word(tag: u32, payload: u32) -> u32 {
    payload << 4 | tag
}

pub const fn ext(kind: u32, rest: u32) -> u32 {
    word(EXT, rest << 4 | kind)
}
