use std::sync::atomic::{AtomicBool, Ordering};

use ring::rand::{SecureRandom, SystemRandom};

use crate::locks::Mutex;

const LENGTH: usize = 16;
/// A system call per identifier would cost more than the signature.
const BATCH: usize = 64;

pub(crate) struct RequestIds {
    fetched: Mutex<Vec<[u8; LENGTH]>>,
}

#[derive(Debug)]
pub(crate) struct NoRandomness;

impl RequestIds {
    pub(crate) fn new() -> Self {
        Self { fetched: Mutex::new(Vec::with_capacity(BATCH)) }
    }

    pub(crate) fn next(&self) -> Result<[u8; LENGTH], NoRandomness> {
        let mut fetched = self.fetched.lock();
        if let Some(id) = fetched.pop() {
            return Ok(id);
        }
        let mut bytes = [0; LENGTH * BATCH];
        SystemRandom::new().fill(&mut bytes).map_err(|_| NoRandomness)?;
        fetched.extend(bytes.as_chunks().0);
        fetched.pop().ok_or(NoRandomness)
    }
}

/// The identifier of a call's first request. Later requests get new identifiers, because servers
/// refuse repeats.
#[derive(Debug)]
pub struct FirstRequestId {
    bytes: [u8; LENGTH],
    is_used: AtomicBool,
}

impl FirstRequestId {
    /// `bytes` must be random.
    pub fn new(bytes: [u8; LENGTH]) -> Self {
        Self { bytes, is_used: AtomicBool::new(false) }
    }

    pub(crate) fn take(&self) -> Option<[u8; LENGTH]> {
        (!self.is_used.swap(true, Ordering::Relaxed)).then_some(self.bytes)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn the_first_identifier_is_used_once() {
        let id = FirstRequestId::new([7; LENGTH]);
        assert_eq!(id.take(), Some([7; LENGTH]));
        assert_eq!(id.take(), None);
    }

    #[test]
    fn identifiers_are_unique_across_batches() {
        let ids = RequestIds::new();
        let count = BATCH * 3 + 1;
        let seen: HashSet<_> = (0..count).map(|_| ids.next().unwrap()).collect();
        assert_eq!(seen.len(), count);
    }
}
