//! The answer in place of a result that cannot be encoded.

use backwater_etf::TextForm;

use crate::OwnedTape;

/// Tags and payloads of `backwater_etf::tape`.
const TUPLE: u32 = 7;
const ATOM: u32 = 6;
const TEXT: u32 = 15;
const EMPTY_LIST: u32 = 4 << 4 | 5;

/// `{error, {unencodable_result, Text}, []}`, in which Text says why.
pub(crate) fn unencodable_result(reason: &str) -> OwnedTape {
    let (class, tag) = ("error", "unencodable_result");
    let units = reason.encode_utf16().count();
    OwnedTape {
        words: vec![
            3 << 4 | TUPLE,
            ATOM,
            2 << 4 | TUPLE,
            1 << 4 | ATOM,
            (units as u32) << 4 | TEXT,
            EMPTY_LIST,
        ],
        text: reason.as_bytes().to_vec(),
        text_form: if reason.is_ascii() { TextForm::Ascii } else { TextForm::Utf8 },
        atoms: vec![class.len() as u32, tag.len() as u32],
        names: [class, tag].concat().into_bytes(),
        ..OwnedTape::default()
    }
}
