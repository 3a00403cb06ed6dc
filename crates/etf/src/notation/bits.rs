use super::ParseError;
use super::scanner::{Integer, Scanner, Token};

/// The binaries of a text may have this many bytes in total, plus `BYTES_PER_BYTE` per character.
const FREE_BYTES: usize = 1024 * 1024;
const BYTES_PER_BYTE: usize = 8;

pub(super) struct Room(usize);

impl Room {
    pub(super) fn of(text: &str) -> Self {
        Self(FREE_BYTES + text.chars().count() * BYTES_PER_BYTE)
    }
}

#[derive(Default)]
pub(super) struct Bits {
    pub(super) bytes: Vec<u8>,
    /// How many bits of the last byte are used; 0 for all.
    pub(super) partial: u8,
}

struct Form {
    kind: Kind,
    little: bool,
    /// In bits; `None` for the type's default.
    size: Option<u64>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Integer,
    Float,
    Utf8,
    Utf16,
    Utf32,
}

const KINDS: [(&str, Kind); 5] = [
    ("integer", Kind::Integer),
    ("float", Kind::Float),
    ("utf8", Kind::Utf8),
    ("utf16", Kind::Utf16),
    ("utf32", Kind::Utf32),
];

pub(super) fn read(scanner: &mut Scanner<'_>, room: &mut Room) -> Result<Bits, ParseError> {
    let mut bits = Bits::default();
    if scanner.skip(">>")? {
        return Ok(bits);
    }
    loop {
        segment(scanner, room, &mut bits)?;
        if scanner.skip(",")? {
            continue;
        }
        if scanner.skip(">>")? {
            return Ok(bits);
        }
        return scanner.unexpected_next("',' or '>>' after a segment of a binary");
    }
}

fn segment(scanner: &mut Scanner<'_>, room: &mut Room, bits: &mut Bits) -> Result<(), ParseError> {
    let negative = scanner.skip("-")?;
    let (token, start) = scanner.take()?;
    match token {
        Token::String(text) if !negative => {
            let form = form(scanner)?;
            if form.kind == Kind::Utf8 {
                spend(scanner, room, text.len() as u64, start)?;
                bits.append(text.as_bytes());
                return Ok(());
            }
            for character in text.chars() {
                let magnitude = u32::from(character).to_le_bytes();
                write(scanner, room, bits, (&magnitude, false), &form, start)?;
            }
            Ok(())
        }
        Token::Integer(Integer { magnitude, .. }) => {
            let form = form(scanner)?;
            write(scanner, room, bits, (&magnitude, negative), &form, start)
        }
        Token::Float(value) => {
            let form = form(scanner)?;
            if form.kind != Kind::Float {
                return Err(scanner.error("a float in a binary needs the type '/float'", start));
            }
            let value = if negative { -value } else { value };
            float(scanner, room, bits, value, &form, start)
        }
        _ => Err(scanner.unexpected(start, "a number, a character or a string in a binary")),
    }
}

/// `:Size/Type-Signedness-Endianness-unit:Unit`, all optional.
fn form(scanner: &mut Scanner<'_>) -> Result<Form, ParseError> {
    let size = match scanner.skip(":")? {
        true => Some(number(scanner, "the size of a segment")?),
        false => None,
    };
    let (mut kind, mut little, mut unit) = (Kind::Integer, false, 1);
    if scanner.skip("/")? {
        loop {
            let (token, start) = scanner.take()?;
            let name = match &token {
                Token::Atom { name, .. } => name.as_str(),
                _ => "",
            };
            if let Some((_, known)) = KINDS.iter().find(|(known, _)| *known == name) {
                kind = *known;
            } else if matches!(name, "little" | "big") {
                little = name == "little";
            } else if name == "unit" && scanner.skip(":")? {
                unit = number(scanner, "the unit of a segment")?;
            } else if !matches!(name, "signed" | "unsigned") {
                let expected =
                    "integer, float, utf8, utf16, utf32, big, little, signed, unsigned or unit:N";
                return Err(scanner.unexpected(start, expected));
            }
            if !scanner.skip("-")? {
                break;
            }
        }
    }
    if let Some((name, _)) = KINDS[2..].iter().find(|(_, known)| *known == kind)
        && (size.is_some() || unit != 1)
    {
        return scanner.unexpected_next(&format!("no size for a segment of type {name}"));
    }
    Ok(Form { kind, little, size: size.map(|size| size.saturating_mul(unit)) })
}

fn number(scanner: &mut Scanner<'_>, what: &str) -> Result<u64, ParseError> {
    let (token, start) = scanner.take()?;
    match token {
        Token::Integer(integer) if integer.small().is_some_and(|value| value < 1 << 53) => {
            Ok(integer.small().unwrap_or_default())
        }
        _ => Err(scanner.unexpected(start, &format!("an integer as {what}"))),
    }
}

