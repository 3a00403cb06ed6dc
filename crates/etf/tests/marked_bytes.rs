//! BIT_BINARY_EXT with eight used bits.

#![allow(clippy::unwrap_used)]

use backwater_etf::tape::{
    self, BYTES, CONST, EMPTY_LIST, IMPROPER, INLINE, INT, LIST, MAP, TUPLE,
};
use backwater_etf::{
    Binaries, DecodeErrorKind, DecodeOptions, Decoder, EncodeErrorKind as Kind, EncodeOptions,
    Encoder, Gap, Tape, TapeRef,
};

const SOURCE: &[u8] = b"abcdefghijklmnop";

fn bytes(start: u32, length: u32) -> [u32; 2] {
    [length << 4 | BYTES, start]
}

fn text(character: char) -> [u32; 2] {
    [tape::ext(INLINE, 1), u32::from(character)]
}

fn tape(words: &[u32]) -> TapeRef<'_> {
    TapeRef { words, source: SOURCE, mark_bytes: true, ..TapeRef::default() }
}

fn encode(words: &[u32]) -> Result<Vec<u8>, Kind> {
    let mut out = Vec::new();
    let encoded = Encoder::default().encode_term(tape(words), &EncodeOptions::default(), &mut out);
    encoded.map(|()| out).map_err(|error| error.kind)
}

fn map(pairs: &[&[u32]]) -> Vec<u32> {
    let mut words = vec![(pairs.len() as u32) << 6 | MAP];
    for key in pairs {
        words.extend_from_slice(key);
        words.push(INT);
    }
    words
}

#[test]
fn bytes_are_marked_and_text_is_not() {
    assert_eq!(encode(&bytes(0, 2)).unwrap(), [77, 0, 0, 0, 2, 8, b'a', b'b']);
    assert_eq!(encode(&bytes(0, 0)).unwrap(), [109, 0, 0, 0, 0]);
    assert_eq!(encode(&text('a')).unwrap(), [109, 0, 0, 0, 1, b'a']);
    let unmarked = TapeRef { words: &bytes(0, 1), source: SOURCE, ..TapeRef::default() };
    let mut out = Vec::new();
    Encoder::default().encode_term(unmarked, &EncodeOptions::default(), &mut out).unwrap();
    assert_eq!(out, [109, 0, 0, 0, 1, b'a']);

    let tail = [&[1 << 8 | IMPROPER << 4 | 14, INT][..], &bytes(0, 1)].concat();
    let marked = [77, 0, 0, 0, 1, 8, b'a'];
    assert_eq!(encode(&tail).unwrap(), [&[108, 0, 0, 0, 1, 97, 0][..], &marked].concat());
}

#[test]
fn the_mark_counts_towards_the_size() {
    let words = bytes(0, 4);
    for (max_size, fits) in [(10, true), (9, false)] {
        let options = EncodeOptions { max_size, ..EncodeOptions::default() };
        let mut out = Vec::new();
        assert_eq!(Encoder::default().encode_term(tape(&words), &options, &mut out).is_ok(), fits);
    }
}

#[test]
fn out_of_band_binaries_are_marked_before_their_gap() {
    let words = [4 << 4 | BYTES, tape::OUT_OF_BAND];
    let (mut out, mut gaps) = (Vec::new(), Vec::new());
    let options = EncodeOptions::default();
    Encoder::default().encode_around(tape(&words), &options, &mut out, &mut gaps).unwrap();
    assert_eq!(out, [77, 0, 0, 0, 4, 8]);
    assert_eq!(gaps, [Gap { at: 6, index: 0, length: 4 }]);
}

