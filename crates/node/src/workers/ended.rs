//! The exception for callers whose worker thread has ended.

use backwater_etf::tape::{ATOM, CONST, EMPTY_LIST, KEYS_MIXED, MAP, TEXT, TUPLE, word};
use backwater_transport::{ExceptionClass, Outcome, OwnedTape};

const ATOMS: [&str; 5] = ["error", "js_error", "name", "message", "code"];
const TEXTS: [&str; 3] = [
    "WorkerEndedError",
    "the worker thread ended in the middle of the call",
    "ERR_BACKWATER_WORKER_ENDED",
];

/// `{error, {js_error, #{name, message, code}}, []}`, like a thrown JavaScript error.
pub(crate) fn worker_ended() -> Outcome {
    let atom = |place| word(ATOM, place);
    let text = |place: usize| word(TEXT, TEXTS[place].len() as u32);
    let words = vec![
        word(TUPLE, 3),
        atom(0),
        word(TUPLE, 2),
        atom(1),
        // The two bits below the count say how to read the map.
        word(MAP, 3 << 2 | KEYS_MIXED),
        atom(2),
        text(0),
        atom(3),
        text(1),
        atom(4),
        text(2),
        word(CONST, EMPTY_LIST),
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
