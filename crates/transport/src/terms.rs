//! Terms that outlive a call and change threads.

use backwater_etf::TapeRef;

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
