//! Runs the targets with all seeds and fixed mutations.

use std::fs;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use backwater_fuzz::targets::ALL;

const MUTATIONS: u32 = 50_000;

static ALONE: Mutex<()> = Mutex::new(());

/// Marsaglia's xorshift.
struct Random(u64);

impl Random {
    fn next(&mut self) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize
    }

    fn below(&mut self, limit: usize) -> usize {
        self.next() % limit.max(1)
    }
}

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(target);
    let files = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    let mut paths: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).expect("a seed")).collect()
}

/// Makes one to four changes.
fn mutation(random: &mut Random, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = seeds[random.below(seeds.len())].clone();
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len() + 1);
        match random.below(7) {
            0 | 1 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
            2 if at < bytes.len() => bytes[at] = [0, 1, 127, 128, 255][random.below(5)],
            3 => bytes.truncate(at),
            4 => bytes.insert(at, random.next() as u8),
            5 if at < bytes.len() => {
                bytes.remove(at);
            }
            _ => {
                let other = &seeds[random.below(seeds.len())];
                let (from, length) = (random.below(other.len() + 1), random.below(32));
                let piece = &other[from..(from + length).min(other.len())];
                bytes.splice(at..at, piece.iter().copied());
            }
        }
    }
    bytes
}

fn run(name: &str) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let (_, target) = ALL.iter().find(|(target, _)| *target == name).expect("a target");
    let seeds = seeds(name);
    assert!(!seeds.is_empty(), "{name} has no seeds");
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mutations = (0..MUTATIONS).map(|_| mutation(&mut random, &seeds));
    for input in seeds.iter().cloned().chain(mutations) {
        let result = std::panic::catch_unwind(|| target(&input));
        assert!(result.is_ok(), "{name} fails for {input:02x?}");
    }
}

macro_rules! targets {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            run(stringify!($name));
        })*

        #[test]
        fn every_target_is_run() {
            assert_eq!([$(stringify!($name)),*], ALL.map(|(name, _)| name));
        }
    };
}

targets! { decode encode gzip signature request response stream notation cost }
