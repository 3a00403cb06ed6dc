//! Names of people and machines in certificates, as text (RFC 4514).

use super::certificate::{OBJECT_IDENTIFIER, Reader, SEQUENCE, SET};

/// Types of attributes that have a short name (RFC 4514, section 3; those after `DC` are as OpenSSL
/// writes them), in DER form.
const SHORT_NAMES: [(&[u8], &str); 13] = [
    (&[0x55, 4, 3], "CN"),
    (&[0x55, 4, 7], "L"),
    (&[0x55, 4, 8], "ST"),
    (&[0x55, 4, 10], "O"),
    (&[0x55, 4, 11], "OU"),
    (&[0x55, 4, 6], "C"),
    (&[0x55, 4, 9], "STREET"),
    (&[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 1], "UID"),
    (&[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 25], "DC"),
    (&[0x55, 4, 5], "serialNumber"),
    (&[0x55, 4, 4], "SN"),
    (&[0x55, 4, 42], "GN"),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 1], "emailAddress"),
];

const UTF8_STRING: u8 = 0x0c;
const BMP_STRING: u8 = 0x1e;
const UNIVERSAL_STRING: u8 = 0x1c;

/// The contents of a `Name` as text, the most specific part first: `CN=alice,O=Example`. What cannot
/// be read is left out.
pub(super) fn to_text(name: &[u8]) -> String {
    let mut parts = Vec::new();
    let mut sets = Reader(name);
    while let Some(set) = sets.take(SET) {
        let mut attributes = Reader(set);
        let mut joined = Vec::new();
        while let Some(attribute) = attributes.take(SEQUENCE) {
            joined.extend(attribute_text(attribute));
        }
        parts.push(joined.join("+"));
    }
    parts.reverse();
    parts.join(",")
}

fn attribute_text(attribute: &[u8]) -> Option<String> {
    let mut reader = Reader(attribute);
    let identifier = reader.take(OBJECT_IDENTIFIER)?;
    let (tag, value) = reader.take_any()?;
    let short = SHORT_NAMES.iter().find(|(known, _)| *known == identifier);
    let name = short.map_or_else(|| dotted(identifier), |(_, name)| (*name).to_owned());
    Some(format!("{name}={}", escape(&decode(tag, value))))
}

/// The other forms of strings are ASCII or Latin-1.
fn decode(tag: u8, value: &[u8]) -> String {
    match tag {
        UTF8_STRING => String::from_utf8_lossy(value).into_owned(),
        BMP_STRING => {
            let units = value.as_chunks().0.iter().map(|unit| u16::from_be_bytes(*unit));
            char::decode_utf16(units).map(|unit| unit.unwrap_or('\u{fffd}')).collect()
        }
        UNIVERSAL_STRING => {
            let points = value.as_chunks().0.iter().map(|point| u32::from_be_bytes(*point));
            points.map(|point| char::from_u32(point).unwrap_or('\u{fffd}')).collect()
        }
        _ => value.iter().map(|byte| char::from(*byte)).collect(),
    }
}

/// RFC 4514, section 2.4; control characters as well, so that a name is always one line.
fn escape(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    let last = value.chars().count().saturating_sub(1);
    for (index, character) in value.chars().enumerate() {
        let escaped = match character {
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' => true,
            '#' => index == 0,
            ' ' => index == 0 || index == last,
            _ => false,
        };
        if character.is_control() {
            let mut utf8 = [0; 4];
            for byte in character.encode_utf8(&mut utf8).bytes() {
                text.push_str(&format!("\\{byte:02X}"));
            }
            continue;
        }
        if escaped {
            text.push('\\');
        }
        text.push(character);
    }
    text
}

/// An object identifier as numbers with dots between (X.690, 8.19).
fn dotted(identifier: &[u8]) -> String {
    let mut numbers = Vec::new();
    let mut number: u64 = 0;
    for byte in identifier {
        number = number.wrapping_shl(7) | u64::from(byte & 0x7f);
        if byte & 0x80 != 0 {
            continue;
        }
        if numbers.is_empty() {
            let first = (number / 40).min(2);
            numbers.push(first);
            number -= first * 40;
        }
        numbers.push(number);
        number = 0;
    }
    let texts: Vec<_> = numbers.iter().map(u64::to_string).collect();
    texts.join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn element(tag: u8, contents: &[u8]) -> Vec<u8> {
        [&[tag, contents.len() as u8], contents].concat()
    }

    fn attribute(identifier: &[u8], tag: u8, value: &[u8]) -> Vec<u8> {
        let parts = [element(OBJECT_IDENTIFIER, identifier), element(tag, value)].concat();
        element(SEQUENCE, &parts)
    }

    fn common_name(value: &str) -> String {
        to_text(&element(SET, &attribute(&[0x55, 4, 3], UTF8_STRING, value.as_bytes())))
    }

    #[test]
    fn the_most_specific_part_comes_first() {
        let name = [
            element(SET, &attribute(&[0x55, 4, 6], 0x13, b"DE")),
            element(SET, &attribute(&[0x55, 4, 10], UTF8_STRING, "Bäcker".as_bytes())),
            element(
                SET,
                &[
                    attribute(&[0x55, 4, 3], UTF8_STRING, b"alice"),
                    attribute(&[0x2a, 0x03, 0x84, 0x00], 0x1e, &[0, b'x']),
                ]
                .concat(),
            ),
        ];
        assert_eq!(to_text(&name.concat()), "CN=alice+1.2.3.512=x,O=Bäcker,C=DE");
        assert_eq!(to_text(b""), "");
    }

    #[test]
    fn values_cannot_pretend_to_be_more_than_one() {
        assert_eq!(common_name("a,O=b"), "CN=a\\,O=b");
        assert_eq!(common_name(" # "), "CN=\\ #\\ ");
        assert_eq!(common_name("#a\\+\"<>;"), "CN=\\#a\\\\\\+\\\"\\<\\>\\;");
        assert_eq!(common_name("a\nb\0"), "CN=a\\0Ab\\00");
        assert_eq!(common_name(""), "CN=");
        assert_eq!(common_name(" "), "CN=\\ ");
    }
}
