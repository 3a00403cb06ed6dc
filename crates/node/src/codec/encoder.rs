//! `encode()` as bare Node-API functions; see bare_functions.rs.

use std::cell::RefCell;
use std::rc::Rc;

use backwater_etf::tape::MAX_DEPTH;
use backwater_etf::{EncodeErrorKind, EncodeOptions, Encoder, Gap, TapeRef};
use napi::bindgen_prelude::{Object, Uint8Array, Uint32Array};
use napi::{Env, Error, Result};

use crate::codec::bare_functions::{self, nothing};
use crate::numbers::encoder as numbers;
use crate::shared_buffers::SharedBuffers;

/// Version of the external term format (OTP, erl_ext_dist, "Introduction").
const VERSION: u8 = 131;
const KEPT: usize = 8 << 20;

#[derive(Default)]
pub(crate) struct SharedEncoder {
    scratch: RefCell<Scratch>,
    control: RefCell<Option<Uint32Array>>,
    pub(crate) buffers: RefCell<Option<SharedBuffers>>,
    pub(crate) results: RefCell<Option<Uint8Array>>,
}

#[derive(Default)]
struct Scratch {
    encoder: Encoder,
    /// The last encoding, without its out-of-band binaries.
    output: Vec<u8>,
    gaps: Vec<Gap>,
}

impl SharedEncoder {
    pub(crate) fn with_tape<T>(
        &self,
        frame: usize,
        with: impl FnOnce(TapeRef<'_>) -> Result<T>,
    ) -> Result<T> {
        let buffers = self.buffers.borrow();
        let slices = buffers.as_ref().ok_or_else(detached)?.read();
        let tape = slices.tape(frame);
        with(tape.ok_or_else(|| Error::from_reason("the tape exceeds the shared buffers"))?)
    }

    fn control<T>(&self, with: impl FnOnce(&mut [u32]) -> Result<T>) -> Result<T> {
        let mut control = self.control.borrow_mut();
        let control = control.as_mut().ok_or_else(detached)?;
        // SAFETY: as for `SharedBuffers::write`.
        let words = unsafe { control.as_mut() };
        if words.len() < numbers::LENGTH_OF_BLOCK {
            return Err(detached());
        }
        with(words)
    }

    fn encode(&self) -> Result<()> {
        let mut scratch = self.scratch.borrow_mut();
        let Scratch { encoder, output, gaps } = &mut *scratch;
        self.control(|control| {
            let frame = control[numbers::FRAME as usize] as usize;
            let max_size = control[numbers::MAX_SIZE as usize] as usize;
            let at = control[numbers::RESULT as usize] as usize;
            // JavaScript has already checked the depth against its option.
            let options = EncodeOptions { max_size, max_depth: MAX_DEPTH };
            gaps.clear();
            output.clear();
            output.shrink_to(KEPT);
            output.push(VERSION);
            self.with_tape(frame, |tape| {
                encoder.encode_around(tape, &options, output, gaps).map_err(|error| {
                    let is_too_large = matches!(error.kind, EncodeErrorKind::TooLarge(_));
                    let option = if is_too_large { " (option maxSize)" } else { "" };
                    Error::from_reason(format!("{error}{option}"))
                })
            })?;
            let length = output.len() + gaps.iter().map(|gap| gap.length).sum::<usize>();
            control[numbers::LENGTH as usize] = length as u32;
            let mut results = self.results.borrow_mut();
            let results = results.as_mut().ok_or_else(detached)?;
            // SAFETY: JavaScript has handed out no bytes from `at` on; see
            // src/codec/standalone-encoder.ts.
            let results = unsafe { results.as_mut() };
            if let Some(target) = results.get_mut(at..).and_then(|r| r.get_mut(..output.len())) {
                target.copy_from_slice(output);
            }
            Ok(())
        })
    }

    /// Copies the last encoding, which did not fit, and leaves gaps for out-of-band binaries.
    fn copy_encoded(&self, target: &mut [u8]) -> Result<()> {
        let scratch = self.scratch.borrow();
        let (mut rest, mut target) = (&scratch.output[..], target);
        let mut before = 0;
        for gap in &scratch.gaps {
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
        let scratch = self.scratch.borrow();
        self.control(|control| {
            let index = control[numbers::GAP as usize];
            let mut left_out = 0;
            for gap in &scratch.gaps {
                if gap.index == index {
                    control[numbers::GAP as usize] = (gap.at + left_out) as u32;
                    control[numbers::GAP_LENGTH as usize] = gap.length as u32;
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
