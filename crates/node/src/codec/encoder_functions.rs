//! `encode()` as bare Node-API functions; see bare_functions.rs.

use std::cell::RefCell;
use std::rc::Rc;

use backwater_etf::TapeRef;
use napi::bindgen_prelude::{Object, Uint8Array, Uint32Array};
use napi::{Env, Error, Result};

use crate::codec::bare_functions::{self, nothing};
use crate::codec::encoder::Codec;
use crate::numbers::encoder;
use crate::shared_buffers::SharedBuffers;

#[derive(Default)]
pub(crate) struct SharedEncoder {
    codec: RefCell<Codec>,
    control: RefCell<Option<Uint32Array>>,
    buffers: RefCell<Option<SharedBuffers>>,
    results: RefCell<Option<Uint8Array>>,
}

impl SharedEncoder {
    pub(crate) fn attach_buffers(&self, buffers: SharedBuffers) {
        self.buffers.replace(Some(buffers));
    }

    pub(crate) fn attach_results(&self, results: Uint8Array) {
        self.results.replace(Some(results));
    }

    pub(crate) fn with_tape<T>(
        &self,
        frame: usize,
        with: impl FnOnce(TapeRef<'_>) -> Result<T>,
    ) -> Result<T> {
        let buffers = self.buffers.borrow();
        let slices = buffers.as_ref().ok_or_else(detached)?.read();
        with(slices.tape(frame).ok_or_else(detached)?)
    }

    fn control<T>(&self, with: impl FnOnce(&mut [u32]) -> Result<T>) -> Result<T> {
        let mut control = self.control.borrow_mut();
        let control = control.as_mut().ok_or_else(detached)?;
        // SAFETY: as for `SharedBuffers::write`.
        let words = unsafe { control.as_mut() };
        if words.len() < encoder::LENGTH_OF_BLOCK {
            return Err(detached());
        }
        with(words)
    }

    fn encode(&self) -> Result<()> {
        let mut codec = self.codec.borrow_mut();
        let buffers = self.buffers.borrow();
        let buffers = buffers.as_ref().ok_or_else(detached)?;
        self.control(|control| {
            let frame = control[encoder::FRAME as usize] as usize;
            let max_size = control[encoder::MAX_SIZE as usize] as usize;
            let at = control[encoder::RESULT as usize] as usize;
            let length = codec.encode(buffers, frame, max_size).map_err(Error::from_reason)?;
            control[encoder::LENGTH as usize] = length as u32;
            let encoded = codec.encoded();
            let mut results = self.results.borrow_mut();
            let results = results.as_mut().ok_or_else(detached)?;
            // SAFETY: JavaScript has handed out no bytes from `at` on; see
            // src/codec/standalone-encoder.ts.
            let results = unsafe { results.as_mut() };
            if let Some(target) = results.get_mut(at..).and_then(|r| r.get_mut(..encoded.len())) {
                target.copy_from_slice(encoded);
            }
            Ok(())
        })
    }

    /// Copies the last encoding, which did not fit, and leaves gaps for out-of-band binaries.
    fn copy_encoded(&self, target: &mut [u8]) -> Result<()> {
        let codec = self.codec.borrow();
        let (mut rest, mut target) = (codec.encoded(), target);
        let mut before = 0;
        for gap in codec.gaps() {
            let (piece, after) = rest.split_at_checked(gap.at - before).ok_or_else(detached)?;
            let (to, left) = target.split_at_mut_checked(piece.len()).ok_or_else(detached)?;
            to.copy_from_slice(piece);
            target = left.get_mut(gap.length..).ok_or_else(detached)?;
            (rest, before) = (after, gap.at);
        }
        if target.len() != rest.len() {
            return Err(detached());
        }
        target.copy_from_slice(rest);
        Ok(())
    }

    fn gap(&self) -> Result<()> {
        let codec = self.codec.borrow();
        self.control(|control| {
            let index = control[encoder::GAP as usize];
            let mut left_out = 0;
            for gap in codec.gaps() {
                if gap.index == index {
                    control[encoder::GAP as usize] = (gap.at + left_out) as u32;
                    control[encoder::GAP_LENGTH as usize] = gap.length as u32;
                    return Ok(());
                }
                left_out += gap.length;
            }
            Err(detached())
        })
    }
}

pub(crate) fn install(
    env: Env,
    memory: &Rc<SharedEncoder>,
    target: &Object<'_>,
    control: Uint32Array,
) -> Result<()> {
    memory.control.replace(Some(control));
    bare_functions::install(
        env,
        memory,
        target,
        &[
            (c"encode", |encoder, _| encoder.encode().map(nothing)),
            (c"copyEncoded", |encoder, call| encoder.copy_encoded(call.bytes()?).map(nothing)),
            (c"gap", |encoder, _| encoder.gap().map(nothing)),
        ],
    )
}

fn detached() -> Error {
    Error::from_reason("the codec has no memory attached")
}
