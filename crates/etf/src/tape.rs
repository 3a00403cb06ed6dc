//! The tape: the flat form in which terms cross between Rust and JavaScript.
//!
//! This page is its grammar; `src/codec/tape.ts` is generated from the numbers below. Both sides are built
//! together, so the format may change with every version.
//!
//! # Parts
//!
//! | part of [`Tape`] or [`TapeRef`] | holds |
//! | --- | --- |
//! | words | the term in pre-order |
//! | floats | doubles, in the order in which words refer to them |
//! | latin1, utf16 | text, in tapes from Rust |
//! | text | text, in tapes from JavaScript |
//! | atoms | the length of each atom's name, in UTF-16 units |
//! | shapes | two words each, see [Shapes](#shapes) |
//! | names | the names of all atoms, then the joined keys of all shapes; UTF-8 |
//! | source | bytes of binaries and big integers; in tapes from Rust the decoded bytes |
//!
//! Rust has these parts as slices. JavaScript has three shared buffers, of words, doubles and bytes, which
//! begin with a [`frame`] header.
//!
//! # Words
//!
//! The low four bits of a word are its tag, the other 28 its payload. `term*n` means n terms.
//!
//! | tag | payload | followed by | term |
//! | --- | --- | --- | --- |
//! | [`INT`] | the integer, signed | | integer of 28 bits |
//! | [`WIDE`] | 0 | | the next double as an integer of up to 53 bits |
//! | [`BIG`] | bytes × 2 + 1 if negative | place in the source | integer; little-endian bytes |
//! | [`FLOAT`] | 0 | | the next double as a float |
//! | [`CONST`] | [`FALSE`] … [`EMPTY_MAP`] | | that constant |
//! | [`ATOM`] | index | | that atom |
//! | [`TEXT8`] | bytes | | binary: the next text of the current Latin-1 chunk |
//! | [`TEXT16`] | units | | binary: the next text of the current UTF-16 chunk |
//! | [`TEXT`] | units | | binary: the next text (JavaScript) |
//! | [`BYTES`] | bytes | place in the source | binary |
//! | [`BYTELIST`] | bytes | place in the source | list of integers from 0 to 255 |
//! | [`LIST`] | items, n > 0 | term\*n | proper list |
//! | [`TUPLE`] | elements, n | term\*n | tuple |
//! | [`MAP`] | pairs, n, × 4 + [`KEYS_MIXED`], [`KEYS_ATOMS`] or [`KEYS_TEXT`] | (key term)\*n | map |
//! | [`OBJECT`] | index of a shape with n keys | term\*n | map with these keys |
//! | [`EXT`] | rest × 16 + kind | see below | |
//!
//! A place in the source is an offset in bytes. In tapes from JavaScript it may also be [`OUT_OF_BAND`] +
//! the index of a buffer that accompanies the tape; keys of maps and terms of funs are never out of band.
//!
//! Tapes from JavaScript may mark binaries as bytes. Encoders then write nonempty [`BYTES`] as
//! BIT_BINARY_EXT of whole bytes, which Erlang reads as an ordinary binary.
//!
//! The kinds of [`EXT`] have a rest of 24 bits:
//!
//! | kind | rest | followed by | term |
//! | --- | --- | --- | --- |
//! | [`INLINE`] | characters, n | n / 4 words, rounded up | binary of ASCII, four characters a word, lowest first |
//! | [`WIDE_TEXT`] | units | | binary: the next UTF-16 text (JavaScript) |
//! | [`DOUBLES`] | items, n > 0 | | list of the next n doubles (JavaScript) |
//! | [`IMPROPER`] | items, n > 0 | term\*(n + 1) | improper list, its tail last |
//! | [`MIXED`] | shape × 4 + type of keys as in `MAP` | term for each key; pairs, n; (key term)\*n | map that begins like a shape |
//! | [`BITSTRING`] | bits of the last byte, 1 to 7 | bytes; place in the source | bit string |
//! | [`PID`] | 0 | node (an index of an atom); id; serial; creation | pid |
//! | [`PORT`] | 0 | node; high and low half of the id; creation | port |
//! | [`REFERENCE`] | ids, n, 1 to 5 | node; creation; n ids | reference |
//! | [`EXTFUN`] | arity | module; function | `fun M:F/A` |
//! | [`NATIVE_RECORD`] | fields, n | 1 if exported, else 0; module; name; n names; term\*n | native record of OTP 29 |
//! | [`FUN`] | arity | free variables, n; four words of uniq; index; module; term\*(n + 3) | closure; old index, old uniq and pid first |
//!
//! Some kinds are not terms:
//!
//! | kind | rest | followed by | meaning |
//! | --- | --- | --- | --- |
//! | [`NEXT8`], [`NEXT16`] | 0 | length, in bytes or units | the next chunk of Latin-1 or UTF-16 begins (Rust) |
//! | [`NEXT_PART`] | 0 | | a part ends: JavaScript fetches the next words and doubles (Rust) |
//! | [`TEXT_FORM`] | [`TEXT_UTF8`], [`TEXT_ASCII`] or [`TEXT_UTF16`] | place in the text | text in that form continues there (JavaScript) |
//!
//! JavaScript makes one string of each chunk and slices the others from it. Chunks are limited so that a
//! string that is kept does not keep the whole message. They end with a whole string.
//!
//! # Limits
//!
//! [`MAX_PAYLOAD`], [`MAX_PAIRS`] for maps, [`MAX_BIG`] for the bytes of an integer, [`MAX_REST`] for a rest.
//! Writers refuse what does not fit; readers compare each count with what is left.
//!
//! # Shapes
//!
//! A shape is a sequence of 1 to [`MAX_SHAPE_KEYS`] different keys, each 1 to [`MAX_SHAPE_KEY_LENGTH`]
//! characters of ASCII without NUL. Its first word is the number of keys × 2 + [`SHAPE_ATOMS`] or
//! [`SHAPE_TEXT`]. The lowest [`SHAPE_LENGTH_BITS`] bits of its second word are the length of the keys joined
//! by NUL. The bits above are the shape's number in this process (Rust; 0 = none), which spares a reader
//! the keys.
//!
//! # Header
//!
//! In shared buffers a tape begins with the [`frame::LENGTH`] words of [`frame`], followed by the words of
//! the term, the atoms and the shapes. Offsets count from the beginning of a buffer, in its units.

