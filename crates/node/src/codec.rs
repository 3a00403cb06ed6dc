//! Encoding and decoding of single terms on the calling thread: `encode()` and `decode()`.

use backwater_etf::tape::{MAX_DEPTH, frame};
use backwater_etf::{DecodeOptions, Decoder, EncodeOptions, Encoder, Gap, Tape};

use crate::areas::Areas;
use crate::events::Message;
use crate::frame::{Position, extent};

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
    /// A message of a call that is being read instead of the tape.
    message: Option<Message>,
    /// The part of the tape that is read next.
    part: usize,
    output: Vec<u8>,
    gaps: Vec<Gap>,
}

impl Codec {
    pub(crate) fn new() -> Self {
        Self {
            decoder: Decoder::new(),
            encoder: Encoder::default(),
            tape: Tape::default(),
            message: None,
            part: 0,
            output: Vec::new(),
            gaps: Vec::new(),
        }
    }

    /// Encodes the tape at word `start` of the outbox, without binaries that are out of band. Returns how
    /// long the encoding is with them. The bytes stay valid until the next call.
    pub(crate) fn encode(
        &mut self,
        outbox: &Areas,
        start: usize,
        max_size: usize,
    ) -> Result<usize, String> {
        let Some(tape) = outbox.read().tape(start) else {
            return Err("the tape does not lie within the outbox".into());
        };
        self.gaps.clear();
        self.output.clear();
        self.output.shrink_to(KEPT);
        self.output.push(VERSION);
        // JavaScript has compared the depth with the option.
        let options = EncodeOptions { max_size, max_depth: MAX_DEPTH };
        self.encoder
            .encode_around(tape, &options, &mut self.output, &mut self.gaps)
            .map_err(|error| error.to_string())?;
        Ok(self.output.len() + self.gaps.iter().map(|gap| gap.length).sum::<usize>())
    }

    /// Where the binaries that are out of band belong in what `encode` has made.
    pub(crate) fn gaps(&self) -> &[Gap] {
        &self.gaps
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
        self.message = None;
        let result = self.decoder.decode(bytes, options, &mut self.tape);
        if result.is_err() {
            self.give_back();
        }
        result.map_err(|error| error.to_string())
    }

    /// Has the parts of a message of a call be read next.
    pub(crate) fn open(&mut self, message: Message, inbox: &mut Areas) {
        let tape = &message.tape;
        if tape.words.len() * 4 + tape.floats.len() * 8 + tape.latin1.len() > KEPT {
            // What the message was decoded from has been freed just now.
            give_back_free_memory();
        }
        self.message = Some(message);
        self.part = 0;
        inbox.write().put_head(self.tape());
    }

    /// Writes the decoded tape to the begin of the inbox if all of it fits, or else its header.
    pub(crate) fn deliver(&mut self, inbox: &mut Areas) -> Delivery {
        let needed = extent(&self.tape, &[]);
        let mut areas = inbox.write();
        let fits = self.tape.cuts.is_empty()
            && needed.words <= areas.words.len()
            && needed.floats <= areas.floats.len()
            && needed.bytes <= areas.bytes.len();
        if !fits {
            self.part = 0;
            areas.put_head(&self.tape);
            return Delivery::InParts;
        }
        areas.put(&self.tape, &[], &mut Position::default());
        // JavaScript has the source itself, and reads it from its begin.
        areas.words[frame::SOURCE as usize] = 0;
        Delivery::Whole
    }

    /// The tape that is read in parts.
    pub(crate) fn tape(&self) -> &Tape {
        self.message.as_ref().map_or(&self.tape, |message| &message.tape)
    }

    /// Writes the next part of the tape to the begin of the inbox; false when it does not fit, which only
    /// a bug can bring about.
    pub(crate) fn next_part(&mut self, inbox: &mut Areas) -> bool {
        let (words, floats) = self.tape().part(self.part);
        let areas = inbox.write();
        let (Some(to_words), Some(to_floats)) =
            (areas.words.get_mut(..words.len()), areas.floats.get_mut(..floats.len()))
        else {
            return false;
        };
        to_words.copy_from_slice(words);
        to_floats.copy_from_slice(floats);
        self.part += 1;
        true
    }

    /// Writes the lengths of atoms and the shapes to the begin of the inbox, from the word `start` of
    /// them on, as many as fit.
    pub(crate) fn table(&self, start: usize, inbox: &mut Areas) {
        let tape = self.tape();
        let entries = tape.atoms.iter().chain(tape.shapes.as_flattened());
        for (entry, word) in entries.skip(start).zip(inbox.write().words) {
            *word = *entry;
        }
    }

    /// Ends the reading of a tape in parts. What is large of it is given back.
    pub(crate) fn close(&mut self) {
        self.message = None;
        self.give_back();
    }

    fn give_back(&mut self) {
        if self.tape.clear_to(KEPT) {
            give_back_free_memory();
        }
    }
}

/// The allocator itself would give it back a second later, when values lie beside it.
fn give_back_free_memory() {
    #[cfg(not(feature = "system-allocator"))]
    // SAFETY: this is the allocator of this library (lib.rs), and the function may be called at any time
    // from any thread.
    unsafe {
        mi_collect(true)
    };
}

impl Default for Codec {
    fn default() -> Self {
        Self::new()
    }
}

/// How delivering ended.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Delivery {
    /// The tape lies in the inbox.
    Whole,
    /// Its header does, and its parts are to be asked for.
    InParts,
}
