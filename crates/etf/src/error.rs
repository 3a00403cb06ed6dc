//! Why bytes are no term, or a tape no message.

use std::fmt;

/// Bytes cannot be decoded.
#[derive(Clone, Debug, PartialEq)]
pub struct DecodeError {
    /// What is wrong.
    pub kind: DecodeErrorKind,
    /// Where, in bytes from the begin of the encoding.
    pub offset: usize,
}

/// What is wrong with an encoding.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum DecodeErrorKind {
    /// The bytes end in the middle of the term.
    Truncated,
    /// The first byte is not 131.
    Version,
    /// A byte that begins no term.
    Tag(u8),
    /// Compressed terms are inflated before they are decoded, where that is allowed.
    Compressed,
    /// A term that only the node that has encoded it can decode.
    Local,
    /// An atom whose name is not UTF-8.
    AtomText,
    /// An atom of more than 255 characters.
    AtomLength,
    /// An atom that is not known, in safe mode.
    UnknownAtom(String),
    /// An external function, in safe mode.
    ExternalFunction,
    /// A number that is NaN, infinite, or no number.
    Float,
    /// A bit string whose count of used bits is impossible.
    Bits,
    /// A map with the same key twice.
    DuplicateKey,
    /// A map with more than this many numeric keys that share a bucket of JavaScript's Map.
    CollidingKeys(u32),
    /// A part of a pid, port, reference or function is of the wrong kind or out of range.
    Field(&'static str),
    /// A binary that is not UTF-8, where only text is wanted.
    BinaryText,
    /// Nested deeper than this.
    Depth(u32),
    /// More terms than this.
    Terms(u32),
    /// The value would take more than this many bytes in V8.
    ValueSize(usize),
    /// More bytes or elements than a tape can say.
    Size,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use DecodeErrorKind as Kind;
        match &self.kind {
            Kind::Truncated => write!(f, "the encoding ends in the middle of a term")?,
            Kind::Version => write!(f, "the encoding does not begin with the version byte 131")?,
            Kind::Tag(tag) => write!(f, "tag {tag} begins no term")?,
            Kind::Compressed => write!(
                f,
                "the term is compressed, which only decode() accepts, with the option compressed"
            )?,
            Kind::Local => write!(
                f,
                "the term was encoded by term_to_binary with the option local, so only its own node \
                 can decode it"
            )?,
            Kind::AtomText => write!(f, "an atom's name is not UTF-8")?,
            Kind::AtomLength => write!(f, "an atom's name has more than 255 characters")?,
            Kind::UnknownAtom(name) => {
                write!(f, "the atom {name:?} is not known here (decodeUnsafeTerms is false)")?;
            }
            Kind::ExternalFunction => {
                write!(f, "external functions are not taken (decodeUnsafeTerms is false)")?;
            }
            Kind::Float => write!(f, "a float is not a finite number")?,
            Kind::Bits => write!(f, "a bit string has an impossible count of bits")?,
            Kind::DuplicateKey => write!(f, "a map has the same key twice")?,
            Kind::CollidingKeys(limit) => write!(
                f,
                "a map has more than {limit} numbers as keys whose hashes collide in JavaScript"
            )?,
            Kind::Field(field) => write!(f, "{field} is not as it must be")?,
            Kind::BinaryText => write!(f, "a binary is not UTF-8 (binaries is 'string')")?,
            Kind::Depth(limit) => write!(f, "terms are nested deeper than maxDepth, {limit}")?,
            Kind::Terms(limit) => write!(f, "there are more terms than maxTerms, {limit}")?,
            Kind::ValueSize(limit) => {
                write!(
                    f,
                    "the value would take more than {limit} bytes, half of V8's heap limit "
                )?;
                write!(f, "(--max-old-space-size raises it)")?;
            }
            Kind::Size => write!(f, "a term is larger than a message can be")?,
        }
        write!(f, ", at byte {}", self.offset)
    }
}

impl std::error::Error for DecodeError {}

/// A tape cannot be encoded.
#[derive(Clone, Debug, PartialEq)]
pub struct EncodeError {
    /// What is wrong.
    pub kind: EncodeErrorKind,
    /// Where, in words of the tape.
    pub word: usize,
}

/// What is wrong with a tape.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum EncodeErrorKind {
    /// The tape ends in the middle of the term, or refers to what is not there.
    Truncated,
    /// A word that begins no term, or an impossible payload.
    Word(u32),
    /// Words are left after the term.
    Trailing,
    /// A double that is not finite, or an integer that is none.
    Number,
    /// Text is not well-formed, or a count splits a character.
    Text,
    /// An atom's name is not UTF-8 or too long.
    Atom,
    /// A shape whose keys are not as it says, or repeat.
    Shape,
    /// A map with the same key twice.
    DuplicateKey,
    /// A fun whose first terms are not two integers of 32 bits and a pid.
    Fun,
    /// A native record with more fields than this.
    Fields(u32),
    /// Nested deeper than this.
    Depth(u32),
    /// The encoding is larger than this, in bytes.
    TooLarge(usize),
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use EncodeErrorKind as Kind;
        match &self.kind {
            Kind::Truncated => write!(f, "the tape ends in the middle of a term")?,
            Kind::Word(word) => write!(f, "word {word:#x} begins no term")?,
            Kind::Trailing => write!(f, "the tape goes on after the term")?,
            Kind::Number => write!(f, "a number is not finite")?,
            Kind::Text => return write!(f, "text with a lone surrogate is no term"),
            Kind::Atom => return write!(f, "an atom's name has more than 255 characters"),
            Kind::Shape => write!(f, "a shape is not as it says")?,
            Kind::DuplicateKey => return write!(f, "a map has two keys that are the same term"),
            Kind::Fun => write!(f, "a fun does not begin with two integers and a pid")?,
            Kind::Fields(limit) => {
                return write!(f, "a native record has more than {limit} fields");
            }
            Kind::Depth(limit) => return write!(f, "terms are nested deeper than {limit}"),
            Kind::TooLarge(limit) => {
                return write!(f, "the encoding is larger than the limit of {limit} bytes");
            }
        }
        write!(f, ", at word {} of the tape", self.word)
    }
}

impl std::error::Error for EncodeError {}