use crate::numbers;

mod memory;
mod messages;

pub use memory::*;
pub use messages::*;

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
    /// What all keys of a map are.
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
    /// Shapes: what their keys are, and their limits.
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
    /// The largest counts, and the bit of a place in the source that makes it an index out of band.
    pub const LIMITS {
        MAX_PAYLOAD = (1 << 28) - 1;
        MAX_BIG = (1 << 27) - 1;
        MAX_PAIRS = (1 << 26) - 1;
        MAX_REST = (1 << 24) - 1;
        OUT_OF_BAND = 1 << 31;
        /// The most fields of a native record: its head must fit a part of a tape.
        MAX_FIELDS = 1024;
    }
}

numbers! {
    /// How deep terms may be nested by default and at most. JavaScript recurses that deep on its main thread
    /// and on worker threads with default stacks.
    pub const DEPTHS {
        DEFAULT_DEPTH = 1000;
        MAX_DEPTH = 1500;
    }
}

/// The words of the header of a tape in the shared buffers.
pub mod frame {
    use crate::numbers;

    numbers! {
        /// The words of the header, in order.
        pub const FIELDS {
            /// The words of the term.
            WORDS = 0;
            ATOMS = 1;
            SHAPES = 2;
            /// The first double.
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
            /// Only in tapes from JavaScript; those from Rust come with the bytes.
            SOURCE_LENGTH = 11;
            /// How many buffers are out of band, in tapes from JavaScript.
            OUT_OF_BAND = 12;
            /// 1 if binaries are marked as bytes, in tapes from JavaScript.
            MARK_BYTES = 13;
        }
    }

    /// Its length in words.
    pub const LENGTH: usize = FIELDS.len();
}

/// A word of tag and payload.
pub const fn word(tag: u32, payload: u32) -> u32 {
    payload << 4 | tag
}

/// A word of the tag EXT.
pub const fn ext(kind: u32, rest: u32) -> u32 {
    word(EXT, rest << 4 | kind)
}
