//! Pools tapes. Allocating one and freeing it on another thread costs more than decoding a small
//! message.

use backwater_etf::Tape;

use crate::locks::Mutex;

/// A busy process has about as many messages in transit between threads.
const KEPT: usize = 128;
/// Maximum size of each part of a kept tape, in bytes.
const SMALL: usize = 4096;

type Tapes = Vec<Box<Tape>>;

static POOL: Mutex<Tapes> = Mutex::new(Tapes::new());

pub(crate) fn take() -> Box<Tape> {
    POOL.lock().pop().unwrap_or_default()
}

/// Takes back tapes that were read. Keeps at most a megabyte or two.
pub fn give_back(tapes: impl IntoIterator<Item = Box<Tape>>) {
    let mut pool = POOL.lock();
    for mut tape in tapes {
        if pool.len() >= KEPT {
            return;
        }
        tape.clear_to(SMALL);
        pool.push(tape);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One test, because all share the pool.
    #[test]
    fn the_pool_keeps_a_few_small_empty_tapes() {
        let mut read = Box::<Tape>::default();
        read.words.extend(0..10);
        read.latin1.resize(SMALL + 1, 0);
        give_back([read]);
        let again = take();
        assert_eq!(*again, Tape::default());
        assert!(again.words.capacity() >= 10, "its memory is reused");
        assert!(again.latin1.capacity() <= SMALL, "large memory is returned to the system");

        give_back((0..=KEPT).map(|_| Box::default()));
        assert_eq!(POOL.lock().len(), KEPT);
    }
}
