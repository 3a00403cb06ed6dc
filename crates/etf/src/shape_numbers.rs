//! Numbers of shapes, so that readers need not compare their keys.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

/// Beyond these limits, keys are probably data.
const MOST: u32 = 4096;
const MOST_BYTES: usize = 1 << 20;

#[derive(Default)]
struct Numbers {
    by_keys: HashMap<(bool, Box<[u8]>), u32>,
    bytes: usize,
}

static NUMBERS: LazyLock<Mutex<Numbers>> = LazyLock::new(Mutex::default);

/// Unique in this process, or 0 if there are too many.
pub(crate) fn number_of(atoms: bool, joined: &[u8]) -> u32 {
    let mut numbers = NUMBERS.lock().unwrap_or_else(PoisonError::into_inner);
    let key = (atoms, Box::from(joined));
    if let Some(number) = numbers.by_keys.get(&key) {
        return *number;
    }
    let number = numbers.by_keys.len() as u32 + 1;
    let bytes = numbers.bytes + joined.len();
    if number > MOST || bytes > MOST_BYTES {
        return 0;
    }
    numbers.bytes = bytes;
    numbers.by_keys.insert(key, number);
    number
}
