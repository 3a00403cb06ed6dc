//! Encoding of single terms on the calling thread: `encode()`.

use backwater_etf::tape::MAX_DEPTH;
use backwater_etf::{EncodeOptions, Encoder, Gap};

use crate::shared_buffers::SharedBuffers;

/// The version byte that a term in external form begins with (OTP, erl_ext_dist, "Introduction").
const VERSION: u8 = 131;
/// What is kept of each part of the scratch memory between terms, in bytes.
const KEPT: usize = 8 << 20;

/// Scratch memory of the codec, used again for each term.
pub(crate) struct Codec {
    encoder: Encoder,
    output: Vec<u8>,
    gaps: Vec<Gap>,
}

impl Codec {
    pub(crate) fn new() -> Self {
        Self { encoder: Encoder::default(), output: Vec::new(), gaps: Vec::new() }
    }

    /// Encodes the tape at word `start` of the buffers, without the binaries out of band. Returns the length
    /// of the encoding with them. The bytes stay valid until the next call.
    pub(crate) fn encode(
        &mut self,
        buffers: &SharedBuffers,
        start: usize,
        max_size: usize,
    ) -> Result<usize, String> {
        let Some(tape) = buffers.read().tape(start) else {
            return Err("the tape exceeds the shared buffers".into());
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
}

impl Default for Codec {
    fn default() -> Self {
        Self::new()
    }
}
