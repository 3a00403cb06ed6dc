//! The memory of a tape.

/// One term in flat form.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tape {
    /// The term, pre-order.
    pub words: Vec<u32>,
    /// Doubles, in order.
    pub floats: Vec<f64>,
    /// Text of TEXT8.
    pub latin1: Vec<u8>,
    /// Text of TEXT16.
    pub utf16: Vec<u16>,
    /// Length in UTF-16 units of each atom's name.
    pub atoms: Vec<u32>,
    /// Each shape: key count and kind; length of the joined keys, and above its 15 bits the number that
    /// the shape has in this process, 0 = none.
    pub shapes: Vec<[u32; 2]>,
    /// Names of atoms, then joined keys of shapes.
    pub names: Vec<u8>,
    /// Where the words may be cut; see [`Cut`].
    pub cuts: Vec<Cut>,
    /// Whether some word is an offset into the bytes that the tape was made of.
    pub refers_to_source: bool,
    /// What the values take in V8 beyond their words, numbers and text; see [`Tape::value_size`].
    pub(crate) heap: usize,
}

/// The end of a part of a tape that can be read without the parts after it: its last word says that the
/// next part follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Words up to here.
    pub words: usize,
    /// Doubles up to here; there are never more of them in a part than words.
    pub floats: usize,
}

impl Tape {
    /// Forgets the content and keeps the memory.
    pub fn clear(&mut self) {
        self.words.clear();
        self.floats.clear();
        self.latin1.clear();
        self.utf16.clear();
        self.atoms.clear();
        self.shapes.clear();
        self.names.clear();
        self.cuts.clear();
        self.refers_to_source = false;
        self.heap = 0;
    }

    /// Forgets the content, and frees the memory of each part that held more than so many bytes.
    pub fn clear_to(&mut self, bytes: usize) {
        clear_to(&mut self.words, bytes);
        clear_to(&mut self.floats, bytes);
        clear_to(&mut self.latin1, bytes);
        clear_to(&mut self.utf16, bytes);
        clear_to(&mut self.atoms, bytes);
        clear_to(&mut self.shapes, bytes);
        clear_to(&mut self.names, bytes);
        self.clear();
    }

    /// The part of the tape that begins after so many of its cuts: words and doubles.
    pub fn part(&self, index: usize) -> (&[u32], &[f64]) {
        let whole = Cut { words: self.words.len(), floats: self.floats.len() };
        // A cut further there is nothing.
        let end = self.cuts.get(index).copied().unwrap_or(whole);
        let begin = match index.checked_sub(1) {
            None => Cut { words: 0, floats: 0 },
            Some(before) => self.cuts.get(before).copied().unwrap_or(whole),
        };
        (&self.words[begin.words..end.words], &self.floats[begin.floats..end.floats])
    }

    /// Makes room for what a large message is going to need, as a rule: vectors that double leave as much
    /// again behind. Nothing is touched, and so it takes no memory until it is needed.
    pub(crate) fn expect(&mut self, message: usize) {
        if message < LARGE {
            return;
        }
        expect(&mut self.words, message / 2);
        expect(&mut self.floats, message / 9);
        expect(&mut self.latin1, message);
    }

    /// The same for text beyond Latin-1, which most messages have none of.
    pub(crate) fn expect_utf16(&mut self, message: usize) {
        if message >= LARGE {
            expect(&mut self.utf16, message);
        }
    }

    /// The tape, borrowed, with the bytes that it was decoded from.
    pub fn as_tape_ref<'a>(&'a self, source: &'a [u8]) -> TapeRef<'a> {
        TapeRef {
            words: &self.words,
            floats: &self.floats,
            latin1: &self.latin1,
            utf16: &self.utf16,
            text: &[],
            text_form: TextForm::Ascii,
            source,
            atoms: &self.atoms,
            shapes: &self.shapes,
            names: &self.names,
            out_of_band: &[],
            mark_bytes: false,
        }
    }
}

/// What the text of a tape from JavaScript is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TextForm {
    /// UTF-8.
    #[default]
    Utf8,
    /// UTF-8 that is ASCII throughout.
    Ascii,
    /// UTF-16 in the byte order of the machine.
    Utf16,
}

/// A borrowed tape, of either side.
#[derive(Clone, Copy, Debug, Default)]
#[allow(missing_docs)]
pub struct TapeRef<'a> {
    pub words: &'a [u32],
    pub floats: &'a [f64],
    pub latin1: &'a [u8],
    pub utf16: &'a [u16],
    pub text: &'a [u8],
    pub text_form: TextForm,
    pub source: &'a [u8],
    pub atoms: &'a [u32],
    pub shapes: &'a [[u32; 2]],
    pub names: &'a [u8],
    /// Large binaries that are not part of the source; see [`OUT_OF_BAND`](super::OUT_OF_BAND).
    pub out_of_band: &'a [Vec<u8>],
    /// Whether binaries are marked as bytes, so that a decoder can tell them from text.
    pub mark_bytes: bool,
}

/// Messages of at least so many bytes get memory for their tapes at once.
const LARGE: usize = 256 * 1024;

/// Makes room for so many items in an empty vector; what it had is given back before.
fn expect<T>(part: &mut Vec<T>, count: usize) {
    if part.capacity() < count {
        *part = Vec::new();
        *part = Vec::with_capacity(count);
    }
}

/// Capacity that was never touched took no memory, but it counts once it is four times the limit.
fn clear_to<T>(part: &mut Vec<T>, bytes: usize) {
    let most = bytes / size_of::<T>();
    if part.len() > most || part.capacity() / 4 > most {
        *part = Vec::new();
    }
    part.clear();
}
