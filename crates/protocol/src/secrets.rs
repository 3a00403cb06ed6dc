//! The secrets that both sides share.

use std::fmt;
use std::sync::Arc;

use ring::hmac;

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

    /// The number of the secret that the tag was made with. The comparison takes the same time
    /// wherever the tags differ.
    pub(crate) fn verify(&self, text: &[u8], tag: &[u8]) -> Option<usize> {
        self.keys.iter().position(|key| hmac::verify(key, text, tag).is_ok())
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Secrets({})", self.keys.len())
    }
}
