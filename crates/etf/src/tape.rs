//! The tape: the flat form in which terms cross between Rust and JavaScript.
//!
//! This page is the grammar of the tape, and the numbers in this module are the only source of it:
//! `src/codec/tape.ts` is generated from them. The format is internal: both sides are built together, and
//! it may change with every version.
//!
//! # Parts
//!
//! A tape consists of the parts of [`Tape`] or [`TapeRef`]:
//!
//! | part | holds |
//! | --- | --- |
//! | words | the term in pre-order, 32 bits a word |
//! | floats | doubles, in the order in which words refer to them |
//! | latin1, utf16 | text, in tapes from Rust |
//! | text | text, in tapes from JavaScript |
//! | atoms | for each atom the length of its name, in UTF-16 units |
//! | shapes | two words for each shape, see [Shapes](#shapes) |
//! | names | the names of all atoms, then the joined keys of all shapes; UTF-8 |
//! | source | bytes of binaries and big integers; in tapes from Rust the encoding that was decoded |
//!
//! Rust reads and writes these parts as slices. JavaScript has them in three shared buffers, one of words,
//! one of doubles and one of bytes, and a [header](#header) says where in them they are.
//!
//! # Words
//!
//! The low four bits of a word are its tag, the other 28 its payload. What follows a word, follows it in
//! the words; `term*n` stands for so many terms.
//!
//! | tag | payload | followed by | term |
//! | --- | --- | --- | --- |
//! | [`INT`] | the integer, signed | | integer of 28 bits |
//! | [`WIDE`] | 0 | | integer of up to 53 bits, which is the next double |
//! | [`BIG`] | bytes × 2 + 1 if negative | place in the source | integer; its bytes are little-endian |
//! | [`FLOAT`] | 0 | | the next double as a float |
//! | [`CONST`] | [`FALSE`] … [`EMPTY_MAP`] | | what its name says |
//! | [`ATOM`] | index | | that atom |
//! | [`TEXT8`] | bytes | | binary; text is the next bytes of the current Latin-1 chunk |
//! | [`TEXT16`] | units | | binary; text is the next units of the current UTF-16 chunk |
//! | [`TEXT`] | units | | binary; text is the next units of the text, in tapes from JavaScript |
//! | [`BYTES`] | bytes | place in the source | binary |
//! | [`BYTELIST`] | bytes | place in the source | list of integers from 0 to 255 |
//! | [`LIST`] | items, n > 0 | term\*n | proper list |
//! | [`TUPLE`] | elements, n | term\*n | tuple |
//! | [`MAP`] | pairs, n, × 4 + what all keys are: [`KEYS_MIXED`], [`KEYS_ATOMS`], [`KEYS_TEXT`] | (key term)\*n | map |
//! | [`OBJECT`] | index of a shape with n keys | term\*n | map of these keys |
//! | [`EXT`] | rest × 16 + kind | see below | |
//!
//! A place in the source is an offset in bytes. In tapes from JavaScript it may be [`OUT_OF_BAND`] + index
//! instead: then the binary is not part of the source, but the buffer of that index among those that
//! accompany the tape. Keys of maps and terms of funs are never out of band.
//!
//! The header of a tape from JavaScript says whether its binaries are marked as bytes: encoders then write
//! [`BYTES`] that are not empty as BIT_BINARY_EXT of whole bytes, which Erlang reads as an ordinary binary.
//!
//! The kinds of [`EXT`] share the payload with a rest of 24 bits:
//!
//! | kind | rest | followed by | term |
//! | --- | --- | --- | --- |
//! | [`INLINE`] | characters, n | n / 4 words, rounded up | binary of ASCII: four characters a word, the first one lowest |
//! | [`WIDE_TEXT`] | units | | binary; text is the next units of the text in UTF-16, in tapes from JavaScript |
//! | [`DOUBLES`] | items, n > 0 | | list of the next n doubles as floats, in tapes from JavaScript |
//! | [`IMPROPER`] | items, n > 0 | term\*(n + 1) | improper list; its tail is last |
//! | [`MIXED`] | shape × 4 + what all keys are | term for each key of the shape; pairs, n; (key term)\*n | map that begins like the shape |
//! | [`BITSTRING`] | bits of the last byte, 1 to 7 | bytes; place in the source | bit string |
//! | [`PID`] | 0 | node (an index of an atom); id; serial; creation | pid |
//! | [`PORT`] | 0 | node; high and low half of the id; creation | port |
//! | [`REFERENCE`] | ids, n, 1 to 5 | node; creation; n ids | reference |
//! | [`EXTFUN`] | arity | module; function | `fun M:F/A` |
//! | [`NATIVE_RECORD`] | fields, n | 1 if it is exported, else 0; module; name; n names (indices of atoms); term\*n | native record of OTP 29 |
//! | [`FUN`] | arity | free variables, n; four words of uniq; index; module; term\*(n + 3) | closure; old index, old uniq and pid come first |
//!
//! and some begin no term, but say something about what follows:
//!
//! | kind | rest | followed by | meaning |
//! | --- | --- | --- | --- |
//! | [`NEXT8`], [`NEXT16`] | 0 | length, in bytes or units | the next chunk of Latin-1 or UTF-16 begins, in tapes from Rust |
//! | [`NEXT_PART`] | 0 | | the words and doubles that JavaScript has end here; it asks for the next part, in tapes from Rust |
//! | [`TEXT_FORM`] | [`TEXT_UTF8`], [`TEXT_ASCII`] or [`TEXT_UTF16`] | place in the text | from here on text of that form is read from there, in tapes from JavaScript |
//!
//! Text is cut into chunks so that a string which is kept does not keep a whole message: JavaScript makes
//! one string of each chunk, and cuts the others from it. A chunk ends with a whole string.
//!
//! # Limits
//!
//! No count is ever larger than its bits: [`MAX_PAYLOAD`], [`MAX_PAIRS`] for the pairs of a map,
//! [`MAX_BIG`] for the bytes of an integer, [`MAX_REST`] for what shares its word with a kind. Whoever
//! writes a tape refuses what does not fit; whoever reads one compares each count with what is left.
//!
//! # Shapes
//!
//! A shape is a sequence of 1 to [`MAX_SHAPE_KEYS`] different keys, each 1 to [`MAX_SHAPE_KEY_LENGTH`]
//! characters of ASCII without NUL. Its first word is the number of keys × 2 + [`SHAPE_ATOMS`] or
//! [`SHAPE_TEXT`], its second one the length of the keys when they are joined by NUL, in the lowest
//! [`SHAPE_LENGTH_BITS`] bits. Above these, tapes from Rust have the number that the shape has in this
//! process, 0 = none: a reader that knows the number needs not look at the keys.
//!
//! # Header
//!
//! In the shared buffers a tape begins with [`frame::LENGTH`] words that say where its parts are; see
//! [`frame`]. The words of the term follow them, then the atoms, then the shapes. Offsets are from the
//! beginning of the buffer, and in its units.

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
    /// The largest counts, and the bit of a place in the source that says that it is an index of a buffer
    /// out of band.
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
    /// How deep terms may be nested by default, and at most: recursion in JavaScript carries that many levels
    /// on the main thread of a process, and on worker threads with the stack that they have by default.
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
            /// How many words the term has.
            WORDS = 0;
            /// How many atoms.
            ATOMS = 1;
            /// How many shapes.
            SHAPES = 2;
            /// The first double.
            FLOATS = 3;
            FLOAT_COUNT = 4;
            /// The text: Latin-1 in tapes from Rust.
            TEXT = 5;
            TEXT_LENGTH = 6;
            /// The UTF-16 text, in tapes from Rust.
            UTF16 = 7;
            NAMES = 8;
            NAMES_LENGTH = 9;
            SOURCE = 10;
            /// In tapes from JavaScript; those from Rust come with the bytes.
            SOURCE_LENGTH = 11;
            /// How many buffers are out of band, in tapes from JavaScript.
            OUT_OF_BAND = 12;
            /// 1 if binaries are marked as bytes, in tapes from JavaScript.
            MARK_BYTES = 13;
        }
    }

    /// The length of the header.
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
