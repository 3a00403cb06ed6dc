//! Tapes that were read, to be written again: a small result costs less to decode than the memory for it
//! to get and to give back, all the more as another thread gives it back.

use std::sync::{Mutex, MutexGuard, PoisonError};

use backwater_etf::Tape;

/// Tapes kept. As many results as this are under way between the threads of a busy client.
const KEPT: usize = 128;
/// How much memory each part of a tape that is kept may have, in bytes.
const SMALL: usize = 4096;

/// Results hold their tapes boxed: the boxes serve again, too.
type Spare = Vec<Box<Tape>>;

static SPARE: Mutex<Spare> = Mutex::new(Spare::new());

/// An empty tape, with the memory of an earlier one if there is one.
pub(crate) fn take() -> Box<Tape> {
    spare().pop().unwrap_or_default()
}

/// Takes tapes that nobody reads any more, such as those of [`CallOutcome`](crate::CallOutcome): their
/// memory serves for the results of calls to come. At most a megabyte or two is kept.
pub fn give_back(tapes: impl IntoIterator<Item = Box<Tape>>) {
    let mut spare = spare();
    for mut tape in tapes {
        if spare.len() >= KEPT {
            return;
        }
        tape.clear_to(SMALL);
        spare.push(tape);
    }
}

/// Nothing panics while this is held that leaves a tape half cleared.
fn spare() -> MutexGuard<'static, Spare> {
    SPARE.lock().unwrap_or_else(PoisonError::into_inner)
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
        read.depth = 3;
        give_back([read]);
        let again = take();
        assert_eq!(*again, Tape::default());
        assert!(again.words.capacity() >= 10, "its memory serves again");
        assert!(again.latin1.capacity() <= SMALL, "what was large is given back to the system");

        give_back((0..=KEPT).map(|_| Box::default()));
        assert_eq!(spare().len(), KEPT);
    }
}
