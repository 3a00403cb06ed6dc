//! Decoding on the JavaScript thread: `decode()`, and messages too large for the event buffers.
//!
//! A tape that does not fit into the shared buffers stays here and crosses in parts.

use std::cell::RefCell;
use std::ops::Range;
use std::rc::Rc;

use backwater_etf::tape::frame;
use backwater_etf::{DecodeError, DecodeOptions, Decoder, Tape};
use bytes::Bytes;
use napi::bindgen_prelude::{BufferSlice, Object, ToNapiValue, Uint8Array, Uint32Array};
use napi::{Env, Error, JsValue, Result, sys};
use napi_derive::napi;

use crate::codec::bare_functions::{self, nothing};
use crate::events::{LargeMessages, Message};
use crate::frame::{Extent, extent};
use crate::numbers::decoder as numbers;
use crate::options::TermFlags;
use crate::shared_buffers::SharedBuffers;

/// Bytes that each part of the scratch memory keeps between terms.
const KEPT: usize = 8 << 20;

pub(crate) struct SharedDecoder {
    scratch: RefCell<Scratch>,
    control: RefCell<Uint32Array>,
    buffers: RefCell<SharedBuffers>,
    /// JavaScript copies small encodings here.
    input: Uint8Array,
    large: LargeMessages,
}

#[derive(Default)]
struct Scratch {
    decoder: Decoder,
    tape: Tape,
    message: Option<Message>,
    part: usize,
}

impl SharedDecoder {
    pub(crate) fn new(
        control: Uint32Array,
        buffers: SharedBuffers,
        input: Uint8Array,
        large: LargeMessages,
    ) -> Self {
        Self {
            scratch: RefCell::default(),
            control: control.into(),
            buffers: buffers.into(),
            input,
            large,
        }
    }

    fn control<T>(
        &self,
        with: impl FnOnce(&mut [u32; numbers::LENGTH_OF_BLOCK]) -> Result<T>,
    ) -> Result<T> {
        let mut control = self.control.borrow_mut();
        // SAFETY: as for `SharedBuffers::write`.
        let words = unsafe { control.as_mut() };
        with(words.first_chunk_mut().ok_or_else(out_of_bounds)?)
    }

    /// Decodes `bytes`, or else a small encoding at the start of `input`.
    fn decode(&self, bytes: Option<&[u8]>) -> Result<std::result::Result<(), DecodeError>> {
        let mut scratch = self.scratch.borrow_mut();
        self.control(|control| {
            let limits = DecodeOptions {
                max_depth: control[numbers::MAX_DEPTH as usize],
                max_terms: control[numbers::MAX_TERMS as usize],
                ..DecodeOptions::default()
            };
            let options = TermFlags(control[numbers::FLAGS as usize]).decode_options(limits);
            let small = || self.input.get(..control[numbers::LENGTH as usize] as usize);
            let bytes = bytes.or_else(small).ok_or_else(out_of_bounds)?;
            if let Err(error) = scratch.decode(bytes, &options) {
                return Ok(Err(error));
            }
            control[numbers::WHOLE as usize] =
                u32::from(scratch.deliver(&mut self.buffers.borrow_mut()));
            Ok(Ok(()))
        })
    }

    /// Returns the source of the message, if binaries refer to it.
    fn open(&self, env: Env) -> Result<sys::napi_value> {
        let slot = self.control(|control| Ok(control[numbers::SLOT as usize] as usize))?;
        let message = self.large.borrow_mut().get_mut(slot.wrapping_sub(1)).and_then(Option::take);
        let mut message = message.ok_or_else(|| Error::from_reason("no such large message"))?;
        let source = std::mem::take(&mut message.source);
        let refers_to_source = message.tape.refers_to_source;
        self.scratch.borrow_mut().open(message, &mut self.buffers.borrow_mut());
        if !refers_to_source {
            return Ok(nothing(()));
        }
        // SAFETY: `env` belongs to the running call.
        unsafe { BufferSlice::to_napi_value(env.raw(), shared_buffer(&env, source)?) }
    }

    fn next_part(&self) -> Result<()> {
        self.scratch
            .borrow_mut()
            .next_part(&mut self.buffers.borrow_mut())
            .ok_or_else(out_of_bounds)
    }

    fn table(&self) -> Result<()> {
        let start = self.control(|control| Ok(control[numbers::START as usize] as usize))?;
        self.scratch.borrow().table(start, &mut self.buffers.borrow_mut());
        Ok(())
    }

    fn text8(&self, env: Env) -> Result<sys::napi_value> {
        let range = self.range()?;
        let scratch = self.scratch.borrow();
        let text = scratch.tape().latin1.get(range).ok_or_else(out_of_bounds)?;
        Ok(env.create_string_latin1(text)?.raw())
    }

    /// The range is in bytes.
    fn text16(&self, env: Env) -> Result<sys::napi_value> {
        let Range { start, end } = self.range()?;
        let scratch = self.scratch.borrow();
        let text = scratch.tape().utf16.get(start / 2..end / 2).ok_or_else(out_of_bounds)?;
        Ok(env.create_string_utf16(text)?.raw())
    }

