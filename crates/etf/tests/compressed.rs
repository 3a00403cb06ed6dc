#![allow(clippy::unwrap_used)]

use std::io::Write;

use backwater_etf::{InflateError, InflateLimits, deflate, inflate};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::ZlibEncoder;

const LIMITS: InflateLimits = InflateLimits { max_size: 1 << 20, max_ratio: 256 };

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn claiming(size: usize, compressed: &[u8]) -> Vec<u8> {
    [&[131, 80][..], &(size as u32).to_be_bytes(), compressed].concat()
}

fn list(count: usize) -> Vec<u8> {
    let items = (0..count).flat_map(|index| [97, (index % 251) as u8]);
    let head = [&[131, 108][..], &(count as u32).to_be_bytes()].concat();
    head.into_iter().chain(items).chain([106]).collect()
}

#[test]
fn inflating_undoes_deflating() {
    for count in [300, 1000, 10_000] {
        let encoded = list(count);
        for level in 1..=9 {
            let compressed = deflate(&encoded, level).unwrap();
            assert!(compressed.len() < encoded.len());
            assert_eq!(inflate(&compressed, LIMITS).unwrap().unwrap(), encoded);
            let trailing = [&compressed[..], &[1, 2, 3]].concat();
            assert_eq!(inflate(&trailing, LIMITS).unwrap().unwrap(), encoded);
        }
    }
}

#[test]
fn incompressible_terms_stay_uncompressed() {
    assert_eq!(deflate(&[131, 97, 1], 6), None);
    let mut state = 1u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    };
    let noise: Vec<u8> = (0..1000).map(|_| next()).collect();
    let binary = [&[131, 109, 0, 0, 3, 232][..], &noise].concat();
    assert_eq!(deflate(&binary, 9), None);
    assert_eq!(deflate(&[], 6), None);
}

#[test]
fn uncompressed_terms_are_not_inflated() {
    for bytes in [&[][..], &[131], &[131, 97, 1], &[80, 131]] {
        assert_eq!(inflate(bytes, LIMITS), Ok(None));
    }
}

#[test]
fn erlangs_compressed_terms() {
    // From `term_to_binary` of OTP 25 with `{compressed, 9}` and `{compressed, 1}`.
    for text in [
        "g1AAAACkeNorYWBgYExhYEzMBTKmJSYlD0IEAE/mO6s=",
        "g1AAAACkeAErYWBgYExhYEzMBTKmJSYlD0IEAE/mO6s=",
    ] {
        let inflated = inflate(&STANDARD.decode(text).unwrap(), LIMITS).unwrap().unwrap();
        let head = [131, 116, 0, 0, 0, 1, 100, 0, 1, 97, 109, 0, 0, 0, 150];
        assert_eq!(inflated, [&head[..], "abc".repeat(50).as_bytes()].concat());
    }
}

#[test]
fn wrong_sizes_are_refused() {
    let term = &list(1000)[1..];
    let compressed = zlib(term);
    assert!(inflate(&claiming(term.len(), &compressed), LIMITS).is_ok());
    for size in [0, 1, term.len() - 1, term.len() + 1, 70_000] {
        let refused = inflate(&claiming(size, &compressed), LIMITS);
        assert_eq!(refused, Err(InflateError::Size(size)));
    }
    // Inflating stops at the claimed size.
    let bomb = zlib(&vec![0; 5_000_000]);
    assert_eq!(inflate(&claiming(1000, &bomb), LIMITS), Err(InflateError::Size(1000)));
}

#[test]
fn every_truncation_and_a_wrong_checksum_are_refused() {
    let term = &[&[109, 0, 0, 0, 120][..], &b"abc".repeat(40)].concat();
    let whole = claiming(term.len(), &zlib(term));
    for length in 2..whole.len() {
        let refused = inflate(&whole[..length], LIMITS);
        assert_eq!(refused, Err(InflateError::Truncated), "{length}");
    }
    let mut wrong = whole.clone();
    *wrong.last_mut().unwrap() ^= 1;
    assert_eq!(inflate(&wrong, LIMITS), Err(InflateError::Corrupt));
    assert_eq!(inflate(&claiming(10, &[1, 2, 3, 4, 5]), LIMITS), Err(InflateError::Corrupt));
    for at in 6..whole.len() {
        for bit in 0..8 {
            let mut flipped = whole.clone();
            flipped[at] ^= 1 << bit;
            if let Ok(inflated) = inflate(&flipped, LIMITS) {
                assert_eq!(&inflated.unwrap()[1..], term, "{at} {bit}");
            }
        }
    }
}

#[test]
fn size_and_ratio_are_bounded_on_both_sides() {
    let term = &list(1000)[1..];
    let compressed = claiming(term.len(), &zlib(term));
    let size = term.len() + 1;
    let limited = |max_size| inflate(&compressed, InflateLimits { max_size, max_ratio: 1 });
    assert!(limited(size).is_ok());
    assert_eq!(limited(size - 1), Err(InflateError::TooLarge { size, limit: size - 1 }));

    // Zeros shrink to a thousandth, which only matters above 1 MiB.
    for (length, max_ratio, fits) in [
        ((1 << 20) - 1, 1, true),
        (1 << 20, 1, false),
        (1 << 20, 500, false),
        (1 << 20, 1032, true),
    ] {
        let zeros = claiming(length, &zlib(&vec![0; length]));
        let inflated = inflate(&zeros, InflateLimits { max_size: 1 << 27, max_ratio });
        assert_eq!(inflated.is_ok(), fits, "{length} {max_ratio}");
        if !fits {
            assert_eq!(inflated, Err(InflateError::Ratio { size: length + 1, limit: max_ratio }));
        }
    }
    // Refused before anything is inflated.
    let huge = claiming(u32::MAX as usize, &zlib(&[0; 100]));
    let limits = InflateLimits { max_size: usize::MAX, max_ratio: 256 };
    assert!(matches!(inflate(&huge, limits), Err(InflateError::Ratio { .. })));
}
