//! Memory that JavaScript allocates and both sides use.

use napi::bindgen_prelude::{Float64Array, Uint8Array, Uint32Array};

use crate::frame::{AreaSlices, AreaSlicesMut};

/// Typed arrays of JavaScript, kept alive by references. Only the JavaScript thread touches them:
/// the bridge that owns them is reachable from there alone.
pub(crate) struct Areas {
    words: Uint32Array,
    floats: Float64Array,
    bytes: Uint8Array,
}

impl Areas {
    pub(crate) fn new(words: Uint32Array, floats: Float64Array, bytes: Uint8Array) -> Self {
        Self { words, floats, bytes }
    }

    pub(crate) fn read(&self) -> AreaSlices<'_> {
        AreaSlices {
            words: &self.words,
            floats: &self.floats,
            bytes: &self.bytes,
            out_of_band: None,
        }
    }

    pub(crate) fn write(&mut self) -> AreaSlicesMut<'_> {
        // SAFETY: as_mut of a typed array is unsafe since JavaScript could use the memory at the same
        // time. It cannot: this runs on the JavaScript thread, within one call from JavaScript, and
        // the areas are private to src/native.ts, which never hands them to another thread. The
        // three arrays have buffers of their own, so the slices do not overlap.
        unsafe {
            AreaSlicesMut {
                words: self.words.as_mut(),
                floats: self.floats.as_mut(),
                bytes: self.bytes.as_mut(),
            }
        }
    }
}
