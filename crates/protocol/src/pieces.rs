//! Long work in pieces, with a chance for others between them.

use std::thread;

/// Digesting so much takes some 150 µs, compressing it a millisecond.
const PIECE: usize = 256 * 1024;

/// The pieces of a body. After each of them but the last, other threads that wait for a processor go first:
/// who works on megabytes has time, and a thread that has just been woken for a small message would else
/// wait for some milliseconds until the system takes the processor away.
pub(crate) fn pieces(body: &[u8]) -> impl Iterator<Item = &[u8]> {
    body.chunks(PIECE).enumerate().map(|(index, piece)| {
        if index > 0 {
            thread::yield_now();
        }
        piece
    })
}
