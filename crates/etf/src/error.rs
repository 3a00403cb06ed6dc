use std::fmt;

/// Why bytes cannot be decoded.
#[derive(Clone, Debug, PartialEq)]
pub struct DecodeError {
    pub kind: DecodeErrorKind,
    /// In bytes.
    pub offset: usize,
}

/// `Display` explains each kind.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum DecodeErrorKind {
    Truncated,
    Version,
    Tag(u8),
    Compressed,
    Local,
    AtomText,
    AtomLength,
    UnknownAtom(String),
    ExternalFunction,
    Float,
    Bits,
    DuplicateKey,
    CollidingKeys(u32),
    Field(&'static str),
    BinaryText,
    Depth(u32),
    Terms(u32),
    ValueSize(usize),
    Size,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use DecodeErrorKind as Kind;
        match &self.kind {
            Kind::Truncated => write!(f, "the encoding ends in the middle of a term")?,
            Kind::Version => write!(f, "the encoding does not begin with the version byte 131")?,
            Kind::Tag(tag) => write!(f, "tag {tag} does not begin a term")?,
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
                write!(
                    f,
                    "the atom {name:?} is unknown to this program (option decodeUnsafeTerms is false)"
                )?;
            }
            Kind::ExternalFunction => {
                write!(
                    f,
                    "external functions are not accepted (option decodeUnsafeTerms is false)"
                )?;
            }
            Kind::Float => write!(f, "a float is not a finite number")?,
            Kind::Bits => write!(f, "a bit string has an invalid number of bits")?,
            Kind::DuplicateKey => write!(f, "a map has the same key twice")?,
            Kind::CollidingKeys(limit) => {
                write!(f, "a map has more than {limit} keys whose hashes collide in JavaScript")?
            }
            Kind::Field(field) => write!(f, "{field} is invalid")?,
            Kind::BinaryText => write!(f, "a binary is not UTF-8 (option binaries is 'string')")?,
            Kind::Depth(limit) => {
                write!(f, "terms are nested deeper than {limit} levels (option maxDepth)")?
            }
            Kind::Terms(limit) => write!(f, "there are more than {limit} terms (option maxTerms)")?,
            Kind::ValueSize(limit) => {
                write!(
                    f,
                    "the value would take more than {limit} bytes, half of V8's heap limit "
                )?;
                write!(f, "(--max-old-space-size raises it)")?;
            }
            Kind::Size => write!(f, "a term is larger than the codec supports")?,
        }
        write!(f, ", at byte {}", self.offset)
    }
}

impl std::error::Error for DecodeError {}

/// Why a tape cannot be encoded.
#[derive(Clone, Debug, PartialEq)]
pub struct EncodeError {
    pub kind: EncodeErrorKind,
    /// In words of the tape.
    pub word: usize,
}

/// `Display` explains each kind.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum EncodeErrorKind {
    Truncated,
    Word(u32),
    Trailing,
    Number,
    Text,
    Atom,
    Shape,
    DuplicateKey,
    Fun,
    Fields(u32),
    Depth(u32),
    TooLarge(usize),
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use EncodeErrorKind as Kind;
        match &self.kind {
            Kind::Truncated => write!(f, "the tape ends in the middle of a term")?,
            Kind::Word(word) => write!(f, "word {word:#x} does not begin a term")?,
            Kind::Trailing => write!(f, "the tape goes on after the term")?,
            Kind::Number => write!(f, "a number is not finite")?,
            Kind::Text => return write!(f, "text has a lone surrogate"),
            Kind::Atom => return write!(f, "an atom's name has more than 255 characters"),
            Kind::Shape => write!(f, "a shape does not match its keys")?,
            Kind::DuplicateKey => return write!(f, "a map has two keys that are the same term"),
            Kind::Fun => write!(f, "a fun does not begin with two integers and a pid")?,
            Kind::Fields(limit) => {
                return write!(f, "a native record has more than {limit} fields");
            }
            Kind::Depth(limit) => return write!(f, "terms are nested deeper than {limit} levels"),
            Kind::TooLarge(limit) => {
                return write!(f, "the encoding is larger than the limit of {limit} bytes");
            }
        }
        write!(f, ", at word {} of the tape", self.word)
    }
}

impl std::error::Error for EncodeError {}