#[test]
fn keys_that_differ_only_in_their_mark_are_equal() {
    let nested = |key: &[u32]| [&[1 << 4 | TUPLE][..], key].concat();
    let deep = |key: &[u32]| map(&[&nested(key)]);
    let a = bytes(0, 1);
    for keys in [
        [text('a').to_vec(), a.to_vec()],
        [a.to_vec(), a.to_vec()],
        [nested(&text('a')), nested(&a)],
        [deep(&a), deep(&text('a'))],
    ] {
        let [one, other] = &keys;
        assert_eq!(encode(&map(&[one, other])), Err(Kind::DuplicateKey), "{keys:?}");
        // Enough keys for hashing, in descending order.
        let mut many: Vec<_> = (1..14).rev().map(|start| bytes(start, 1).to_vec()).collect();
        many.push(one.clone());
        let mut words: Vec<&[u32]> = many.iter().map(Vec::as_slice).collect();
        assert!(encode(&map(&words)).is_ok(), "{keys:?}");
        words.insert(3, other);
        assert_eq!(encode(&map(&words)), Err(Kind::DuplicateKey), "{keys:?}");
    }
    let value = |key: [u32; 2], value: [u32; 2]| [key, value].concat();
    let words =
        [&[2 << 6 | MAP][..], &value(text('a'), bytes(1, 1)), &value(bytes(1, 1), bytes(0, 1))]
            .concat();
    assert!(encode(&words).is_ok());
    let outer = map(&[&map(&[&a, &bytes(1, 1)]), &map(&[&text('a'), &bytes(1, 1)])]);
    assert_eq!(encode(&outer), Err(Kind::DuplicateKey));
    let inner = map(&[&map(&[&a, &text('a')])]);
    assert_eq!(encode(&inner), Err(Kind::DuplicateKey));
}

fn decode(bytes: &[u8], options: &DecodeOptions<'_>) -> Result<Tape, DecodeErrorKind> {
    let mut tape = Tape::default();
    let decoded = Decoder::new().decode(bytes, options, &mut tape);
    decoded.map(|_| tape).map_err(|error| error.kind)
}

#[test]
fn marked_binaries_stay_bytes_and_others_become_text() {
    let list = [131, 108, 0, 0, 0, 2, 77, 0, 0, 0, 1, 8, b'a', 109, 0, 0, 0, 1, b'a', 106];
    let as_bytes = |start: u32| [1 << 4 | BYTES, start];
    let head = 2 << 4 | LIST;
    let auto = decode(&list, &DecodeOptions::default()).unwrap();
    assert_eq!(auto.words[..3], [&[head][..], &as_bytes(12)].concat());
    assert_eq!(auto.latin1, b"a");
    let exact = DecodeOptions { exact: true, ..DecodeOptions::default() };
    let buffer = DecodeOptions { binaries: Binaries::Buffer, ..DecodeOptions::default() };
    for options in [exact, buffer] {
        let tape = decode(&list, &options).unwrap();
        assert_eq!(tape.words, [&[head][..], &as_bytes(12), &as_bytes(18)].concat());
    }
    let string = DecodeOptions { binaries: Binaries::String, ..DecodeOptions::default() };
    assert_eq!(decode(&list, &string).unwrap().latin1, b"aa");
    let noise = [131, 77, 0, 0, 0, 1, 8, 0xff];
    assert_eq!(decode(&noise, &string), Err(DecodeErrorKind::BinaryText));

    // A marked key turns the map into a `Map`.
    let map = [131, 116, 0, 0, 0, 1, 77, 0, 0, 0, 1, 8, b'a', 106];
    for options in [DecodeOptions::default(), buffer] {
        let tape = decode(&map, &options).unwrap();
        let empty = EMPTY_LIST << 4 | CONST;
        assert_eq!(tape.words, [1 << 6 | MAP, 1 << 4 | BYTES, 12, empty]);
    }
    let twice = [131, 116, 0, 0, 0, 2, 77, 0, 0, 0, 1, 8, b'a', 106, 109, 0, 0, 0, 1, b'a', 106];
    assert_eq!(decode(&twice, &DecodeOptions::default()), Err(DecodeErrorKind::DuplicateKey));
    for broken in [&[131, 77, 0, 0, 0, 0, 8][..], &[131, 77, 0, 0, 0, 2, 8, 1]] {
        assert!(decode(broken, &DecodeOptions::default()).is_err());
    }
}
