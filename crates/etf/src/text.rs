use encoding_rs::mem;

use crate::heap;
use crate::tape::{CONST, EMPTY_TEXT, NEXT8, NEXT16, TEXT8, TEXT16, Tape, ext, word};

#[derive(Clone, Copy, Default)]
pub(crate) struct Chunk {
    /// The word for its length; 0 = no chunk yet.
    length_word: usize,
    start: usize,
}

pub(crate) struct TextWriter {
    latin1: Chunk,
    utf16: Chunk,
    limit: usize,
    message: usize,
}

pub(crate) enum TextKind {
    Ascii,
    Latin1,
    Utf16,
}

impl TextKind {
    /// `None` if the bytes are not UTF-8 (RFC 3629).
    pub(crate) fn of(bytes: &[u8]) -> Option<Self> {
        if bytes.is_ascii() {
            return Some(Self::Ascii);
        }
        let text = std::str::from_utf8(bytes).ok()?;
        Some(if mem::is_str_latin1(text) { Self::Latin1 } else { Self::Utf16 })
    }
}

/// How many bytes to convert at once. Each conversion needs as many units of room.
const PIECE: usize = 4096;

fn put_utf16(bytes: &[u8], utf16: &mut Vec<u16>) {
    if bytes.len() > PIECE {
        let begins = bytes.iter().filter(|byte| **byte & 0xc0 != 0x80).count();
        let pairs = bytes.iter().filter(|byte| **byte >= 0xf0).count();
        utf16.reserve(begins + pairs + PIECE);
    }
    let mut rest = bytes;
    while !rest.is_empty() {
        let mut length = PIECE.min(rest.len());
        while rest.get(length).is_some_and(|byte| byte & 0xc0 == 0x80) {
            length -= 1;
        }
        let (piece, after) = rest.split_at(length);
        let start = utf16.len();
        // The conversion needs one spare unit.
        utf16.resize(start + piece.len() + 1, 0);
        let count = mem::convert_utf8_to_utf16(piece, &mut utf16[start..]);
        utf16.truncate(start + count);
        rest = after;
    }
}

impl TextWriter {
    pub(crate) fn new(limit: u32, message: usize) -> Self {
        let limit = limit as usize;
        Self { latin1: Chunk::default(), utf16: Chunk::default(), limit, message }
    }

    #[inline]
    pub(crate) fn put(&mut self, bytes: &[u8], kind: &TextKind, tape: &mut Tape) {
        tape.heap += heap::text(bytes.len());
        match kind {
            _ if bytes.is_empty() => tape.words.push(word(CONST, EMPTY_TEXT)),
            TextKind::Ascii => {
                self.latin1.open(NEXT8, tape.latin1.len(), bytes.len(), self.limit, tape);
                tape.words.push(word(TEXT8, bytes.len() as u32));
                tape.latin1.extend_from_slice(bytes);
            }
            TextKind::Latin1 => {
                let start = tape.latin1.len();
                tape.latin1.resize(start + bytes.len(), 0);
                let count = mem::convert_utf8_to_latin1_lossy(bytes, &mut tape.latin1[start..]);
                tape.latin1.truncate(start + count);
                self.latin1.open(NEXT8, start, count, self.limit, tape);
                tape.words.push(word(TEXT8, count as u32));
            }
            TextKind::Utf16 => {
                let start = tape.utf16.len();
                if start == 0 {
                    tape.expect_utf16(self.message);
                }
                put_utf16(bytes, &mut tape.utf16);
                let count = tape.utf16.len() - start;
                self.utf16.open(NEXT16, start, count, self.limit, tape);
                tape.words.push(word(TEXT16, count as u32));
            }
        }
    }

    pub(crate) fn finish(&self, tape: &mut Tape) {
        self.latin1.close(tape.latin1.len(), tape);
        self.utf16.close(tape.utf16.len(), tape);
    }
}

impl Chunk {
    #[inline]
    fn open(&mut self, kind: u32, start: usize, count: usize, limit: usize, tape: &mut Tape) {
        let filled = start - self.start;
        if self.length_word == 0 || filled + count > limit && filled > 0 {
            self.close(start, tape);
            tape.words.push(ext(kind, 0));
            *self = Self { length_word: tape.words.len(), start };
            tape.words.push(0);
        }
    }

    fn close(&self, end: usize, tape: &mut Tape) {
        if self.length_word > 0 {
            tape.words[self.length_word] = (end - self.start) as u32;
        }
    }
}
