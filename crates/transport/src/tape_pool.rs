//! A pool of tapes: decoding a small message costs less than allocating its tape and freeing it on
//! another thread.

use std::sync::{Mutex, MutexGuard, PoisonError};

use backwater_etf::Tape;

/// Tapes to keep: as many messages are between the threads of a busy client or server.
const KEPT: usize = 128;
/// Maximum size of each part of a kept tape, in bytes.
const SMALL: usize = 4096;

/// Messages hold boxed tapes, so the boxes are reused, too.
type Tapes = Vec<Box<Tape>>;

static POOL: Mutex<Tapes> = Mutex::new(Tapes::new());

/// An empty tape, perhaps with memory of an earlier one.
pub(crate) fn take() -> Box<Tape> {
    pool().pop().unwrap_or_default()
}

/// Takes back tapes of [`CallOutcome`](crate::CallOutcome) and
/// [`IncomingCall`](crate::IncomingCall) that were read. Keeps at most a megabyte or two.
pub fn give_back(tapes: impl IntoIterator<Item = Box<Tape>>) {
    let mut pool = pool();
    for mut tape in tapes {
        if pool.len() >= KEPT {
            return;
        }
        tape.clear_to(SMALL);
        pool.push(tape);
    }
}

/// A panic while the lock is held leaves no tape half cleared.
fn pool() -> MutexGuard<'static, Tapes> {
    POOL.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One test, because all share the pool.
    #[test]
    fn tapes_come_back_empty_small_and_not_too_many() {
        let mut read = Box::<Tape>::default();
        read.words.extend(0..10);
        read.latin1.resize(SMALL + 1, 0);
        give_back([read]);
        let again = take();
        assert_eq!(*again, Tape::default());
        assert!(again.words.capacity() >= 10, "its memory serves again");
        assert!(again.latin1.capacity() <= SMALL, "what was large is given back to the system");

        give_back((0..=KEPT).map(|_| Box::default()));
        assert_eq!(pool().len(), KEPT);
    }
}
