//! Estimates how much of V8's memory the values of a term take.
//!
//! The decoder counts while it writes the tape. Most of the estimate follows from the size of the tape
//! itself: each word becomes a slot of a list, tuple, map or object, and each character of text a
//! character of a string. Here is what comes on top. The constants are in bytes, measured with Node
//! 20 and 24 on 64-bit systems; `__test__/estimate.test.ts` holds them to within a factor of two.

use crate::tape::Tape;

/// What a word of a tape becomes: a pointer or a small integer in its container.
const SLOT: usize = 8;
/// A double: nothing beyond its slot in a list of doubles, 16 everywhere else.
const DOUBLE: usize = 6;

pub(crate) const EMPTY_LIST: usize = 32;
pub(crate) const LIST: usize = 48;
pub(crate) const IMPROPER_LIST: usize = 64;
pub(crate) const EMPTY_TUPLE: usize = 72;
pub(crate) const TUPLE: usize = 88;
pub(crate) const EMPTY_OBJECT: usize = 56;
/// An object of a known shape.
pub(crate) const OBJECT: usize = 24;
/// An atom that this message has not named before.
pub(crate) const ATOM: usize = 150;
pub(crate) const BIGINT: usize = 16;
/// A `Float`, of exact mode.
pub(crate) const FLOAT: usize = 40;
pub(crate) const BIT_STRING: usize = 120;
pub(crate) const PID: usize = 24;
pub(crate) const PORT: usize = 48;
pub(crate) const REFERENCE: usize = 80;
pub(crate) const EXTERNAL_FUNCTION: usize = 32;
pub(crate) const FUN: usize = 300;
/// A native record, and each of its fields beyond its two words.
pub(crate) const NATIVE_RECORD: usize = 220;
pub(crate) const NATIVE_FIELD: usize = 30;

/// Strings shorter than this are copies; longer ones are slices of their chunk.
const SLICE: usize = 13;
/// Buffers from this size on have memory of their own; `Buffer.poolSize` is twice as much.
const UNPOOLED: usize = 4096;

/// A string; its characters are counted by the tape.
#[inline]
pub(crate) fn text(length: usize) -> usize {
    match length {
        // V8 has one string for each character.
        0 | 1 => 0,
        _ if length < SLICE => 20,
        _ => 32,
    }
}

/// A Buffer.
#[inline]
pub(crate) fn buffer(length: usize) -> usize {
    length + if (1..UNPOOLED).contains(&length) { 96 } else { 180 }
}

/// A list of bytes: its items have no words.
pub(crate) fn byte_list(count: usize) -> usize {
    LIST + count * SLOT - SLOT
}

/// An object whose keys are written out: each may be a key that V8 has not seen.
pub(crate) fn keyed_object(count: u32) -> usize {
    100 + 50 * count as usize
}

/// A `Map`.
pub(crate) fn map(count: u32) -> usize {
    140 + 30 * count as usize
}

/// A shape that the decoder has not met before: V8 describes its keys.
pub(crate) fn shape(keys: u32) -> usize {
    140 + 66 * keys as usize
}

impl Tape {
    /// About how many bytes the values that JavaScript makes of this tape take in V8, Buffers included:
    /// within a factor of two for any term, save for what revivers make.
    pub fn value_size(&self) -> usize {
        self.words.len() * SLOT
            + self.floats.len() * DOUBLE
            + self.latin1.len()
            + self.utf16.len() * 2
            + self.heap
    }

    /// How many bytes the tape itself takes.
    pub fn size(&self) -> usize {
        self.words.len() * 4
            + self.floats.len() * 8
            + self.latin1.len()
            + self.utf16.len() * 2
            + self.atoms.len() * 4
            + self.shapes.len() * 8
            + self.names.len()
    }
}
