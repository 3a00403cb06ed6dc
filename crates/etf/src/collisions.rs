//! Map keys that collide in JavaScript's `Map`.
//!
//! V8 hashes numbers without a secret, and big integers by their lowest 64 bits alone. A sender can
//! choose keys that share a bucket, so that filling a Map takes quadratic time. Until March 2026
//! (CVE-2026-21717), V8 also hashed array indices such as `'1000065536'` by value.

use crate::error::DecodeErrorKind;

/// Evenly spaced keys put at most 20 into one of a million buckets.
pub(crate) const MAX_COLLIDING: usize = 32;

/// Higher, because current V8 is safe, and keys such as page offsets share their lowest bits.
pub(crate) const MAX_COLLIDING_TEXTS: usize = 256;

pub(crate) fn of_text(text: &[u8]) -> Option<u32> {
    let is_index = text.len() <= 10 && text.iter().all(u8::is_ascii_digit);
    let value = text.iter().fold(0, |value, digit| value * 10 + u64::from(digit & 15));
    (is_index && !text.is_empty()).then_some(value as u32 & 0x00ff_ffff)
}

/// V8, `Object::GetSimpleHash`.
pub(crate) fn of_number(value: f64) -> u32 {
    let integer = value as i32;
    if f64::from(integer) == value { hash32(integer as u32) } else { hash64(value.to_bits()) }
}

/// V8, `BigInt::Hash`. Lowest digit first.
pub(crate) fn of_big(digits: &[u8]) -> u32 {
    let mut lowest = [0; 8];
    let length = digits.len().min(8);
    lowest[..length].copy_from_slice(&digits[..length]);
    hash64(u64::from_le_bytes(lowest))
}

/// V8, `ComputeUnseededHash`.
fn hash32(key: u32) -> u32 {
    let mut hash = (!key).wrapping_add(key << 15);
    hash ^= hash >> 12;
    hash = hash.wrapping_add(hash << 2);
    hash ^= hash >> 4;
    hash = hash.wrapping_mul(2057);
    hash ^ hash >> 16
}

/// V8, `ComputeLongHash`.
fn hash64(key: u64) -> u32 {
    let mut hash = (!key).wrapping_add(key << 18);
    hash ^= hash >> 31;
    hash = hash.wrapping_mul(21);
    hash ^= hash >> 11;
    hash = hash.wrapping_add(hash << 6);
    (hash ^ hash >> 22) as u32
}

pub(crate) fn check(hashes: &[u32], pairs: u32, limit: usize) -> Result<(), DecodeErrorKind> {
    if hashes.len() <= limit {
        return Ok(());
    }
    // V8's tables have half as many buckets as entries.
    let buckets = (pairs as usize).next_power_of_two() / 2;
    let mut counts = vec![0u16; buckets];
    for hash in hashes {
        let count = &mut counts[*hash as usize & (buckets - 1)];
        *count += 1;
        if usize::from(*count) > limit {
            return Err(DecodeErrorKind::CollidingKeys(limit as u32));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const COUNT: usize = if cfg!(miri) { 1000 } else { 100_000 };

    fn check_all(hashes: impl Iterator<Item = u32>) -> bool {
        let hashes: Vec<u32> = hashes.take(COUNT).collect();
        check(&hashes, hashes.len() as u32, MAX_COLLIDING).is_ok()
    }

    #[test]
    fn regular_keys_are_far_from_colliding() {
        let numbers = || (0u64..).map(|n| n as f64);
        for step in
            [1.0, 2.0, 3.0, 10.0, 100.0, 1000.0, 1024.0, 4096.0, 65_536.0, 1e6, 0.5, 0.1, 1e9]
        {
            for start in [0.0, 1.0, 1e6, 1_700_000_000.0, 1_700_000_000_000.0, -1e6, 2e9] {
                let keys = numbers().map(|n| of_number(start + n * step));
                assert!(check_all(keys), "from {start} in steps of {step}");
            }
        }
        for shift in [0, 8, 12, 16, 20, 22, 32] {
            let keys = (0u64..).map(|n| of_big(&((1 << 60) + (n << shift)).to_le_bytes()));
            assert!(check_all(keys), "shifted by {shift}");
        }
    }

    #[test]
    fn chosen_keys_collide() {
        assert!(!check_all((0u64..).map(|n| {
            let mut digits = [1; 16];
            digits[8..].copy_from_slice(&n.to_le_bytes());
            of_big(&digits)
        })));
        let same_bucket = |hash: u32| hash % (COUNT.next_power_of_two() as u32 / 2) == 7;
        let numbers =
            (0..100 * COUNT).map(|n| of_number(n as f64)).filter(|hash| same_bucket(*hash));
        let chosen: Vec<u32> = numbers.take(MAX_COLLIDING + 1).collect();
        assert_eq!(chosen.len(), MAX_COLLIDING + 1);
        assert!(check(&chosen[1..], COUNT as u32, MAX_COLLIDING).is_ok());
        assert!(check(&chosen, COUNT as u32, MAX_COLLIDING).is_err());
    }

    #[test]
    fn texts_that_are_array_indices_collide_by_their_value() {
        for (text, hash) in [
            ("0", Some(0)),
            ("16777217", Some(1)),
            ("9999999999", Some(9_999_999_999u64 as u32 & 0x00ff_ffff)),
            ("", None),
            ("-1", None),
            ("1a", None),
            ("10000000000", None),
        ] {
            assert_eq!(of_text(text.as_bytes()), hash, "{text}");
        }
        let of = |count: u32| -> Vec<u32> {
            (0..count).filter_map(|n| of_text((n * 65_536).to_string().as_bytes())).collect()
        };
        let limit = MAX_COLLIDING_TEXTS as u32;
        assert!(check(&of(limit), 1000, MAX_COLLIDING_TEXTS).is_ok());
        assert!(check(&of(limit + 1), 1000, MAX_COLLIDING_TEXTS).is_err());
        let sequence: Vec<u32> =
            (0..COUNT).filter_map(|n| of_text(n.to_string().as_bytes())).collect();
        assert!(check(&sequence, COUNT as u32, MAX_COLLIDING_TEXTS).is_ok());
    }

    #[test]
    fn integral_numbers_hash_like_integers() {
        assert_eq!(of_number(-0.0), of_number(0.0));
        assert_eq!(of_number(f64::from(i32::MIN)), hash32(0x8000_0000));
        assert_eq!(of_number(2_147_483_648.0), hash64(2_147_483_648f64.to_bits()));
        assert_eq!(of_number(0.5), hash64(0.5f64.to_bits()));
    }
}
