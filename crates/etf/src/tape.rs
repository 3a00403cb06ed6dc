//! The tape: the flat form in which terms cross between Rust and JavaScript.

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
    /// The deepest nesting.
    pub depth: u32,
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
        self.depth = 0;
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
            apart: &[],
        }
    }
}

/// An offset with this bit says, in tapes from JavaScript, the how manieth of the binaries is meant that
/// stand apart, as a whole.
pub const APART: u32 = 1 << 31;

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
    /// Large binaries that do not lie in the source; see [`APART`].
    pub apart: &'a [Vec<u8>],
}

pub(crate) const INT: u32 = 0;
pub(crate) const TEXT8: u32 = 1;
pub(crate) const OBJECT: u32 = 2;
pub(crate) const LIST: u32 = 3;
pub(crate) const FLOAT: u32 = 4;
pub(crate) const CONST: u32 = 5;
pub(crate) const ATOM: u32 = 6;
pub(crate) const TUPLE: u32 = 7;
pub(crate) const BYTES: u32 = 8;
pub(crate) const TEXT16: u32 = 9;
pub(crate) const MAP: u32 = 10;
pub(crate) const WIDE: u32 = 11;
pub(crate) const BIG: u32 = 12;
pub(crate) const BYTELIST: u32 = 13;
pub(crate) const EXT: u32 = 14;
pub(crate) const TEXT: u32 = 15;

pub(crate) const EMPTY_LIST: u32 = 4;
pub(crate) const EMPTY_TEXT: u32 = 5;
pub(crate) const EMPTY_MAP: u32 = 6;

/// The bits of the second word of a shape that have the length of its joined keys.
pub(crate) const SHAPE_LENGTH: u32 = (1 << SHAPE_LENGTH_BITS) - 1;
pub(crate) const SHAPE_LENGTH_BITS: u32 = 15;

pub(crate) const IMPROPER: u32 = 0;
pub(crate) const BITSTRING: u32 = 1;
pub(crate) const PID: u32 = 2;
pub(crate) const PORT: u32 = 3;
pub(crate) const REFERENCE: u32 = 4;
pub(crate) const EXTFUN: u32 = 5;
pub(crate) const FUN: u32 = 6;
pub(crate) const MIXED: u32 = 7;
pub(crate) const NEXT8: u32 = 8;
pub(crate) const NEXT16: u32 = 9;
/// ASCII text in the words that follow, four characters each, the first one lowest.
pub(crate) const INLINE: u32 = 10;
/// Text of a form (0 = UTF-8, 1 = ASCII, 2 = UTF-16) comes from here on from the place in the text that the
/// next word says. In tapes from JavaScript.
pub(crate) const TEXT_FORM: u32 = 11;
/// A list of so many doubles. In tapes from JavaScript.
pub(crate) const DOUBLES: u32 = 12;
/// So many units of the text in UTF-16. In tapes from JavaScript.
pub(crate) const WIDE_TEXT: u32 = 13;

/// A part of the tape ends here; see [`Cut`].
pub(crate) const NEXT_PART: u32 = 14;

/// A word of tag and payload.
pub(crate) const fn word(tag: u32, payload: u32) -> u32 {
    payload << 4 | tag
}

/// A word of the tag EXT.
pub(crate) const fn ext(kind: u32, rest: u32) -> u32 {
    word(EXT, rest << 4 | kind)
}

/// What a decoded response is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyForm {
    /// `{return, Value}`.
    Return {
        /// The word at which the value begins.
        word_offset: usize,
    },
    /// `{exception, {Class, Reason, Stacktrace}}`.
    Exception {
        /// The word at which the inner tuple begins.
        word_offset: usize,
    },
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

impl Tape {
    /// How many items the term has, if it is a proper list.
    pub fn list_arity(&self) -> Option<usize> {
        let head = *self.words.first()?;
        match head & 15 {
            LIST | BYTELIST => Some((head >> 4) as usize),
            CONST if head >> 4 == EMPTY_LIST => Some(0),
            _ => None,
        }
    }

    /// What the term is, if it is an answer of the protocol.
    pub fn reply_form(&self) -> Option<ReplyForm> {
        if *self.words.first()? != word(TUPLE, 2) {
            return None;
        }
        let word_offset = 2;
        match self.atom_at(1)? {
            b"return" => Some(ReplyForm::Return { word_offset }),
            b"exception" => {
                let class = (*self.words.get(2)? == word(TUPLE, 3)).then(|| self.atom_at(3))??;
                let stacktrace = *self.words.get(self.skip(4)?)?;
                let is_list = matches!(stacktrace & 15, LIST | BYTELIST)
                    || stacktrace == word(CONST, EMPTY_LIST);
                let is_class = matches!(class, b"error" | b"exit" | b"throw");
                (is_list && is_class).then_some(ReplyForm::Exception { word_offset })
            }
            _ => None,
        }
    }

    /// The name of the atom at a word.
    fn atom_at(&self, at: usize) -> Option<&[u8]> {
        let head = *self.words.get(at)?;
        let index = (head & 15 == ATOM).then_some((head >> 4) as usize)?;
        let names = std::str::from_utf8(&self.names).ok()?;
        // Lengths are in UTF-16 units; the few atoms before this one are walked.
        let mut characters = names.char_indices();
        let mut skip = |units: u32| {
            let mut left = units as usize;
            while left > 0 {
                left = left.checked_sub(characters.next()?.1.len_utf16())?;
            }
            Some(characters.offset())
        };
        let mut start = 0;
        for units in &self.atoms[..index.min(self.atoms.len())] {
            start = skip(*units)?;
        }
        let end = skip(*self.atoms.get(index)?)?;
        self.names.get(start..end)
    }

    /// The word after the term at a word.
    fn skip(&self, mut at: usize) -> Option<usize> {
        // Terms still to be skipped; below them, for each open MIXED map, those after it.
        let mut left = 1u64;
        let mut outer = Vec::new();
        loop {
            if left == 0 {
                let Some(after) = outer.pop() else { return Some(at) };
                // The values of a shape end here: a count follows, then so many pairs.
                left = after + 2 * u64::from(*self.words.get(at)?);
                at += 1;
                continue;
            }
            let head = *self.words.get(at)?;
            at += 1;
            left -= 1;
            let payload = u64::from(head >> 4);
            match head & 15 {
                LIST | TUPLE => left += payload,
                OBJECT => left += self.shape_keys(payload as usize)?,
                MAP => left += 2 * (payload >> 2),
                BYTES | BIG | BYTELIST => at += 1,
                EXT => {
                    let rest = head >> 8;
                    match head >> 4 & 15 {
                        IMPROPER => left += u64::from(rest) + 1,
                        BITSTRING | EXTFUN => at += 2,
                        PID | PORT => at += 4,
                        REFERENCE => at += 2 + rest as usize,
                        FUN => {
                            left += u64::from(*self.words.get(at)?) + 3;
                            at += 7;
                        }
                        MIXED => {
                            outer.push(left);
                            left = self.shape_keys((rest >> 2) as usize)?;
                        }
                        INLINE => at += (rest as usize).div_ceil(4),
                        DOUBLES | WIDE_TEXT => {}
                        NEXT_PART => left += 1,
                        // A control word: the term is still to come.
                        _ => {
                            at += 1;
                            left += 1;
                        }
                    }
                }
                _ => {}
            }
        }
    }

    fn shape_keys(&self, shape: usize) -> Option<u64> {
        Some(u64::from(self.shapes.get(shape)?[0] >> 1))
    }
}
