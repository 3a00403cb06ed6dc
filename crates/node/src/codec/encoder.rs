use backwater_etf::tape::MAX_DEPTH;
use backwater_etf::{EncodeOptions, Encoder, Gap};

use crate::shared_buffers::SharedBuffers;

/// Version of the external term format (OTP, erl_ext_dist, "Introduction").
const VERSION: u8 = 131;
const KEPT: usize = 8 << 20;

pub(crate) struct Codec {
    encoder: Encoder,
    output: Vec<u8>,
    gaps: Vec<Gap>,
}

impl Codec {
    pub(crate) fn new() -> Self {
        Self { encoder: Encoder::default(), output: Vec::new(), gaps: Vec::new() }
    }

    /// Encodes the tape at word `start`, without its out-of-band binaries. Returns the length
    /// including them.
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
        // JavaScript has already checked the depth against its option.
        let options = EncodeOptions { max_size, max_depth: MAX_DEPTH };
        self.encoder
            .encode_around(tape, &options, &mut self.output, &mut self.gaps)
            .map_err(|error| error.to_string())?;
        Ok(self.output.len() + self.gaps.iter().map(|gap| gap.length).sum::<usize>())
    }

    pub(crate) fn gaps(&self) -> &[Gap] {
        &self.gaps
    }

    pub(crate) fn encoded(&self) -> &[u8] {
        &self.output
    }
}

impl Default for Codec {
    fn default() -> Self {
        Self::new()
    }
}
