use std::fmt::Write;

/// Larger integers are printed in hexadecimal, because conversion to decimal takes quadratic time.
const MOST_DECIMAL_BYTES: usize = 1024;
/// Schoolbook multiplication is faster for fewer limbs.
const KARATSUBA: usize = 32;

pub(super) fn write(out: &mut String, negative: bool, magnitude: &[u8], hexadecimal: &str) {
    if negative {
        out.push('-');
    }
    if magnitude.len() > MOST_DECIMAL_BYTES {
        out.push_str(hexadecimal);
        let [rest @ .., highest] = magnitude else { return };
        let _ = write!(out, "{highest:X}");
        for byte in rest.iter().rev() {
            let _ = write!(out, "{byte:02X}");
        }
        return;
    }
    const BILLION: u64 = 1_000_000_000;
    let mut limbs: Vec<u32> = magnitude.chunks(4).map(limb).collect();
    let mut digits = Vec::new();
    while !limbs.is_empty() {
        let mut remainder = 0;
        for limb in limbs.iter_mut().rev() {
            let value = remainder << 32 | u64::from(*limb);
            *limb = (value / BILLION) as u32;
            remainder = value % BILLION;
        }
        digits.push(remainder);
        while limbs.last() == Some(&0) {
            limbs.pop();
        }
    }
    let _ = write!(out, "{}", digits.pop().unwrap_or(0));
    for part in digits.iter().rev() {
        let _ = write!(out, "{part:09}");
    }
}

fn limb(bytes: &[u8]) -> u32 {
    bytes.iter().rev().fold(0, |value, byte| value << 8 | u32::from(*byte))
}

/// Lowest byte first, without leading zeros.
pub(super) fn parse(digits: &[u8], radix: u32) -> Vec<u8> {
    let mut width = 0;
    let mut power = 1u64;
    while let Some(next) = power.checked_mul(radix.into()) {
        power = next;
        width += 1;
    }
    let value = |digits: &[u8]| {
        digits.iter().fold(0, |value, digit| {
            value * u64::from(radix) + u64::from(char::from(*digit).to_digit(radix).unwrap_or(0))
        })
    };
    let mut parts: Vec<Vec<u64>> = digits.rchunks(width).map(|part| vec![value(part)]).collect();
    let mut base = vec![power];
    while parts.len() > 1 {
        parts = parts
            .chunks(2)
            .map(|pair| match pair {
                [low, high] => sum(&product(high, &base), low),
                _ => pair[0].clone(),
            })
            .collect();
        if parts.len() > 1 {
            base = product(&base, &base);
        }
    }
    let mut bytes: Vec<u8> = parts.iter().flatten().flat_map(|limb| limb.to_le_bytes()).collect();
    while bytes.last() == Some(&0) {
        bytes.pop();
    }
    bytes
}

fn sum(a: &[u64], b: &[u64]) -> Vec<u64> {
    let (long, short) = if a.len() >= b.len() { (a, b) } else { (b, a) };
    let mut result = long.to_vec();
    result.push(0);
    add(&mut result, short);
    trim(&mut result);
    result
}

/// The result must fit.
fn add(to: &mut [u64], other: &[u64]) {
    let mut carry = false;
    for (index, limb) in to.iter_mut().enumerate() {
        let term = match other.get(index) {
            Some(term) => *term,
            None if carry => 0,
            None => return,
        };
        let (partial, first) = limb.overflowing_add(term);
        let (total, second) = partial.overflowing_add(carry.into());
        (*limb, carry) = (total, first || second);
    }
}

/// The result must not be negative.
fn subtract(from: &mut [u64], other: &[u64]) {
    let mut borrow = false;
    for (index, limb) in from.iter_mut().enumerate() {
        let term = match other.get(index) {
            Some(term) => *term,
            None if borrow => 0,
            None => return,
        };
        let (partial, first) = limb.overflowing_sub(term);
        let (total, second) = partial.overflowing_sub(borrow.into());
        (*limb, borrow) = (total, first || second);
    }
}

