use http::HeaderValue;

/// Parses one to `most_digits` digits, at most 19.
pub(crate) fn parse(value: &HeaderValue, most_digits: usize) -> Option<u64> {
    let digits = value.as_bytes();
    if digits.is_empty() || digits.len() > most_digits || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(digits.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0')))
}