fn spend(
    scanner: &Scanner<'_>,
    room: &mut Room,
    bytes: u64,
    start: usize,
) -> Result<(), ParseError> {
    match usize::try_from(bytes).ok().and_then(|bytes| room.0.checked_sub(bytes)) {
        Some(left) => {
            room.0 = left;
            Ok(())
        }
        None => {
            let limits =
                format!("{FREE_BYTES} bytes plus {BYTES_PER_BYTE} per character of the text");
            let message = format!("the binaries are too large: the limit is {limits}");
            Err(scanner.error(message, start))
        }
    }
}

fn write(
    scanner: &Scanner<'_>,
    room: &mut Room,
    bits: &mut Bits,
    (magnitude, negative): (&[u8], bool),
    form: &Form,
    start: usize,
) -> Result<(), ParseError> {
    match form.kind {
        Kind::Integer => {
            let size = form.size.unwrap_or(8);
            spend(scanner, room, size.div_ceil(8), start)?;
            bits.integer(magnitude, negative, size as usize, form.little);
            Ok(())
        }
        Kind::Float => {
            let value =
                magnitude.iter().rev().fold(0.0, |value, byte| value * 256.0 + f64::from(*byte));
            let value = if negative { -value } else { value };
            float(scanner, room, bits, value, form, start)
        }
        kind => {
            let code = magnitude.iter().rev().try_fold(0u32, |code, byte| {
                code.checked_mul(256).map(|code| code + u32::from(*byte))
            });
            let character = code.filter(|code| !negative || *code == 0).and_then(char::from_u32);
            let Some(character) = character else {
                return Err(scanner.error("expected the code point of a character", start));
            };
            let mut bytes = Vec::with_capacity(4);
            match kind {
                Kind::Utf8 => bytes.extend(character.encode_utf8(&mut [0; 4]).bytes()),
                Kind::Utf16 => {
                    for unit in character.encode_utf16(&mut [0; 2]) {
                        bytes.extend(if form.little {
                            unit.to_le_bytes()
                        } else {
                            unit.to_be_bytes()
                        });
                    }
                }
                _ => {
                    let code = u32::from(character);
                    bytes.extend(if form.little { code.to_le_bytes() } else { code.to_be_bytes() });
                }
            }
            spend(scanner, room, bytes.len() as u64, start)?;
            bits.append(&bytes);
            Ok(())
        }
    }
}

fn float(
    scanner: &Scanner<'_>,
    room: &mut Room,
    bits: &mut Bits,
    value: f64,
    form: &Form,
    start: usize,
) -> Result<(), ParseError> {
    let mut bytes = match form.size.unwrap_or(64) {
        64 => value.to_be_bytes().to_vec(),
        32 if (value as f32).is_finite() => (value as f32).to_be_bytes().to_vec(),
        32 => return Err(scanner.error("a float does not fit into 32 bits", start)),
        _ => return Err(scanner.error("a float in a binary must have 32 or 64 bits", start)),
    };
    if form.little {
        bytes.reverse();
    }
    if !value.is_finite() {
        return Err(scanner.error("a float is out of range", start));
    }
    spend(scanner, room, bytes.len() as u64, start)?;
    bits.append(&bytes);
    Ok(())
}

impl Bits {
    fn integer(&mut self, magnitude: &[u8], negative: bool, size: usize, little: bool) {
        let mut bytes = vec![0; size.div_ceil(8)];
        let count = bytes.len().min(magnitude.len());
        bytes[..count].copy_from_slice(&magnitude[..count]);
        if negative {
            let mut carry = true;
            for byte in &mut bytes {
                (*byte, carry) = (!*byte).overflowing_add(carry.into());
            }
        }
        let rest = (size % 8) as u8;
        if little {
            // The partial byte is the highest and comes last.
            let whole = size / 8;
            self.append(&bytes[..whole]);
            if rest > 0 {
                self.append_bits(bytes[whole], rest);
            }
        } else {
            if rest > 0
                && let Some(highest) = bytes.pop()
            {
                self.append_bits(highest, rest);
            }
            bytes.reverse();
            self.append(&bytes);
        }
    }

    fn append(&mut self, bytes: &[u8]) {
        if self.partial == 0 {
            self.bytes.extend_from_slice(bytes);
        } else {
            bytes.iter().for_each(|byte| self.append_bits(*byte, 8));
        }
    }

    fn append_bits(&mut self, value: u8, size: u8) {
        let value = u16::from(value) << (16 - size) >> self.partial;
        let [high, low] = value.to_be_bytes();
        match self.bytes.last_mut() {
            Some(last) if self.partial > 0 => *last |= high,
            _ => self.bytes.push(high),
        }
        let used = self.partial + size;
        if used > 8 {
            self.bytes.push(low);
        }
        self.partial = used % 8;
    }
}
