//! The header of a tape in the shared buffers, which locates its parts.

use backwater_etf::tape::frame;
use backwater_etf::{Tape, TapeRef};

#[derive(Clone, Copy)]
pub(crate) struct BufferSlices<'a> {
    pub(crate) words: &'a [u32],
    pub(crate) floats: &'a [f64],
    pub(crate) bytes: &'a [u8],
    /// Large out-of-band binaries; `None` if JavaScript kept them.
    pub(crate) out_of_band: Option<&'a [Vec<u8>]>,
}

impl<'a> BufferSlices<'a> {
    /// `None` if the tape exceeds the buffers, which only a bug in TypeScript can cause.
    pub(crate) fn tape(self, start: usize) -> Option<TapeRef<'a>> {
        let header = self.words.get(start..start.checked_add(frame::LENGTH)?)?;
        let field = |index: u32| header[index as usize] as usize;
        let term = start + frame::LENGTH;
        let atoms = term.checked_add(field(frame::WORDS))?;
        let shapes = atoms.checked_add(field(frame::ATOMS))?;
        let end = shapes.checked_add(field(frame::SHAPES).checked_mul(2)?)?;
        Some(TapeRef {
            words: self.words.get(term..atoms)?,
            floats: part(self.floats, field(frame::FLOATS), field(frame::FLOAT_COUNT))?,
            latin1: &[],
            utf16: &[],
            text: part(self.bytes, field(frame::TEXT), field(frame::TEXT_LENGTH))?,
            source: part(self.bytes, field(frame::SOURCE), field(frame::SOURCE_LENGTH))?,
            atoms: self.words.get(atoms..shapes)?,
            shapes: self.words.get(shapes..end)?.as_chunks().0,
            names: part(self.bytes, field(frame::NAMES), field(frame::NAMES_LENGTH))?,
            out_of_band: match self.out_of_band {
                Some(buffers) => buffers.get(..field(frame::OUT_OF_BAND))?,
                None => &[],
            },
            mark_bytes: field(frame::MARK_BYTES) != 0,
        })
    }
}

fn part<T>(buffer: &[T], start: usize, length: usize) -> Option<&[T]> {
    buffer.get(start..start.checked_add(length)?)
}

/// A place in the buffers, or the room that something takes there.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Extent {
    pub(crate) words: usize,
    pub(crate) floats: usize,
    pub(crate) bytes: usize,
}

pub(crate) fn extent(tape: &Tape, source: &[u8]) -> Extent {
    Extent {
        words: frame::LENGTH + tape.words.len() + tape.atoms.len() + tape.shapes.len() * 2,
        floats: tape.floats.len(),
        bytes: tape.latin1.len() + tape.utf16.len() * 2 + tape.names.len() + source.len(),
    }
}

pub(crate) struct BufferSlicesMut<'a> {
    pub(crate) words: &'a mut [u32],
    pub(crate) floats: &'a mut [f64],
    pub(crate) bytes: &'a mut [u8],
}

impl BufferSlicesMut<'_> {
    pub(crate) fn has_room(&self, position: Extent, extent: Extent) -> bool {
        position.words + extent.words <= self.words.len()
            && position.floats + extent.floats <= self.floats.len()
            && position.bytes + extent.bytes <= self.bytes.len()
    }

    /// Writes `tape` and advances `position`. The caller has checked that [`extent`] fits.
    pub(crate) fn put(&mut self, tape: &Tape, source: &[u8], position: &mut Extent) {
        let header = position.words;
        position.words += frame::LENGTH;
        self.put_words(&tape.words, position);
        self.put_words(&tape.atoms, position);
        self.put_words(tape.shapes.as_flattened(), position);
        let floats = position.floats;
        self.floats[floats..floats + tape.floats.len()].copy_from_slice(&tape.floats);
        position.floats += tape.floats.len();
        let text = self.put_bytes(&tape.latin1, position);
        let utf16 = position.bytes;
        for (unit, target) in tape.utf16.iter().zip(self.bytes[utf16..].chunks_exact_mut(2)) {
            target.copy_from_slice(&unit.to_ne_bytes());
        }
        position.bytes += tape.utf16.len() * 2;
        let names = self.put_bytes(&tape.names, position);
        let source = self.put_bytes(source, position);
        // Messages are smaller than 256 MiB and buffers than 4 GiB, so no cast truncates.
        let fields = [
            (frame::WORDS, tape.words.len()),
            (frame::ATOMS, tape.atoms.len()),
            (frame::SHAPES, tape.shapes.len()),
            (frame::FLOATS, floats),
            (frame::FLOAT_COUNT, tape.floats.len()),
            (frame::TEXT, text),
            (frame::TEXT_LENGTH, tape.latin1.len()),
            (frame::UTF16, utf16),
            (frame::NAMES, names),
            (frame::NAMES_LENGTH, tape.names.len()),
            (frame::SOURCE, source),
        ];
        for (field, value) in fields {
            self.words[header + field as usize] = value as u32;
        }
    }

    pub(crate) fn put_head(&mut self, tape: &Tape) {
        let Some(header) = self.words.get_mut(..frame::LENGTH) else { return };
        header.fill(0);
        header[frame::ATOMS as usize] = tape.atoms.len() as u32;
        header[frame::SHAPES as usize] = tape.shapes.len() as u32;
    }

    fn put_words(&mut self, words: &[u32], position: &mut Extent) {
        self.words[position.words..position.words + words.len()].copy_from_slice(words);
        position.words += words.len();
    }

    pub(crate) fn put_bytes(&mut self, bytes: &[u8], position: &mut Extent) -> usize {
        let start = position.bytes;
        self.bytes[start..start + bytes.len()].copy_from_slice(bytes);
        position.bytes += bytes.len();
        start
    }
}
