use super::{BYTELIST, CONST, EMPTY_LIST, LIST};

/// See [`crate::tape`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tape {
    /// The term in pre-order.
    pub words: Vec<u32>,
    pub floats: Vec<f64>,
    pub latin1: Vec<u8>,
    pub utf16: Vec<u16>,
    /// The lengths of names, in UTF-16 units.
    pub atoms: Vec<u32>,
    pub shapes: Vec<[u32; 2]>,
    /// Names of atoms, then keys of shapes.
    pub names: Vec<u8>,
    pub cuts: Vec<Cut>,
    pub refers_to_source: bool,
    pub(crate) heap: usize,
}

/// The end of a part, after NEXT_PART.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    pub words: usize,
    /// A part never has more doubles than words.
    pub floats: usize,
}

impl Tape {
    /// Removes the content and keeps the memory.
    pub fn clear(&mut self) {
        self.clear_to(usize::MAX);
    }

    /// Also frees vectors larger than `bytes` bytes.
    pub fn clear_to(&mut self, bytes: usize) {
        clear_to(&mut self.words, bytes);
        clear_to(&mut self.floats, bytes);
        clear_to(&mut self.latin1, bytes);
        clear_to(&mut self.utf16, bytes);
        clear_to(&mut self.atoms, bytes);
        clear_to(&mut self.shapes, bytes);
        clear_to(&mut self.names, bytes);
        self.cuts.clear();
        self.refers_to_source = false;
        self.heap = 0;
    }

    /// `None` if the term is not a proper list.
    pub fn list_arity(&self) -> Option<usize> {
        let head = *self.words.first()?;
        match head & 15 {
            LIST | BYTELIST => Some((head >> 4) as usize),
            CONST if head >> 4 == EMPTY_LIST => Some(0),
            _ => None,
        }
    }

    /// A part's words and doubles.
    pub fn part(&self, index: usize) -> (&[u32], &[f64]) {
        let whole = Cut { words: self.words.len(), floats: self.floats.len() };
        let end = self.cuts.get(index).copied().unwrap_or(whole);
        let begin = match index.checked_sub(1) {
            None => Cut { words: 0, floats: 0 },
            Some(before) => self.cuts.get(before).copied().unwrap_or(whole),
        };
        (&self.words[begin.words..end.words], &self.floats[begin.floats..end.floats])
    }

    /// Reserved memory costs nothing until it is written.
    pub(crate) fn expect(&mut self, message: usize) {
        if message < LARGE {
            return;
        }
        expect(&mut self.words, message / 2);
        expect(&mut self.floats, message / 9);
        expect(&mut self.latin1, message);
    }

    pub(crate) fn expect_utf16(&mut self, message: usize) {
        if message >= LARGE {
            expect(&mut self.utf16, message);
        }
    }

    /// `source` holds the decoded bytes.
    pub fn as_tape_ref<'a>(&'a self, source: &'a [u8]) -> TapeRef<'a> {
        TapeRef {
            words: &self.words,
            floats: &self.floats,
            latin1: &self.latin1,
            utf16: &self.utf16,
            text: &[],
            source,
            atoms: &self.atoms,
            shapes: &self.shapes,
            names: &self.names,
            out_of_band: &[],
            mark_bytes: false,
        }
    }
}

/// See [`crate::tape`].
#[derive(Clone, Copy, Debug, Default)]
pub struct TapeRef<'a> {
    pub words: &'a [u32],
    pub floats: &'a [f64],
    pub latin1: &'a [u8],
    pub utf16: &'a [u16],
    /// UTF-8, unless a TEXT_FORM says otherwise.
    pub text: &'a [u8],
    pub source: &'a [u8],
    pub atoms: &'a [u32],
    pub shapes: &'a [[u32; 2]],
    pub names: &'a [u8],
    pub out_of_band: &'a [Vec<u8>],
    pub mark_bytes: bool,
}

const LARGE: usize = 256 * 1024;

fn expect<T>(part: &mut Vec<T>, count: usize) {
    if part.capacity() < count {
        *part = Vec::new();
        *part = Vec::with_capacity(count);
    }
}

/// Up to four times the limit may stay, because untouched capacity takes no memory.
fn clear_to<T>(part: &mut Vec<T>, bytes: usize) {
    let most = bytes / size_of::<T>();
    if part.len() > most || part.capacity() / 4 > most {
        *part = Vec::new();
    }
    part.clear();
}
