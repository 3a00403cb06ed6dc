//! Tapes that were read, to be written again: a small result costs less to decode than the memory for it
//! to get and to give back, all the more as another thread gives it back.

use std::sync::{Mutex, MutexGuard, PoisonError};

use backwater_etf::Tape;

/// Tapes kept. As many results as this are under way between the threads of a busy client.
const KEPT: usize = 128;
/// How much memory each part of a tape that is kept may have, in bytes.
const SMALL: usize = 4096;

static SPARE: Mutex<Vec<Box<Tape>>> = Mutex::new(Vec::new());

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
fn spare() -> MutexGuard<'static, Vec<Box<Tape>>> {
    SPARE.lock().unwrap_or_else(PoisonError::into_inner)
}
