use backwater_etf::tape::{ATOM, CONST, EMPTY_LIST, TEXT, TUPLE, word};

use crate::OwnedTape;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExceptionClass {
    Error,
    Exit,
    Throw,
}

/// `{error, {unencodable_result, Text}, []}`
pub(crate) fn unencodable_result(reason: &str) -> OwnedTape {
    let (class, tag) = ("error", "unencodable_result");
    let units = reason.encode_utf16().count();
    OwnedTape {
        words: vec![
            word(TUPLE, 3),
            word(ATOM, 0),
            word(TUPLE, 2),
            word(ATOM, 1),
            word(TEXT, units as u32),
            word(CONST, EMPTY_LIST),
        ],
        text: reason.as_bytes().to_vec(),
        atoms: vec![class.len() as u32, tag.len() as u32],
        names: [class, tag].concat().into_bytes(),
        ..OwnedTape::default()
    }
}

/// `{exit, Reason, []}`
pub(crate) fn exit(reason: &str) -> OwnedTape {
    let class = "exit";
    OwnedTape {
        words: vec![word(TUPLE, 3), word(ATOM, 0), word(ATOM, 1), word(CONST, EMPTY_LIST)],
        atoms: vec![class.len() as u32, reason.len() as u32],
        names: [class, reason].concat().into_bytes(),
        ..OwnedTape::default()
    }
}
