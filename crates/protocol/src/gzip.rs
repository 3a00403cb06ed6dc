//! Gzip (RFC 1952) with limits.

use std::fmt;

use flate2::{Compress, Compression, Crc, Decompress, FlushCompress, FlushDecompress, Status};

use crate::pieces::pieces;

/// The maximum output per input byte: zlib's "Maximum Compression Factor".
const MOST_PER_BYTE: usize = 1032;
const STEP: usize = 16 * 1024;
const WINDOW_BITS: u8 = 15;
/// Magic, method, no flags, no time, no extra flags, unknown system.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GzipError {
    Malformed,
    TooLarge { limit: usize },
}

impl fmt::Display for GzipError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => formatter.write_str("the body is not gzip, or damaged"),
            Self::TooLarge { limit } => {
                write!(formatter, "the body inflates to more than the limit of {limit} bytes")
            }
        }
    }
}

impl std::error::Error for GzipError {}

/// The maximum gzipped size, from zlib's `deflateBound` for its default memory level.
pub fn bound(size: usize) -> usize {
    const ADDED: usize = 13 - 6 + 18;
    let blocks = (size >> 12) + (size >> 14) + (size >> 25);
    size.saturating_add(blocks).saturating_add(ADDED)
}

/// Inflates the first member to at most `limit` bytes, and ignores the rest.
pub fn inflate(input: &[u8], limit: usize) -> Result<Vec<u8>, GzipError> {
    let mut inflater = Decompress::new_gzip(WINDOW_BITS);
    let mut rest = input;
    // A spare byte reveals the end without growing the output.
    let expected = claimed_size(input.len(), input.last_chunk()).saturating_add(1).max(STEP);
    let mut output = Vec::with_capacity(expected.min(limit.saturating_add(1)));
    loop {
        // One byte over the limit reveals that the output is too large.
        let room = limit.saturating_add(1) - output.len();
        output.reserve_exact(output.len().clamp(STEP, STEP * 64).min(room));
        let (read, written) = (inflater.total_in(), inflater.total_out());
        let status = inflater.decompress_vec(rest, &mut output, FlushDecompress::None);
        if output.len() > limit {
            return Err(GzipError::TooLarge { limit });
        }
        if status.map_err(|_| GzipError::Malformed)? == Status::StreamEnd {
            return Ok(output);
        }
        rest = &rest[(inflater.total_in() - read) as usize..];
        let stuck = inflater.total_in() == read && inflater.total_out() == written;
        if stuck && (output.len() < output.capacity() || rest.is_empty()) {
            return Err(GzipError::Malformed);
        }
    }
}

/// The unverified size that a trailer claims, at most what `length` bytes can hold.
pub fn claimed_size(length: usize, trailer: Option<&[u8; 4]>) -> usize {
    let claimed = trailer.map_or(0, |size| u32::from_le_bytes(*size) as usize);
    claimed.min(length.saturating_mul(MOST_PER_BYTE))
}

