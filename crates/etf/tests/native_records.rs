//! Native records and local terms of OTP 29.

#![allow(clippy::unwrap_used)]

use backwater_etf::notation::{self, Language, PrintOptions};
use backwater_etf::tape::{self, INT, MAP, NATIVE_RECORD};
use backwater_etf::{
    DecodeErrorKind as Kind, DecodeOptions, Decoder, EncodeErrorKind, EncodeOptions, Encoder,
    KnownAtoms, ReplyForm, Tape, TapeRef,
};

/// `#nr:point{x = 10, y = {a, <<"b">>}}` of OTP 29.1.
const POINT: &[u8] = &[
    131, 67, 0, 0, 0, 2, 1, 119, 2, 110, 114, 119, 5, 112, 111, 105, 110, 116, 119, 1, 120, 119, 1,
    121, 97, 10, 104, 2, 119, 1, 97, 109, 0, 0, 0, 1, 98,
];
/// `#nr:empty{}`, not exported.
const EMPTY: &[u8] = &[131, 67, 0, 0, 0, 0, 0, 119, 2, 110, 114, 119, 5, 101, 109, 112, 116, 121];

fn decode(bytes: &[u8], options: &DecodeOptions<'_>) -> Result<Tape, Kind> {
    let mut tape = Tape::default();
    let decoded = Decoder::new().decode(bytes, options, &mut tape);
    decoded.map(|_| tape).map_err(|error| error.kind)
}

fn again(bytes: &[u8]) -> Vec<u8> {
    let tape = decode(bytes, &DecodeOptions { exact: true, ..DecodeOptions::default() }).unwrap();
    let mut out = vec![131];
    let options = EncodeOptions::default();
    Encoder::default().encode_term(tape.as_tape_ref(bytes), &options, &mut out).unwrap();
    out
}

fn wrap(before: &[u8], terms: &[&[u8]], after: &[u8]) -> Vec<u8> {
    let inner: Vec<u8> = terms.iter().flat_map(|term| term[1..].to_vec()).collect();
    [&[131], before, &inner, after].concat()
}

#[test]
fn native_records_survive_a_round_trip() {
    let list = wrap(&[108, 0, 0, 0, 3], &[POINT, EMPTY, POINT], &[106]);
    let map = wrap(&[116, 0, 0, 0, 1], &[POINT, EMPTY], &[]);
    let improper = wrap(&[108, 0, 0, 0, 1], &[EMPTY, POINT], &[]);
    for bytes in [POINT, EMPTY, &list, &map, &improper] {
        assert_eq!(again(bytes), bytes);
    }
    let tape = decode(POINT, &DecodeOptions::default()).unwrap();
    assert_eq!(tape.words[..6], [tape::ext(NATIVE_RECORD, 2), 1, 0, 1, 2, 3]);
    let shallow = DecodeOptions { max_depth: 1, ..DecodeOptions::default() };
    assert_eq!(decode(POINT, &shallow).unwrap_err(), Kind::Depth(1));
    decode(POINT, &DecodeOptions { max_depth: 2, ..shallow }).unwrap();
}

#[test]
fn responses_with_native_records_are_recognized() {
    let exception = b"\x68\x02\x77\x09exception\x68\x03\x77\x05error";
    let bytes = wrap(exception, &[POINT], &[106]);
    assert_eq!(ReplyForm::of(&bytes), Some(ReplyForm::Exception));
}

#[test]
fn native_records_are_compared_as_keys() {
    let other: Vec<u8> = POINT.iter().map(|byte| if *byte == 10 { 11 } else { *byte }).collect();
    let nil = [131, 106];
    let pairs = |key: &[u8]| wrap(&[116, 0, 0, 0, 2], &[POINT, &nil, key, &nil], &[]);
    assert!(decode(&pairs(&other), &DecodeOptions::default()).is_ok());
    assert!(decode(&pairs(EMPTY), &DecodeOptions::default()).is_ok());
    assert_eq!(decode(&pairs(POINT), &DecodeOptions::default()), Err(Kind::DuplicateKey));
}

