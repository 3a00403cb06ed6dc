//! Encoding and decoding of single terms on the calling thread: `encode()` and `decode()`.

use backwater_etf::{DecodeOptions, Decoder, EncodeOptions, Encoder, Tape};

use crate::areas::Areas;
use crate::frame::{Extent, Position, SOURCE, extent};

/// The version byte that a term in external form begins with (OTP, erl_ext_dist, "Introduction").
const VERSION: u8 = 131;
/// What is kept of each part of the scratch memory between terms, in bytes.
const KEPT: usize = 8 << 20;

#[cfg(not(feature = "system-allocator"))]
unsafe extern "C" {
    /// Gives memory that is free back to the system.
    fn mi_collect(force: bool);
}

/// Scratch memory of the codec, used again for each term.
pub(crate) struct Codec {
    decoder: Decoder,
    encoder: Encoder,
    tape: Tape,
    output: Vec<u8>,
}

impl Codec {
    pub(crate) fn new() -> Self {
        Self {
            decoder: Decoder::new(),
            encoder: Encoder::default(),
            tape: Tape::default(),
            output: Vec::new(),
        }
    }

    /// Encodes the tape at word `frame` of the outbox. The bytes stay valid until the next call.
    pub(crate) fn encode(
        &mut self,
        outbox: &Areas,
        frame: usize,
        max_size: usize,
    ) -> Result<&[u8], String> {
        let Some(tape) = outbox.read().tape(frame) else {
            return Err("the tape does not lie within the outbox".into());
        };
        self.output.clear();
        self.output.shrink_to(KEPT);
        self.output.push(VERSION);
        let options = EncodeOptions { max_size, ..EncodeOptions::default() };
        self.encoder
            .encode_term(tape, &options, &mut self.output)
            .map_err(|error| error.to_string())?;
        Ok(&self.output)
    }

    /// What `encode` has made.
    pub(crate) fn encoded(&self) -> &[u8] {
        &self.output
    }

    /// Decodes `bytes`. The tape stays in here for [`Codec::deliver`].
    pub(crate) fn decode(
        &mut self,
        bytes: &[u8],
        options: &DecodeOptions<'_>,
    ) -> Result<usize, String> {
        let result = self.decoder.decode(bytes, options, &mut self.tape);
        if result.is_err() {
            self.give_back();
        }
        result.map_err(|error| error.to_string())
    }

    /// Writes the decoded tape to the begin of the inbox, if it fits. What is large of it is given back
    /// then, before the values are made that take as much again.
    pub(crate) fn deliver(&mut self, inbox: &mut Areas) -> Delivery {
        let needed = extent(&self.tape, &[]);
        let mut areas = inbox.write();
        if needed.words > areas.words.len()
            || needed.floats > areas.floats.len()
            || needed.bytes > areas.bytes.len()
        {
            return Delivery::Needs(needed);
        }
        areas.put(&self.tape, &[], &mut Position::default());
        // JavaScript has the source itself, and reads it from its begin.
        areas.words[SOURCE] = 0;
        self.give_back();
        Delivery::Done
    }

    fn give_back(&mut self) {
        self.tape.clear();
        if self.tape.shrink_to(KEPT) {
            #[cfg(not(feature = "system-allocator"))]
            // SAFETY: this is the allocator of this library (lib.rs), and the function may be called at
            // any time from any thread. The allocator itself would give the memory back a second
            // later, when the result lies beside it.
            unsafe {
                mi_collect(true)
            };
        }
    }
}

impl Default for Codec {
    fn default() -> Self {
        Self::new()
    }
}

/// How delivering ended.
pub(crate) enum Delivery {
    /// The tape lies in the inbox.
    Done,
    /// It needs this much room.
    Needs(Extent),
}
