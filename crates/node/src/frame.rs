//! The header that precedes each tape in the shared areas: where its parts lie.
//! The same numbers stand in src/terms/tape.ts.

use backwater_etf::{Tape, TapeRef, TextForm};

/// Words of a header.
pub(crate) const FRAME_WORDS: usize = 14;

const WORDS: usize = 0;
const ATOMS: usize = 1;
const SHAPES: usize = 2;
const FLOATS: usize = 3;
const FLOAT_COUNT: usize = 4;
const TEXT: usize = 5;
const TEXT_LENGTH: usize = 6;
const UTF16_OR_FORM: usize = 7;
const NAMES: usize = 8;
const NAMES_LENGTH: usize = 9;
pub(crate) const SOURCE: usize = 10;
const SOURCE_LENGTH_OR_DEPTH: usize = 11;
const APART: usize = 12;
const APART_COUNT: usize = 13;

/// The three areas that tapes lie in.
#[derive(Clone, Copy)]
pub(crate) struct AreaSlices<'a> {
    pub(crate) words: &'a [u32],
    pub(crate) floats: &'a [f64],
    pub(crate) bytes: &'a [u8],
    /// Large binaries that stand apart; `None` when JavaScript has kept them.
    pub(crate) apart: Option<&'a [Vec<u8>]>,
}

impl<'a> AreaSlices<'a> {
    /// The tape whose header begins at word `frame`, as JavaScript wrote it; `None` when it does not
    /// lie within the areas, which only a bug of the TypeScript side can bring about.
    pub(crate) fn tape(self, frame: usize) -> Option<TapeRef<'a>> {
        let header = self.words.get(frame..frame.checked_add(FRAME_WORDS)?)?;
        let field = |index: usize| header[index] as usize;
        let term = frame + FRAME_WORDS;
        let atoms = term.checked_add(field(WORDS))?;
        let shapes = atoms.checked_add(field(ATOMS))?;
        let end = shapes.checked_add(field(SHAPES).checked_mul(2)?)?;
        Some(TapeRef {
            words: self.words.get(term..atoms)?,
            floats: part(self.floats, field(FLOATS), field(FLOAT_COUNT))?,
            latin1: &[],
            utf16: &[],
            text: part(self.bytes, field(TEXT), field(TEXT_LENGTH))?,
            text_form: match field(UTF16_OR_FORM) {
                1 => TextForm::Ascii,
                2 => TextForm::Utf16,
                _ => TextForm::Utf8,
            },
            source: part(self.bytes, field(SOURCE), field(SOURCE_LENGTH_OR_DEPTH))?,
            atoms: self.words.get(atoms..shapes)?,
            shapes: self.words.get(shapes..end)?.as_chunks().0,
            names: part(self.bytes, field(NAMES), field(NAMES_LENGTH))?,
            apart: match self.apart {
                Some(apart) => part(apart, field(APART), field(APART_COUNT))?,
                None => &[],
            },
        })
    }
}

fn part<T>(area: &[T], start: usize, length: usize) -> Option<&[T]> {
    area.get(start..start.checked_add(length)?)
}

/// How much room a tape takes in the areas.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Extent {
    pub(crate) words: usize,
    pub(crate) floats: usize,
    pub(crate) bytes: usize,
}

/// The room that `tape` takes with its header; `source` is what of the message goes with it.
pub(crate) fn extent(tape: &Tape, source: &[u8]) -> Extent {
    Extent {
        words: FRAME_WORDS + tape.words.len() + tape.atoms.len() + tape.shapes.len() * 2,
        floats: tape.floats.len(),
        bytes: tape.latin1.len() + tape.utf16.len() * 2 + tape.names.len() + source.len(),
    }
}

/// Where in the areas the next tape goes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Position {
    pub(crate) word: usize,
    pub(crate) float: usize,
    pub(crate) byte: usize,
}

/// The areas to write to.
pub(crate) struct AreaSlicesMut<'a> {
    pub(crate) words: &'a mut [u32],
    pub(crate) floats: &'a mut [f64],
    pub(crate) bytes: &'a mut [u8],
}

impl AreaSlicesMut<'_> {
    /// Writes `tape` with its header at `position` and moves that on. The caller has made sure that
    /// [`extent`] fits.
    pub(crate) fn put(&mut self, tape: &Tape, source: &[u8], position: &mut Position) {
        let header = position.word;
        position.word += FRAME_WORDS;
        self.put_words(&tape.words, position);
        self.put_words(&tape.atoms, position);
        self.put_words(tape.shapes.as_flattened(), position);
        let floats = position.float;
        self.floats[floats..floats + tape.floats.len()].copy_from_slice(&tape.floats);
        position.float += tape.floats.len();
        let text = self.put_bytes(&tape.latin1, position);
        let utf16 = position.byte;
        for (unit, target) in tape.utf16.iter().zip(self.bytes[utf16..].chunks_exact_mut(2)) {
            target.copy_from_slice(&unit.to_ne_bytes());
        }
        position.byte += tape.utf16.len() * 2;
        let names = self.put_bytes(&tape.names, position);
        let source = self.put_bytes(source, position);
        // Messages are smaller than 256 MiB and inboxes than 4 GiB: no cast cuts anything off.
        let fields = &mut self.words[header..header + FRAME_WORDS];
        fields[WORDS] = tape.words.len() as u32;
        fields[ATOMS] = tape.atoms.len() as u32;
        fields[SHAPES] = tape.shapes.len() as u32;
        fields[FLOATS] = floats as u32;
        fields[FLOAT_COUNT] = tape.floats.len() as u32;
        fields[TEXT] = text as u32;
        fields[TEXT_LENGTH] = tape.latin1.len() as u32;
        fields[UTF16_OR_FORM] = utf16 as u32;
        fields[NAMES] = names as u32;
        fields[NAMES_LENGTH] = tape.names.len() as u32;
        fields[SOURCE] = source as u32;
        fields[SOURCE_LENGTH_OR_DEPTH] = tape.depth;
        fields[APART] = 0;
        fields[APART_COUNT] = 0;
    }

    /// Writes the header of a tape that is read in parts to the begin.
    pub(crate) fn put_head(&mut self, tape: &Tape) {
        let Some(fields) = self.words.get_mut(..FRAME_WORDS) else { return };
        fields.fill(0);
        fields[ATOMS] = tape.atoms.len() as u32;
        fields[SHAPES] = tape.shapes.len() as u32;
        fields[SOURCE_LENGTH_OR_DEPTH] = tape.depth;
    }

    fn put_words(&mut self, words: &[u32], position: &mut Position) {
        self.words[position.word..position.word + words.len()].copy_from_slice(words);
        position.word += words.len();
    }

    /// Writes bytes and returns where they begin.
    pub(crate) fn put_bytes(&mut self, bytes: &[u8], position: &mut Position) -> usize {
        let start = position.byte;
        self.bytes[start..start + bytes.len()].copy_from_slice(bytes);
        position.byte += bytes.len();
        start
    }
}
