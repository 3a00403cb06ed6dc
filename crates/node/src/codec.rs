//! Encoding and decoding of single terms on the calling thread: `encode()` and `decode()`.

use backwater_etf::{DecodeOptions, Decoder, EncodeOptions, Encoder, Tape};

use crate::areas::Areas;
use crate::frame::{Position, SOURCE, extent};

/// The version byte that a term in external form begins with (OTP, erl_ext_dist, "Introduction").
const VERSION: u8 = 131;
/// What is kept of a scratch buffer between messages, in elements.
const KEPT: usize = 1 << 20;

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

    /// What `encode` has made, given away.
    pub(crate) fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.output)
    }

    /// Decodes `bytes`. The tape stays in here for [`Codec::deliver`] or [`Codec::take_tape`].
    pub(crate) fn decode(
        &mut self,
        bytes: &[u8],
        options: &DecodeOptions<'_>,
    ) -> Result<usize, String> {
        self.tape.clear();
        self.decoder.decode(bytes, options, &mut self.tape).map_err(|error| error.to_string())
    }

    /// Writes the decoded tape to the begin of the inbox, whose sizes are in `capacity`; false when it
    /// does not fit.
    pub(crate) fn deliver(&self, inbox: &mut Areas) -> bool {
        let needed = extent(&self.tape, &[]);
        let mut areas = inbox.write();
        if needed.words > areas.words.len()
            || needed.floats > areas.floats.len()
            || needed.bytes > areas.bytes.len()
        {
            return false;
        }
        areas.put(&self.tape, &[], &mut Position::default());
        // JavaScript has the source itself, and reads it from its begin.
        areas.words[SOURCE] = 0;
        true
    }

    /// The decoded tape, given away.
    pub(crate) fn take_tape(&mut self) -> Tape {
        std::mem::take(&mut self.tape)
    }
}
