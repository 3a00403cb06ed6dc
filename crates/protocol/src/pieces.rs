use std::thread;

/// Takes about 150 µs to digest and 1 ms to compress.
const PIECE: usize = 256 * 1024;

/// Yields between the pieces of a large body. Otherwise a thread that was woken for a small message
/// would wait milliseconds for the processor.
pub(crate) fn pieces(body: &[u8]) -> impl Iterator<Item = &[u8]> {
    body.chunks(PIECE).enumerate().map(|(index, piece)| {
        if index > 0 {
            thread::yield_now();
        }
        piece
    })
}
