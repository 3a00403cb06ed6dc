//! A pool of tapes: decoding a small message costs less than allocating its tape and freeing it on another
//! thread.

use std::sync::{Mutex, MutexGuard, PoisonError};

use backwater_etf::Tape;

/// Tapes kept. As many messages as this are under way between the threads of a busy client or server.
const KEPT: usize = 128;
/// How much memory each part of a tape that is kept may have, in bytes.
const SMALL: usize = 4096;

/// Messages hold their tapes boxed: the boxes serve again, too.
type Tapes = Vec<Box<Tape>>;

static POOL: Mutex<Tapes> = Mutex::new(Tapes::new());

/// An empty tape, with the memory of an earlier one if there is one.
pub(crate) fn take() -> Box<Tape> {
    pool().pop().unwrap_or_default()
}

/// Takes tapes that have been read, such as those of [`CallOutcome`](crate::CallOutcome) and
/// [`IncomingCall`](crate::IncomingCall): their memory serves for messages to come. At most a megabyte or two is kept.
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

/// Nothing panics while this is held that leaves a tape half cleared.
fn pool() -> MutexGuard<'static, Tapes> {
    POOL.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One test, since all share the tapes.
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
