//! Hashes of terms, to find map keys that are the same term.

use std::hash::{BuildHasher, RandomState};

/// Makes hashes of 128 bits with keys of its own: two terms of the same hash are the same term, for
/// a sender who does not know the keys cannot make others.
pub(crate) struct TermHasher {
    first: RandomState,
    second: RandomState,
}

pub(crate) type TermHash = u128;

#[derive(Clone, Copy, Hash)]
pub(crate) enum Kind {
    Integer,
    Big,
    Float,
    Atom,
    Binary,
    Bits,
    Opaque,
    List,
    Improper,
    Tuple,
    Map,
    Fun,
    Step,
}

impl TermHasher {
    pub(crate) fn new() -> Self {
        Self { first: RandomState::new(), second: RandomState::new() }
    }

    pub(crate) fn hash<T: std::hash::Hash>(&self, kind: Kind, content: T) -> TermHash {
        let content = (kind, content);
        u128::from(self.first.hash_one(&content)) << 64 | u128::from(self.second.hash_one(&content))
    }

    pub(crate) fn step(&self, state: TermHash, next: TermHash) -> TermHash {
        self.hash(Kind::Step, (state, next))
    }
}