/// Compresses at a `level` from 1 to 9; `None` if the output is not smaller.
pub fn deflate(input: &[u8], level: u32) -> Option<Vec<u8>> {
    let mut deflater = Compress::new(Compression::new(level.clamp(1, 9)), false);
    let mut output = Vec::with_capacity(input.len());
    output.extend(HEADER);
    for piece in pieces(input) {
        let before = deflater.total_in();
        let end = before + piece.len() as u64;
        let is_last = end == input.len() as u64;
        let flush = if is_last { FlushCompress::Finish } else { FlushCompress::None };
        loop {
            let rest = &piece[(deflater.total_in() - before) as usize..];
            let status = deflater.compress_vec(rest, &mut output, flush).ok()?;
            if status == Status::StreamEnd || !is_last && deflater.total_in() == end {
                break;
            }
            if output.len() == output.capacity() {
                return None;
            }
        }
    }
    let mut crc = Crc::new();
    crc.update(input);
    output.extend(crc.sum().to_le_bytes());
    output.extend((input.len() as u32).to_le_bytes());
    (output.len() < input.len()).then_some(output)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_false_trailer_reserves_no_more_than_the_input_can_produce() {
        let mut packed = deflate(&[7; 3000], 1).unwrap();
        assert_eq!(claimed_size(packed.len(), packed.last_chunk()), 3000);
        assert_eq!(inflate(&packed, 3000), Ok(vec![7; 3000]));
        let size = packed.len() - 4;
        packed[size..].fill(255);
        let claimed = claimed_size(packed.len(), packed.last_chunk());
        assert_eq!(claimed, packed.len() * MOST_PER_BYTE);
        assert_eq!(inflate(&packed, 3000), Err(GzipError::Malformed));
        assert_eq!(claimed_size(0, None), 0);
    }

    #[test]
    fn the_bound_is_tight_for_blocks_of_16_kib() {
        for size in [0, 1, 300, 16_383, 16_384, 1 << 20, 8 << 20, (1 << 28) - 1] {
            let stored = size + usize::div_ceil(size, 16_383).max(1) * 5 + 18;
            assert!(bound(size) >= stored, "{size}: {} < {stored}", bound(size));
            assert!(bound(size) <= stored + stored / 2000 + 25, "{size}");
        }
        assert_eq!(bound(usize::MAX), usize::MAX);
    }

    #[test]
    fn gzip_round_trips() {
        let (large, levels) =
            if cfg!(miri) { (5_000, &[6][..]) } else { (1_000_000, &[1, 6, 9][..]) };
        for size in [300, 5_000, large] {
            let input: Vec<u8> = (0..size).map(|index| (index / 7 % 11) as u8).collect();
            for &level in levels {
                let packed = deflate(&input, level).unwrap();
                assert!(packed.len() < input.len());
                assert_eq!(inflate(&packed, size), Ok(input.clone()));
                assert_eq!(
                    inflate(&packed, size - 1),
                    Err(GzipError::TooLarge { limit: size - 1 })
                );
            }
        }
    }

    #[test]
    fn incompressible_data_is_not_compressed() {
        let mut state = 1u32;
        let mut random = || {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            (state >> 24) as u8
        };
        let noise: Vec<u8> = (0..2_000).map(|_| random()).collect();
        assert_eq!(deflate(&noise, 6), None);
        assert_eq!(deflate(b"", 6), None);
        assert_eq!(deflate(b"short", 6), None);
    }

    #[test]
    fn only_the_first_member_counts() {
        let mut packed = deflate(&[7; 1000], 6).unwrap();
        packed.extend(deflate(&[8; 1000], 6).unwrap());
        assert_eq!(inflate(&packed, 1000), Ok(vec![7; 1000]));
        packed.extend(b"anything");
        assert_eq!(inflate(&packed, 1000), Ok(vec![7; 1000]));
    }

    #[test]
    #[cfg_attr(miri, ignore = "megabytes take minutes")]
    fn a_bomb_stops_at_the_limit() {
        let packed = deflate(&vec![0; 5_000_000], 9).unwrap();
        assert!(packed.len() < 10_000);
        assert_eq!(inflate(&packed, 1_000_000), Err(GzipError::TooLarge { limit: 1_000_000 }));
    }

    #[test]
    fn damage_anywhere_is_refused() {
        let input: Vec<u8> = (0..500u32).map(|index| (index % 26) as u8 + 97).collect();
        let packed = deflate(&input, 6).unwrap();
        for end in 0..packed.len() {
            assert_eq!(inflate(&packed[..end], 1000), Err(GzipError::Malformed), "cut at {end}");
        }
        for at in packed.len() - 8..packed.len() {
            let mut damaged = packed.clone();
            damaged[at] ^= 1;
            assert_eq!(inflate(&damaged, 1000), Err(GzipError::Malformed), "flipped at {at}");
        }
    }

    #[test]
    fn optional_header_fields_are_skipped() {
        let plain = deflate(&[7; 1000], 6).unwrap();
        let mut packed = plain[..10].to_vec();
        const FEXTRA_FNAME_FCOMMENT: u8 = 4 | 8 | 16;
        packed[3] = FEXTRA_FNAME_FCOMMENT;
        packed.extend([2, 0, 1, 2]);
        packed.extend(b"name\0comment\0");
        packed.extend(&plain[10..]);
        assert_eq!(inflate(&packed, 1000), Ok(vec![7; 1000]));
    }
}
