use std::fmt;
use std::sync::Arc;

use ring::hmac;
use subtle::ConstantTimeEq;

/// One or more secrets: the first signs, any may verify. Cloning is cheap, and `Debug` hides them.
#[derive(Clone)]
pub struct Secrets {
    keys: Arc<[hmac::Key]>,
}

/// Each secret costs an HMAC per unauthenticated message.
pub const MAX_SECRETS: usize = 16;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretsError {
    Empty,
    TooMany,
}

impl fmt::Display for SecretsError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => formatter.write_str("a secret needs at least one byte"),
            Self::TooMany => write!(formatter, "there are more than {MAX_SECRETS} secrets"),
        }
    }
}

impl std::error::Error for SecretsError {}

impl Secrets {
    pub fn new(secrets: impl IntoIterator<Item = Vec<u8>>) -> Result<Self, SecretsError> {
        let keys = secrets.into_iter().map(|secret| {
            if secret.is_empty() {
                return Err(SecretsError::Empty);
            }
            Ok(hmac::Key::new(hmac::HMAC_SHA256, &secret))
        });
        let keys: Arc<[hmac::Key]> = keys.collect::<Result<_, _>>()?;
        match keys.len() {
            0 => Err(SecretsError::Empty),
            1..=MAX_SECRETS => Ok(Self { keys }),
            _ => Err(SecretsError::TooMany),
        }
    }

    pub(crate) fn candidates(&self) -> Candidates<'_> {
        Candidates::new(&self.keys, 0)
    }

    /// Never empty.
    pub(crate) fn keys(&self) -> &[hmac::Key] {
        &self.keys
    }
}

#[derive(Clone, Copy)]
pub(crate) struct Candidates<'a> {
    keys: &'a [hmac::Key],
    /// `None` rejects every signature, but still checks it, so that timing reveals nothing.
    first: Option<usize>,
}

impl<'a> Candidates<'a> {
    pub(crate) fn new(keys: &'a [hmac::Key], first: usize) -> Self {
        Self { keys, first: Some(first) }
    }

    /// Rejects every signature in the usual time.
    pub(crate) fn none(keys: &'a [hmac::Key]) -> Self {
        Self { keys, first: None }
    }

    pub(crate) fn keys(&self) -> &'a [hmac::Key] {
        self.keys
    }

    pub(crate) fn number(&self, place: usize) -> Option<usize> {
        self.first.map(|first| first + place)
    }
}

/// Smaller pieces are faster to copy together than to hash.
const GATHERED: usize = 512;

pub(crate) struct Tags {
    /// Most servers have one secret, which needs no allocation.
    first: hmac::Context,
    others: Vec<hmac::Context>,
    gathered: [u8; GATHERED],
    length: usize,
}

impl Tags {
    pub(crate) fn by(keys: &[hmac::Key]) -> Self {
        Self {
            first: hmac::Context::with_key(&keys[0]),
            others: keys[1..].iter().map(hmac::Context::with_key).collect(),
            gathered: [0; GATHERED],
            length: 0,
        }
    }

    pub(crate) fn add(&mut self, piece: &[u8]) {
        if let Some(room) = self.gathered.get_mut(self.length..self.length + piece.len()) {
            room.copy_from_slice(piece);
            self.length += piece.len();
            return;
        }
        self.flush();
        match self.gathered.get_mut(..piece.len()) {
            Some(room) => {
                room.copy_from_slice(piece);
                self.length = piece.len();
            }
            None => {
                self.first.update(piece);
                self.others.iter_mut().for_each(|context| context.update(piece));
            }
        }
    }

    fn flush(&mut self) {
        let gathered = &self.gathered[..self.length];
        self.first.update(gathered);
        self.others.iter_mut().for_each(|context| context.update(gathered));
        self.length = 0;
    }

    pub(crate) fn first(mut self) -> hmac::Tag {
        self.flush();
        self.first.sign()
    }

    /// Compares in constant time.
    pub(crate) fn position(mut self, tag: &[u8]) -> Option<usize> {
        self.flush();
        let is_tag = |context: hmac::Context| bool::from(context.sign().as_ref().ct_eq(tag));
        if is_tag(self.first) {
            return Some(0);
        }
        self.others.into_iter().position(is_tag).map(|position| position + 1)
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Secrets({})", self.keys.len())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::path::Path;

    use serde_json::Value;

    use super::*;

    fn hex(text: &Value) -> Vec<u8> {
        let digits = text.as_str().unwrap().as_bytes().as_chunks::<2>().0;
        let byte = |pair: &[u8; 2]| {
            let [high, low] = pair.map(|digit| char::from(digit).to_digit(16).unwrap());
            (high * 16 + low) as u8
        };
        digits.iter().map(byte).collect()
    }

    #[test]
    #[cfg_attr(miri, ignore = "ring is assembly, which Miri does not run")]
    fn the_sizes_of_pieces_do_not_matter() {
        let secrets = Secrets::new([b"first".to_vec(), b"second".to_vec()]).unwrap();
        let text: Vec<u8> = (0..4 * GATHERED).map(|index| index as u8).collect();
        for number in 0..2 {
            let tag = hmac::sign(&secrets.keys()[number], &text);
            for size in [1, 7, GATHERED - 1, GATHERED, GATHERED + 1, text.len()] {
                let mut tags = Tags::by(secrets.keys());
                text.chunks(size).for_each(|piece| tags.add(piece));
                assert_eq!(tags.position(tag.as_ref()), Some(number), "{size}");
            }
            assert_eq!(Tags::by(secrets.keys()).position(tag.as_ref()), None);
        }
    }

    #[test]
    fn one_to_sixteen_secrets_are_accepted() {
        let of = |count: u8| Secrets::new((0..count).map(|number| vec![number])).map(drop);
        assert_eq!(of(0), Err(SecretsError::Empty));
        assert_eq!(of(1), Ok(()));
        assert_eq!(of(16), Ok(()));
        assert_eq!(of(17), Err(SecretsError::TooMany));
    }

    #[test]
    #[cfg_attr(miri, ignore = "ring is assembly, which Miri does not run")]
    fn wycheproof() {
        let path = "tests/wycheproof/hmac-sha256.jsonl";
        let text =
            std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
        let (mut valid, mut invalid) = (0, 0);
        for line in text.lines() {
            let case: Value = serde_json::from_str(line).unwrap();
            let secrets = Secrets::new([hex(&case["key"])]).unwrap();
            let (message, tag) = (hex(&case["message"]), hex(&case["tag"]));
            let is_valid = case["valid"].as_bool().unwrap();
            assert_eq!(tag.len() as u64 * 8, case["bits"], "{case}");
            let own = hmac::sign(&secrets.keys()[0], &message);
            assert_eq!(own.as_ref()[..tag.len()] == tag, is_valid, "{case}");
            let is_whole = tag.len() == own.as_ref().len();
            let expected = (is_valid && is_whole).then_some(0);
            let mut tags = Tags::by(secrets.keys());
            tags.add(&message);
            assert_eq!(tags.position(&tag), expected, "{case}");
            if is_valid { valid += 1 } else { invalid += 1 }
        }
        assert_eq!((valid, invalid), (66, 108));
    }
}
