#![allow(clippy::unwrap_used)]

use backwater_etf::tape::*;
use backwater_etf::{
    EncodeError, EncodeErrorKind as Kind, EncodeOptions, Encoder, ReplyForm, TapeRef, is_exception,
};

fn tape(words: &[u32]) -> TapeRef<'_> {
    TapeRef { words, source: &[7, 200], floats: &[1.5, -0.0], ..TapeRef::default() }
}

/// Appends a byte of 255 after each item.
fn items_within(words: &[u32], max_size: usize) -> (Vec<u8>, Result<(), Kind>) {
    let mut out = b"before".to_vec();
    let options = EncodeOptions { max_size, max_depth: 2 };
    let mut after_item = |out: &mut Vec<u8>| out.push(255);
    let encoded = Encoder::default().encode_items(tape(words), &options, &mut out, &mut after_item);
    (out.split_off(6), encoded.map_err(|error| error.kind))
}

fn items(words: &[u32]) -> (Vec<u8>, Result<(), Kind>) {
    items_within(words, 1 << 20)
}

#[test]
fn every_form_of_a_list_yields_its_items() {
    let float = |value: f64| [&[70][..], &value.to_be_bytes(), &[255]].concat();
    for (words, expected) in [
        (&[word(CONST, EMPTY_LIST)][..], vec![]),
        (&[word(LIST, 2), word(INT, 7), word(CONST, TRUE)], b"\x61\x07\xffw\x04true\xff".to_vec()),
        (&[word(LIST, 2), word(INT, 7), word(INT, 200)], vec![97, 7, 255, 97, 200, 255]),
        (&[word(BYTELIST, 2), 0], vec![97, 7, 255, 97, 200, 255]),
        (&[word(LIST, 2), word(FLOAT, 0), word(FLOAT, 0)], [float(1.5), float(-0.0)].concat()),
        (
            &[word(LIST, 2), word(LIST, 1), word(INT, 7), word(CONST, EMPTY_LIST)],
            vec![107, 0, 1, 7, 255, 106, 255],
        ),
        (&[word(LIST, 1), ext(NEXT_PART, 0), word(INT, 7)], vec![97, 7, 255]),
    ] {
        assert_eq!(items(words), (expected, Ok(())), "{words:x?}");
    }
}

#[test]
fn tapes_of_other_terms_are_refused() {
    for (words, error) in [
        (&[][..], Kind::Truncated),
        (&[word(INT, 7)], Kind::Word(word(INT, 7))),
        (&[word(TUPLE, 0)], Kind::Word(word(TUPLE, 0))),
        (&[ext(IMPROPER, 1), word(INT, 7), word(INT, 7)], Kind::Word(ext(IMPROPER, 1))),
        (&[word(LIST, 0)], Kind::Word(word(LIST, 0))),
        (&[word(LIST, 1)], Kind::Truncated),
        (&[word(BYTELIST, 3), 0], Kind::Truncated),
        (&[ext(DOUBLES, 2)], Kind::Word(ext(DOUBLES, 2))),
        (&[ext(TEXT_FORM, TEXT_ASCII), 0, word(LIST, 1)], Kind::Word(ext(TEXT_FORM, TEXT_ASCII))),
        (&[word(LIST, 1), word(INT, 7), word(INT, 7)], Kind::Trailing),
    ] {
        assert_eq!(items(words).1, Err(error), "{words:x?}");
    }
}

#[test]
fn limits_apply_to_each_item() {
    let words = [4 << 4 | LIST, word(INT, 7), word(INT, 7), word(INT, 7), word(INT, 300)];
    let ends_with_all = [97, 7, 255, 97, 7, 255, 97, 7, 255, 98, 0, 0, 1, 44, 255];
    assert_eq!(items_within(&words, 5), (ends_with_all.to_vec(), Ok(())));
    let (out, failed) = items_within(&words, 4);
    assert_eq!(failed, Err(Kind::TooLarge(4)));
    assert_eq!(out[..9], ends_with_all[..9]);
    assert_eq!(items_within(&[word(BYTELIST, 2), 0], 2).1, Ok(()));
    assert_eq!(items_within(&[word(BYTELIST, 2), 0], 1).1, Err(Kind::TooLarge(1)));
    let tuples = |levels| [vec![word(LIST, 1)], vec![word(TUPLE, 1); levels], vec![0]].concat();
    assert_eq!(items(&tuples(2)).1, Ok(()));
    assert_eq!(items(&tuples(3)).1, Err(Kind::Depth(2)));
}

#[test]
fn encoding_works_after_a_failed_item() -> Result<(), EncodeError> {
    let mut encoder = Encoder::default();
    let options = EncodeOptions::default();
    let mut out = Vec::new();
    let map = [word(LIST, 1), word(MAP, 2 << 2), word(INT, 7), word(INT, 7), word(INT, 7), 0];
    assert!(encoder.encode_items(tape(&map), &options, &mut out, &mut |_| ()).is_err());
    out.clear();
    let fine = [word(LIST, 1), word(MAP, 1 << 2), word(INT, 7), word(INT, 7)];
    encoder.encode_items(tape(&fine), &options, &mut out, &mut |_| ())?;
    assert_eq!(out, [116, 0, 0, 0, 1, 97, 7, 97, 7]);
    Ok(())
}

fn exception(class: &str, floats: u32, stacktrace: &[u8]) -> Vec<u8> {
    let mut term = [&[104, 3, 119, class.len() as u8], class.as_bytes(), &[108]].concat();
    term.extend(floats.to_be_bytes());
    for _ in 0..floats {
        term.extend([70, 0, 0, 0, 0, 0, 0, 0, 0]);
    }
    [&term, &[106][..], stacktrace].concat()
}

#[test]
fn an_exception_needs_a_class_and_a_stacktrace() {
    let message = |term: &[u8]| [&[131], term].concat();
    for (class, stacktrace, expected) in [
        ("error", &[106][..], true),
        ("exit", &[107, 0, 1, 7], true),
        ("throw", &[108, 0, 0, 0, 1, 119, 1, b'a', 106], true),
        ("throw", &[108, 0, 0, 0, 1, 97, 1, 107, 0, 1, 7], true),
        ("throw", &[108, 0, 0, 0, 1, 97, 1, 97, 2], false),
        ("err", &[106], false),
        ("error", &[97, 7], false),
        ("error", &[109, 0, 0, 0, 0], false),
    ] {
        let term = exception(class, 20, stacktrace);
        assert_eq!(is_exception(&message(&term)), expected, "{class}");
        let reply = message(&[b"h\x02w\x09exception", &*term].concat());
        assert_eq!(ReplyForm::of(&reply), expected.then_some(ReplyForm::Exception), "{class}");
    }
    assert_eq!(ReplyForm::of(&message(b"h\x02w\x06returnj")), Some(ReplyForm::Return));
    for other in [&b"h\x02w\x05errorj"[..], b"h\x03w\x06returnjj", b"j"] {
        assert!(!is_exception(&message(other)));
        assert_eq!(ReplyForm::of(&message(other)), None);
    }
}
