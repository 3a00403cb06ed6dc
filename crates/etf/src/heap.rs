//! Estimates a term's memory in V8: a slot for each word of the tape, its characters, and these
//! constants in bytes, measured with Node 20 and 24. `__test__/estimate.test.ts` checks them.

use crate::tape::Tape;

const SLOT: usize = 8;
/// A double takes 8 bytes in a list of doubles, and 16 elsewhere.
const DOUBLE: usize = 6;

pub(crate) const EMPTY_LIST: usize = 32;
pub(crate) const LIST: usize = 48;
pub(crate) const IMPROPER_LIST: usize = 64;
pub(crate) const EMPTY_TUPLE: usize = 72;
pub(crate) const TUPLE: usize = 88;
pub(crate) const EMPTY_OBJECT: usize = 56;
pub(crate) const OBJECT: usize = 24;
/// For an atom's first use in a message.
pub(crate) const ATOM: usize = 150;
pub(crate) const BIGINT: usize = 16;
pub(crate) const FLOAT: usize = 40;
pub(crate) const BIT_STRING: usize = 120;
pub(crate) const PID: usize = 24;
pub(crate) const PORT: usize = 48;
pub(crate) const REFERENCE: usize = 80;
pub(crate) const EXTERNAL_FUNCTION: usize = 32;
pub(crate) const FUN: usize = 300;
pub(crate) const NATIVE_RECORD: usize = 220;
pub(crate) const NATIVE_FIELD: usize = 30;

/// Shorter strings are copies; longer ones are slices of their chunk.
const SLICE: usize = 13;
/// Smaller Buffers come from Node's pool.
const UNPOOLED: usize = 4096;

#[inline]
pub(crate) fn text(length: usize) -> usize {
    match length {
        // V8 shares strings of one character.
        0 | 1 => 0,
        _ if length < SLICE => 20,
        _ => 32,
    }
}

#[inline]
pub(crate) fn buffer(length: usize) -> usize {
    length + if (1..UNPOOLED).contains(&length) { 96 } else { 180 }
}

pub(crate) fn byte_list(count: usize) -> usize {
    LIST + count * SLOT - SLOT
}

pub(crate) fn keyed_object(count: u32) -> usize {
    100 + 50 * count as usize
}

pub(crate) fn map(count: u32) -> usize {
    140 + 30 * count as usize
}

pub(crate) fn shape(keys: u32) -> usize {
    140 + 66 * keys as usize
}

impl Tape {
    /// The bytes of the values in V8, within a factor of two, without results of revivers.
    pub fn value_size(&self) -> usize {
        self.words.len() * SLOT
            + self.floats.len() * DOUBLE
            + self.latin1.len()
            + self.utf16.len() * 2
            + self.heap
    }

    /// The bytes of the tape itself.
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
