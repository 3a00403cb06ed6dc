//! Terms that outlive a call and change threads.

use std::sync::Arc;

use backwater_etf::{Binaries, DecodeOptions, KnownAtoms, TapeRef, TextForm};

/// Owns a tape to be encoded.
///
/// ```
/// use backwater_transport::{OwnedTape, TapeSource};
/// let empty_list = OwnedTape { words: vec![4 << 4 | 5], ..OwnedTape::default() };
/// assert_eq!(empty_list.as_tape_ref().words, [0x45]);
/// ```
pub trait TapeSource: Send + Sync + 'static {
    fn as_tape_ref(&self) -> TapeRef<'_>;
}

/// A tape with its own buffers; see `backwater_etf::tape`.
#[derive(Clone, Debug, Default)]
pub struct OwnedTape {
    pub words: Vec<u32>,
    pub floats: Vec<f64>,
    pub latin1: Vec<u8>,
    pub utf16: Vec<u16>,
    pub text: Vec<u8>,
    pub text_form: TextForm,
    pub source: Vec<u8>,
    pub atoms: Vec<u32>,
    pub shapes: Vec<[u32; 2]>,
    pub names: Vec<u8>,
    pub mark_bytes: bool,
}

impl TapeSource for OwnedTape {
    fn as_tape_ref(&self) -> TapeRef<'_> {
        TapeRef {
            words: &self.words,
            floats: &self.floats,
            latin1: &self.latin1,
            utf16: &self.utf16,
            text: &self.text,
            text_form: self.text_form,
            source: &self.source,
            atoms: &self.atoms,
            shapes: &self.shapes,
            names: &self.names,
            out_of_band: &[],
            mark_bytes: self.mark_bytes,
        }
    }
}

/// Approximate size in bytes.
pub(crate) fn tape_size(tape: TapeRef<'_>) -> usize {
    tape.words.len() * 4
        + tape.latin1.len()
        + tape.utf16.len() * 2
        + tape.text.len()
        + tape.source.len()
        + tape.out_of_band.iter().map(Vec::len).sum::<usize>()
}

#[derive(Clone)]
pub struct OwnedDecodeOptions {
    pub exact: bool,
    pub binaries: Binaries,
    /// `None` accepts all atoms.
    pub known_atoms: Option<Arc<dyn KnownAtoms + Send + Sync>>,
    pub max_depth: u32,
    pub max_terms: u32,
    pub max_value_size: usize,
}

impl Default for OwnedDecodeOptions {
    fn default() -> Self {
        let options = DecodeOptions::default();
        Self {
            exact: options.exact,
            binaries: options.binaries,
            known_atoms: None,
            max_depth: options.max_depth,
            max_terms: options.max_terms,
            max_value_size: options.max_value_size,
        }
    }
}

impl OwnedDecodeOptions {
    pub fn as_options(&self) -> DecodeOptions<'_> {
        DecodeOptions {
            exact: self.exact,
            binaries: self.binaries,
            known_atoms: self.known_atoms.as_deref().map(|atoms| atoms as &dyn KnownAtoms),
            max_depth: self.max_depth,
            max_terms: self.max_terms,
            max_value_size: self.max_value_size,
            ..DecodeOptions::default()
        }
    }
}

impl std::fmt::Debug for OwnedDecodeOptions {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("OwnedDecodeOptions")
            .field("exact", &self.exact)
            .field("safe", &self.known_atoms.is_some())
            .field("max_depth", &self.max_depth)
            .field("max_terms", &self.max_terms)
            .finish_non_exhaustive()
    }
}
