use std::hash::{BuildHasher, Hash, Hasher, RandomState};

/// A fast, randomly keyed hasher. A sender who finds a collision only gets its own message refused,
/// and SipHash took a third of the time to decode a large map.
pub(crate) struct TermHasher {
    seeds: [u64; 2],
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

impl Default for TermHasher {
    fn default() -> Self {
        let random = RandomState::new();
        Self { seeds: [random.hash_one(0), random.hash_one(1)] }
    }
}

impl TermHasher {
    pub(crate) fn hash<T: Hash>(&self, kind: Kind, content: T) -> TermHash {
        let mut hasher = self.build_hasher();
        (kind, content).hash(&mut hasher);
        hasher.finish128()
    }

    pub(crate) fn step(&self, state: TermHash, next: TermHash) -> TermHash {
        self.hash(Kind::Step, (state, next))
    }
}

impl BuildHasher for TermHasher {
    type Hasher = WideHasher;

    fn build_hasher(&self) -> WideHasher {
        WideHasher { first: self.seeds[0], second: self.seeds[1] }
    }
}

pub(crate) struct WideHasher {
    first: u64,
    second: u64,
}

/// The fractional parts of the square roots of 2 and 3.
const FACTORS: [u64; 2] = [0x6a09_e667_f3bc_c909, 0xbb67_ae85_84ca_a73b];

fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}

impl WideHasher {
    #[inline]
    fn word(&mut self, word: u64) {
        self.first = fold(self.first ^ word, FACTORS[0]).rotate_left(23);
        self.second = fold(self.second.rotate_left(31) ^ word, FACTORS[1]) ^ self.first;
    }

    fn finish128(mut self) -> u128 {
        self.word(0);
        self.word(1);
        u128::from(self.first) << 64 | u128::from(self.second)
    }
}

impl Hasher for WideHasher {
    /// `Hash` of a slice writes its length first.
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks();
        for word in words {
            self.word(u64::from_le_bytes(*word));
        }
        if !rest.is_empty() {
            let mut word = [0; 8];
            word[..rest.len()].copy_from_slice(rest);
            self.word(u64::from_le_bytes(word));
        }
    }

    #[inline]
    fn write_u64(&mut self, value: u64) {
        self.word(value);
    }

    #[inline]
    fn write_usize(&mut self, value: usize) {
        self.word(value as u64);
    }

    fn finish(&self) -> u64 {
        fold(self.first ^ FACTORS[1], self.second ^ FACTORS[0])
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn different_content_has_different_hashes() {
        let hasher = TermHasher::default();
        let mut hashes = HashSet::new();
        let mut bytes = Vec::new();
        let (lengths, values) = if cfg!(miri) { (10, 20) } else { (40, 1000) };
        for length in 0..lengths {
            assert!(hashes.insert(hasher.hash(Kind::Binary, &bytes[..])));
            assert!(hashes.insert(hasher.hash(Kind::Atom, &bytes[..])));
            for bit in 0..length * 8 {
                let mut other = bytes.clone();
                other[bit / 8] ^= 1 << (bit % 8);
                assert!(hashes.insert(hasher.hash(Kind::Binary, &other[..])));
            }
            bytes.push(0);
        }
        for value in -values..values {
            assert!(hashes.insert(hasher.hash(Kind::Integer, i64::from(value))));
        }
        let halves: HashSet<u64> = hashes.iter().map(|hash| *hash as u64).collect();
        assert_eq!(halves.len(), hashes.len());
    }

    #[test]
    fn the_order_of_steps_matters() {
        let hasher = TermHasher::default();
        let [a, b] = [0i64, 1].map(|value| hasher.hash(Kind::Integer, value));
        assert_ne!(hasher.step(hasher.step(0, a), b), hasher.step(hasher.step(0, b), a));
        assert_eq!(hasher.step(a, b), hasher.step(a, b));
        assert_ne!(
            hasher.hash(Kind::Integer, 1i64),
            TermHasher::default().hash(Kind::Integer, 1i64)
        );
    }
}