#[test]
fn invalid_native_records_are_refused() {
    let options = DecodeOptions::default();
    for length in 2..POINT.len() {
        assert_eq!(decode(&POINT[..length], &options), Err(Kind::Truncated), "{length}");
    }
    let with = |at: usize, byte: u8| {
        let mut bytes = POINT.to_vec();
        bytes[at] = byte;
        decode(&bytes, &options)
    };
    assert!(matches!(with(6, 2), Err(Kind::Field(_))));
    assert!(matches!(with(7, 97), Err(Kind::Field(_))));
    assert!(matches!(with(23, b'x'), Err(Kind::Field(_))));
    let fields = |count: u32| {
        let names: Vec<u8> = (0..count)
            .flat_map(|n| [&[119, 4][..], format!("{n:04}").as_bytes()].concat())
            .collect();
        let head = [&[131, 67][..], &count.to_be_bytes(), &[1, 119, 1, 109, 119, 1, 110]].concat();
        [head, names, [97, 0].repeat(count as usize)].concat()
    };
    assert_eq!(again(&fields(1024)), fields(1024));
    assert!(matches!(decode(&fields(1025), &options), Err(Kind::Field(_))));
    let depth = DecodeOptions { max_depth: 1, ..options };
    assert_eq!(decode(POINT, &depth), Err(Kind::Depth(1)));
    assert!(decode(EMPTY, &DecodeOptions { max_depth: 1, ..options }).is_ok());

    let words = [tape::ext(NATIVE_RECORD, 1025), 1, 0, 0];
    let tape = TapeRef { words: &words, atoms: &[1], names: b"m", ..TapeRef::default() };
    let encoded = Encoder::default().encode_term(tape, &EncodeOptions::default(), &mut Vec::new());
    assert_eq!(encoded.unwrap_err().kind, EncodeErrorKind::Fields(1024));
    for length in 1..6 {
        let words = [tape::ext(NATIVE_RECORD, 1), 1, 0, 0, 0, INT];
        let tape = TapeRef { words: &words[..length], ..tape };
        let encoded =
            Encoder::default().encode_term(tape, &EncodeOptions::default(), &mut Vec::new());
        assert_eq!(encoded.is_ok(), length == 6, "{length}");
    }
    let words = [1 << 6 | MAP, tape::ext(NATIVE_RECORD, 0), 1, 0, 0, INT];
    let mut out = Vec::new();
    Encoder::default()
        .encode_term(TapeRef { words: &words, ..tape }, &EncodeOptions::default(), &mut out)
        .unwrap();
    assert_eq!(out[5..], [67, 0, 0, 0, 0, 1, 119, 1, b'm', 119, 1, b'm', 97, 0]);
}

#[test]
fn unknown_names_are_refused_in_safe_mode() {
    struct Known;
    impl KnownAtoms for Known {
        fn is_known(&self, name: &str) -> bool {
            name != "point"
        }
    }
    let options = DecodeOptions { known_atoms: Some(&Known), ..DecodeOptions::default() };
    assert_eq!(decode(POINT, &options), Err(Kind::UnknownAtom("point".into())));
    assert!(decode(EMPTY, &options).is_ok());
}

#[test]
fn native_records_are_printed_like_erlang() {
    for (language, bytes, text) in [
        (Language::Erlang, POINT, "#nr:point{x = 10,y = {a,<<\"b\">>}}"),
        (Language::Erlang, EMPTY, "#nr:empty{}"),
        (Language::Elixir, POINT, "#nr:point{x = 10, y = {:a, \"b\"}}"),
        (Language::Elixir, EMPTY, "#nr:empty{}"),
    ] {
        let options = PrintOptions { language, charlists: true, structs: true, max_depth: None };
        assert_eq!(notation::print(bytes, &options).unwrap(), text);
        let list = wrap(&[108, 0, 0, 0, 2], &[bytes, &[131, 116, 0, 0, 0, 0]], &[106]);
        let printed = notation::print(&list, &options).unwrap();
        assert!(printed.starts_with(&format!("[{text},")), "{printed}");
    }
}

#[test]
fn local_terms_are_refused_by_name() {
    // From OTP 29.1, with the option `local`.
    let bytes = [131, 121, 170, 210, 75, 125, 97, 42];
    assert_eq!(decode(&bytes, &DecodeOptions::default()), Err(Kind::Local));
    assert!(Kind::Local != Kind::Compressed);
}
