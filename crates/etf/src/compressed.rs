//! Compressed terms: version byte, tag 80, inflated size, zlib data.

use std::fmt;
use std::io::{ErrorKind, Read};

use flate2::bufread::ZlibDecoder;
use flate2::{Compress, Compression, FlushCompress, Status};

use crate::tags;

const FIRST: usize = 64 * 1024;
const SMALL: usize = 1024 * 1024;

#[derive(Clone, Copy, Debug)]
pub struct InflateLimits {
    /// In bytes, including the version byte.
    pub max_size: usize,
    /// A multiple of the compressed size; applies above 1 MiB.
    pub max_ratio: usize,
}

/// Why a term cannot be inflated. Sizes are in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InflateError {
    Truncated,
    Corrupt,
    Size(usize),
    TooLarge { size: usize, limit: usize },
    Ratio { size: usize, limit: usize },
}

impl fmt::Display for InflateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => write!(f, "the compressed term ends too early"),
            Self::Corrupt => write!(f, "the compressed term is corrupt"),
            Self::Size(size) => {
                write!(f, "the compressed term does not inflate to {size} bytes as its header says")
            }
            Self::TooLarge { size, limit } => write!(
                f,
                "the compressed term inflates to {size} bytes; the limit is {limit} (option maxInflatedSize)"
            ),
            Self::Ratio { size, limit } => write!(
                f,
                "the compressed term inflates to {size} bytes, more than {limit} times its compressed size \
                 (option maxInflatedRatio)"
            ),
        }
    }
}

impl std::error::Error for InflateError {}

/// Inflates a compressed term; returns `None` if `bytes` is not one. Ignores trailing bytes.
/// Allocates at most twice the inflated size.
pub fn inflate(bytes: &[u8], limits: InflateLimits) -> Result<Option<Vec<u8>>, InflateError> {
    let [tags::VERSION, tags::COMPRESSED, rest @ ..] = bytes else { return Ok(None) };
    let Some((size, input)) = rest.split_first_chunk() else {
        return Err(InflateError::Truncated);
    };
    let claimed = u32::from_be_bytes(*size) as usize;
    let size = claimed + 1;
    if size > limits.max_size {
        return Err(InflateError::TooLarge { size, limit: limits.max_size });
    }
    if size > SMALL && size > input.len().saturating_mul(limits.max_ratio) {
        return Err(InflateError::Ratio { size, limit: limits.max_ratio });
    }
    let mut out = Vec::with_capacity(size.min(FIRST) + 1);
    out.push(tags::VERSION);
    // One byte over the claimed size reveals that it is wrong.
    match ZlibDecoder::new(input).take(size as u64).read_to_end(&mut out) {
        Ok(inflated) if inflated == claimed => Ok(Some(out)),
        Ok(_) => Err(InflateError::Size(claimed)),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Err(InflateError::Truncated),
        Err(_) => Err(InflateError::Corrupt),
    }
}

/// Compresses at a `level` from 1 to 9; `None` if the term does not shrink.
pub fn deflate(encoded: &[u8], level: u32) -> Option<Vec<u8>> {
    let [tags::VERSION, term @ ..] = encoded else { return None };
    let size = u32::try_from(term.len()).ok()?;
    let mut out = Vec::with_capacity(encoded.len());
    out.extend([tags::VERSION, tags::COMPRESSED]);
    out.extend(size.to_be_bytes());
    let mut stream = Compress::new(Compression::new(level.clamp(1, 9)), true);
    let status = stream.compress_vec(term, &mut out, FlushCompress::Finish).ok()?;
    (status == Status::StreamEnd && out.len() < encoded.len()).then_some(out)
}
