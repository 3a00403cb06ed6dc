//! Memory that JavaScript allocates and both languages use.

use napi::bindgen_prelude::{Float64Array, Uint8Array, Uint32Array};

use crate::frame::{BufferSlices, BufferSlicesMut};

/// Only the JavaScript thread can reach the owner of the arrays, so no other thread touches them.
pub(crate) struct SharedBuffers {
    words: Uint32Array,
    floats: Float64Array,
    bytes: Uint8Array,
}

impl SharedBuffers {
    pub(crate) fn new(words: Uint32Array, floats: Float64Array, bytes: Uint8Array) -> Self {
        Self { words, floats, bytes }
    }

    pub(crate) fn read(&self) -> BufferSlices<'_> {
        BufferSlices {
            words: &self.words,
            floats: &self.floats,
            bytes: &self.bytes,
            out_of_band: None,
        }
    }

    pub(crate) fn write(&mut self) -> BufferSlicesMut<'_> {
        // SAFETY: JavaScript cannot use the memory meanwhile, because this runs on its thread within
        // a call from JavaScript, and TypeScript shares the arrays with no other thread. Each array
        // has its own ArrayBuffer, so the slices do not overlap.
        unsafe {
            BufferSlicesMut {
                words: self.words.as_mut(),
                floats: self.floats.as_mut(),
                bytes: self.bytes.as_mut(),
            }
        }
    }
}
