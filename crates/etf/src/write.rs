use crate::tags;

#[inline]
pub(crate) fn header(out: &mut Vec<u8>, tag: u8, count: u32) {
    let [a, b, c, d] = count.to_be_bytes();
    out.extend([tag, a, b, c, d]);
}

#[inline]
pub(crate) fn atom(out: &mut Vec<u8>, name: &[u8]) {
    if let Ok(length) = u8::try_from(name.len()) {
        out.extend([tags::SMALL_ATOM_UTF8, length]);
    } else {
        let [high, low] = (name.len() as u16).to_be_bytes();
        out.extend([tags::ATOM_UTF8, high, low]);
    }
    out.extend_from_slice(name);
}

#[inline]
pub(crate) fn float(out: &mut Vec<u8>, value: f64) {
    let mut bytes = [tags::NEW_FLOAT; 9];
    bytes[1..].copy_from_slice(&value.to_be_bytes());
    out.extend_from_slice(&bytes);
}

/// Uses the smallest form, as Erlang does.
#[inline]
pub(crate) fn integer(out: &mut Vec<u8>, value: i64) {
    if let Ok(byte) = u8::try_from(value) {
        out.extend([tags::SMALL_INTEGER, byte]);
    } else if let Ok(narrow) = i32::try_from(value) {
        header(out, tags::INTEGER, narrow as u32);
    } else {
        let digits = value.unsigned_abs().to_le_bytes();
        let count = digits.iter().rposition(|digit| *digit != 0).map_or(0, |last| last + 1);
        big(out, &digits[..count], value < 0);
    }
}

/// Lowest digit first.
pub(crate) fn big(out: &mut Vec<u8>, digits: &[u8], negative: bool) {
    match u8::try_from(digits.len()) {
        Ok(count) => out.extend([tags::SMALL_BIG, count]),
        Err(_) => header(out, tags::LARGE_BIG, digits.len() as u32),
    }
    out.push(negative.into());
    out.extend_from_slice(digits);
}
