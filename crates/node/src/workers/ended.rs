//! The exception for callers whose worker thread has ended.

use backwater_transport::{ExceptionClass, Outcome, OwnedTape};

/// Tags of `backwater_etf::tape`.
const ATOM: u32 = 6;
const TUPLE: u32 = 7;
const MAP: u32 = 10;
const TEXT: u32 = 15;
const EMPTY_LIST: u32 = 4 << 4 | 5;

const ATOMS: [&str; 5] = ["error", "js_error", "name", "message", "code"];
const TEXTS: [&str; 3] = [
    "WorkerEndedError",
    "the worker thread ended in the middle of the call",
    "ERR_BACKWATER_WORKER_ENDED",
];

/// `{error, {js_error, #{name, message, code}}, []}`, like a thrown JavaScript error.
pub(crate) fn worker_ended() -> Outcome {
    let atom = |place: u32| place << 4 | ATOM;
    let text = |place: usize| (TEXTS[place].len() as u32) << 4 | TEXT;
    let words = vec![
        3 << 4 | TUPLE,
        atom(0),
        2 << 4 | TUPLE,
        atom(1),
        // The two bits below the count say how to read the map.
        3 << 2 << 4 | MAP,
        atom(2),
        text(0),
        atom(3),
        text(1),
        atom(4),
        text(2),
        EMPTY_LIST,
    ];
    Outcome::Exception(
        ExceptionClass::Error,
        Box::new(OwnedTape {
            words,
            text: TEXTS.concat().into_bytes(),
            atoms: ATOMS.iter().map(|name| name.len() as u32).collect(),
            names: ATOMS.concat().into_bytes(),
            ..OwnedTape::default()
        }),
    )
}
