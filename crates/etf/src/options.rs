//! How terms are decoded and encoded.

use crate::tape::DEFAULT_DEPTH;

/// What binaries become in the default mode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Binaries {
    /// Bytes when they are marked as such or are not UTF-8, else text.
    #[default]
    Text,
    /// Bytes, always.
    Buffer,
    /// Text; what is not UTF-8 is refused.
    String,
}

/// The atoms that may come in when decoding is safe. One that is known stays so: decoders remember
/// it, and each is to be used with one table only.
pub trait KnownAtoms {
    /// Whether an atom of that name is known.
    fn is_known(&self, name: &str) -> bool;
}

/// How a term is decoded.
#[derive(Clone, Copy)]
pub struct DecodeOptions<'a> {
    /// Whether floats, binaries and maps keep their exact form.
    pub exact: bool,
    /// What binaries become; exact decoding ignores it.
    pub binaries: Binaries,
    /// The atoms that may come in; external functions may not then. `None` takes all.
    pub known_atoms: Option<&'a dyn KnownAtoms>,
    /// How deep containers may be nested.
    pub max_depth: u32,
    /// How many terms there may be, each item of a string counted as one.
    pub max_terms: u32,
    /// How many bytes the value may take in V8, as [`Tape::value_size`](crate::Tape::value_size)
    /// estimates it.
    pub max_value_size: usize,
    /// The most bytes or UTF-16 units of a chunk of text with more than one string.
    pub chunk: u32,
    /// So many words of the tape, or somewhat more, make a part; see [`Cut`](crate::Cut).
    pub part: usize,
}

/// A part of a tape is copied to where JavaScript reads it, and should stay in the caches meanwhile.
const PART_WORDS: usize = 16 * 1024;

impl Default for DecodeOptions<'_> {
    fn default() -> Self {
        Self {
            exact: false,
            binaries: Binaries::Text,
            known_atoms: None,
            max_depth: DEFAULT_DEPTH,
            max_terms: 16_777_216,
            max_value_size: usize::MAX,
            chunk: 65_536,
            part: PART_WORDS,
        }
    }
}

impl std::fmt::Debug for DecodeOptions<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("DecodeOptions")
            .field("exact", &self.exact)
            .field("safe", &self.known_atoms.is_some())
            .field("max_depth", &self.max_depth)
            .field("max_terms", &self.max_terms)
            .finish_non_exhaustive()
    }
}

/// How a tape is encoded.
#[derive(Clone, Copy, Debug)]
pub struct EncodeOptions {
    /// How long the output may become, in bytes.
    pub max_size: usize,
    /// How deep containers may be nested.
    pub max_depth: u32,
}

impl Default for EncodeOptions {
    fn default() -> Self {
        Self { max_size: 256 * 1024 * 1024 - 1, max_depth: DEFAULT_DEPTH }
    }
}