    fn names(&self, env: Env) -> Result<sys::napi_value> {
        let scratch = self.scratch.borrow();
        let names = &scratch.tape().names;
        // SAFETY: the names are UTF-8 of that length.
        let string =
            unsafe { env.create_string_from_c_char(names.as_ptr().cast(), names.len() as isize)? };
        Ok(string.raw())
    }

    fn range(&self) -> Result<Range<usize>> {
        self.control(|control| {
            let start = control[numbers::START as usize] as usize;
            Ok(start..start.saturating_add(control[numbers::TEXT_LENGTH as usize] as usize))
        })
    }
}

impl Scratch {
    fn decode(
        &mut self,
        bytes: &[u8],
        options: &DecodeOptions<'_>,
    ) -> std::result::Result<(), DecodeError> {
        self.message = None;
        let result = self.decoder.decode(bytes, options, &mut self.tape);
        if result.is_err() {
            self.give_back();
        }
        result.map(drop)
    }

    /// If the tape does not fit, writes only its header and returns false.
    fn deliver(&mut self, buffers: &mut SharedBuffers) -> bool {
        let needed = extent(&self.tape, &[]);
        let mut slices = buffers.write();
        let fits = self.tape.cuts.is_empty() && slices.has_room(Extent::default(), needed);
        if fits {
            slices.put(&self.tape, &[], &mut Extent::default());
            // JavaScript has the source, and reads it from its start.
            slices.words[frame::SOURCE as usize] = 0;
        } else {
            self.part = 0;
            slices.put_head(&self.tape);
        }
        fits
    }

    fn open(&mut self, message: Message, buffers: &mut SharedBuffers) {
        self.message = Some(message);
        self.part = 0;
        buffers.write().put_head(self.tape());
    }

    fn tape(&self) -> &Tape {
        self.message.as_ref().map_or(&self.tape, |message| &message.tape)
    }

    /// `None` if the part does not fit, which only a bug can cause.
    fn next_part(&mut self, buffers: &mut SharedBuffers) -> Option<()> {
        let (words, floats) = self.tape().part(self.part);
        let slices = buffers.write();
        slices.words.get_mut(..words.len())?.copy_from_slice(words);
        slices.floats.get_mut(..floats.len())?.copy_from_slice(floats);
        self.part += 1;
        Some(())
    }

    /// Writes as many lengths of atoms and shapes as fit, from word `start` on.
    fn table(&self, start: usize, buffers: &mut SharedBuffers) {
        let tape = self.tape();
        let entries = tape.atoms.iter().chain(tape.shapes.as_flattened());
        for (entry, word) in entries.skip(start).zip(buffers.write().words) {
            *word = *entry;
        }
    }

    fn close(&mut self) {
        self.message = None;
        self.give_back();
    }

    fn give_back(&mut self) {
        self.tape.clear_to(KEPT);
    }
}

fn shared_buffer(env: &Env, bytes: Bytes) -> Result<BufferSlice<'_>> {
    match bytes.try_into_mut() {
        Ok(mut bytes) if !bytes.is_empty() => {
            let (data, length) = (bytes.as_mut_ptr(), bytes.len());
            // SAFETY: `bytes` is the only owner of the memory. It is dropped when the Buffer is
            // collected, or at once in a runtime without external memory, which has copied it.
            unsafe { BufferSlice::from_external(env, data, length, bytes, |_, bytes| drop(bytes)) }
        }
        Ok(bytes) => BufferSlice::copy_from(env, &bytes),
        Err(bytes) => BufferSlice::copy_from(env, &bytes),
    }
}

pub(crate) fn install(env: Env, target: &Object<'_>, decoder: SharedDecoder) -> Result<()> {
    bare_functions::install(
        env,
        &Rc::new(decoder),
        target,
        &[
            (c"decode", |decoder, call| outcome(call.env(), decoder.decode(None)?)),
            (c"decodeBytes", |decoder, call| {
                let result = decoder.decode(Some(call.bytes()?))?;
                outcome(call.env(), result)
            }),
            (c"open", |decoder, call| decoder.open(Env::from_raw(call.env()))),
            (c"nextPart", |decoder, _| decoder.next_part().map(nothing)),
            (c"table", |decoder, _| decoder.table().map(nothing)),
            (c"names", |decoder, call| decoder.names(Env::from_raw(call.env()))),
            (c"text8", |decoder, call| decoder.text8(Env::from_raw(call.env()))),
            (c"text16", |decoder, call| decoder.text16(Env::from_raw(call.env()))),
            (c"close", |decoder, _| {
                decoder.scratch.borrow_mut().close();
                Ok(nothing(()))
            }),
        ],
    )
}

#[napi(object, object_from_js = false)]
pub struct DecodeFailure {
    pub message: String,
    pub offset: u32,
}

fn outcome(
    env: sys::napi_env,
    result: std::result::Result<(), DecodeError>,
) -> Result<sys::napi_value> {
    let Err(error) = result else { return Ok(nothing(())) };
    // Messages are smaller than 4 GiB.
    let failure = DecodeFailure { message: error.to_string(), offset: error.offset as u32 };
    // SAFETY: `env` belongs to the running call.
    unsafe { DecodeFailure::to_napi_value(env, failure) }
}

fn out_of_bounds() -> Error {
    Error::from_reason("a bug in this library: a tape exceeds the shared buffers")
}