fn product(a: &[u64], b: &[u64]) -> Vec<u64> {
    let (long, short) = if a.len() >= b.len() { (a, b) } else { (b, a) };
    let mut result = vec![0; long.len() + short.len()];
    if short.len() < KARATSUBA {
        for (index, limb) in short.iter().enumerate() {
            let mut carry = 0;
            for (place, other) in result[index..].iter_mut().zip(long) {
                let value =
                    u128::from(*limb) * u128::from(*other) + u128::from(*place) + u128::from(carry);
                (*place, carry) = (value as u64, (value >> 64) as u64);
            }
            result[index + long.len()] = carry;
        }
    } else {
        // Karatsuba: (a1 B + a0)(b1 B + b0) with three products.
        let half = long.len().div_ceil(2);
        let (long_low, long_high) = long.split_at(half);
        let (short_low, short_high) = short.split_at(half.min(short.len()));
        let low = product(long_low, short_low);
        let high = product(long_high, short_high);
        let mut middle = product(&sum(long_low, long_high), &sum(short_low, short_high));
        subtract(&mut middle, &low);
        subtract(&mut middle, &high);
        trim(&mut middle);
        add(&mut result, &low);
        add(&mut result[half..], &middle);
        add(&mut result[2 * half..], &high);
    }
    trim(&mut result);
    result
}

fn trim(limbs: &mut Vec<u64>) {
    while limbs.last() == Some(&0) {
        limbs.pop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(magnitude: &[u8]) -> String {
        let mut out = String::new();
        write(&mut out, false, magnitude, "16#");
        out
    }

    #[test]
    fn digits_are_read_as_they_are_written() {
        for digits in ["0", "1", "255", "256", "4294967296", "1180591620717411303424"] {
            assert_eq!(written(&parse(digits.as_bytes(), 10)), digits);
        }
        for length in [18, 19, 20, 21, 38, 39, 100, 616, 617, 2400] {
            let digits: String =
                (0..length).map(|index| char::from(b'1' + (index * 7 % 9) as u8)).collect();
            assert_eq!(written(&parse(digits.as_bytes(), 10)), digits, "{length}");
        }
    }

    #[test]
    fn bases_agree() {
        let hexadecimal = "f".repeat(5000);
        let binary = "1".repeat(20_000);
        assert_eq!(parse(hexadecimal.as_bytes(), 16), parse(binary.as_bytes(), 2));
        assert_eq!(parse(hexadecimal.as_bytes(), 16), vec![0xff; 2500]);
        assert_eq!(parse(b"zz", 36), parse(b"1295", 10));
    }

    #[test]
    fn large_magnitudes_are_written_in_hexadecimal() {
        let mut magnitude = vec![0xff; MOST_DECIMAL_BYTES];
        assert!(written(&magnitude).bytes().all(|digit| digit.is_ascii_digit()));
        magnitude.push(1);
        assert_eq!(written(&magnitude), format!("16#1{}", "FF".repeat(MOST_DECIMAL_BYTES)));
    }

    #[test]
    fn multiplication_of_large_numbers_is_consistent() {
        // (10^n - 1)^2 = 10^2n - 2 * 10^n + 1
        for n in [700, 5000] {
            let nines = parse("9".repeat(n).as_bytes(), 10);
            let limbs: Vec<u64> = nines
                .chunks(8)
                .map(|bytes| bytes.iter().rev().fold(0, |limb, byte| limb << 8 | u64::from(*byte)))
                .collect();
            let squared = product(&limbs, &limbs);
            let expected = format!("{}8{}1", "9".repeat(n - 1), "0".repeat(n - 1));
            let mut bytes: Vec<u8> = squared.iter().flat_map(|limb| limb.to_le_bytes()).collect();
            while bytes.last() == Some(&0) {
                bytes.pop();
            }
            assert_eq!(bytes, parse(expected.as_bytes(), 10));
        }
    }
}
