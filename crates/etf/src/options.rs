use crate::tape::DEFAULT_DEPTH;

/// What binaries become.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Binaries {
    /// Bytes if marked as such or not UTF-8, otherwise text.
    #[default]
    Text,
    Buffer,
    /// Text. Other bytes are refused.
    String,
}

/// The atoms that safe decoding accepts. A table must never shrink, and belongs to one decoder,
/// which caches its atoms.
pub trait KnownAtoms: Sync {
    fn is_known(&self, name: &str) -> bool;
}

#[derive(Clone, Copy)]
pub struct DecodeOptions<'a> {
    /// Whether floats, binaries and maps keep their exact form.
    pub exact: bool,
    /// Ignored if `exact` is set.
    pub binaries: Binaries,
    /// `None` accepts all atoms and external functions.
    pub known_atoms: Option<&'a dyn KnownAtoms>,
    pub max_depth: u32,
    /// Each byte of STRING_EXT counts.
    pub max_terms: u32,
    /// Limits [`Tape::value_size`](crate::Tape::value_size).
    pub max_value_size: usize,
    /// Bytes or UTF-16 units per chunk of text.
    pub chunk: u32,
    /// Approximate words per part; see [`Cut`](crate::Cut).
    pub part: usize,
}

/// Small enough for the CPU's caches.
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

#[derive(Clone, Copy, Debug)]
pub struct EncodeOptions {
    /// In bytes.
    pub max_size: usize,
    pub max_depth: u32,
}

impl Default for EncodeOptions {
    fn default() -> Self {
        Self { max_size: 256 * 1024 * 1024 - 1, max_depth: DEFAULT_DEPTH }
    }
}
