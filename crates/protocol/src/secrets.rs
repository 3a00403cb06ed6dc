//! The secrets that both sides share.

use std::fmt;
use std::sync::Arc;

use ring::hmac;
use subtle::ConstantTimeEq;

/// One or more secrets: the first signs what begins with us, any is accepted. Cloning is cheap, and
/// nothing prints them.
#[derive(Clone)]
pub struct Secrets {
    keys: Arc<[hmac::Key]>,
}

/// A secret without bytes, or no secret at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EmptySecret;

impl fmt::Display for EmptySecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a secret needs at least one byte")
    }
}

impl std::error::Error for EmptySecret {}

impl Secrets {
    /// Prepares the keys.
    ///
    /// # Errors
    ///
    /// When there is no secret, or an empty one.
    pub fn new(secrets: impl IntoIterator<Item = Vec<u8>>) -> Result<Self, EmptySecret> {
        let keys = secrets.into_iter().map(|secret| {
            if secret.is_empty() {
                return Err(EmptySecret);
            }
            Ok(hmac::Key::new(hmac::HMAC_SHA256, &secret))
        });
        let keys: Arc<[hmac::Key]> = keys.collect::<Result<_, _>>()?;
        if keys.is_empty() { Err(EmptySecret) } else { Ok(Self { keys }) }
    }

    /// Signs with the secret of that number, or with the first one.
    pub(crate) fn sign(&self, number: usize, text: &[u8]) -> hmac::Tag {
        hmac::sign(self.keys.get(number).unwrap_or(&self.keys[0]), text)
    }

    /// Begins to verify a tag of a text that is given in pieces.
    pub(crate) fn verify(&self) -> Verification {
        Verification {
            first: hmac::Context::with_key(&self.keys[0]),
            others: self.keys[1..].iter().map(hmac::Context::with_key).collect(),
            gathered: [0; GATHERED],
            length: 0,
        }
    }
}

/// Small pieces are copied together up to this size: hashing each of them alone takes longer.
const GATHERED: usize = 512;

/// Computes the tag that each secret gives a text, so that the text is never needed in one place.
pub(crate) struct Verification {
    /// Most servers have one secret, for which nothing is allocated.
    first: hmac::Context,
    others: Vec<hmac::Context>,
    gathered: [u8; GATHERED],
    /// How much of `gathered` is in use.
    length: usize,
}

impl Verification {
    /// Adds the next piece of the text.
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

    /// The number of the secret that the tag was made with. The comparison takes the same time
    /// wherever the tags differ.
    pub(crate) fn finish(mut self, tag: &[u8]) -> Option<usize> {
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
    fn pieces_of_any_size_are_one_text() {
        let secrets = Secrets::new([b"first".to_vec(), b"second".to_vec()]).unwrap();
        let text: Vec<u8> = (0..4 * GATHERED).map(|index| index as u8).collect();
        for number in 0..2 {
            let tag = secrets.sign(number, &text);
            for size in [1, 7, GATHERED - 1, GATHERED, GATHERED + 1, text.len()] {
                let mut verification = secrets.verify();
                text.chunks(size).for_each(|piece| verification.add(piece));
                assert_eq!(verification.finish(tag.as_ref()), Some(number), "{size}");
            }
            assert_eq!(secrets.verify().finish(tag.as_ref()), None);
        }
    }

    /// Tags of 128 bits are right or wrong as the begin of ours; a signature always has 256.
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
            let own = secrets.sign(0, &message);
            assert_eq!(own.as_ref()[..tag.len()] == tag, is_valid, "{case}");
            let is_whole = tag.len() == own.as_ref().len();
            let expected = (is_valid && is_whole).then_some(0);
            let mut verification = secrets.verify();
            verification.add(&message);
            assert_eq!(verification.finish(&tag), expected, "{case}");
            if is_valid { valid += 1 } else { invalid += 1 }
        }
        assert_eq!((valid, invalid), (66, 108));
    }
}
