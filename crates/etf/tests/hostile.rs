#![allow(clippy::unwrap_used)]

use backwater_etf::{
    DecodeErrorKind as Kind, DecodeOptions, Decoder, EncodeErrorKind, EncodeOptions, Encoder, Tape,
    TapeRef,
};

const COMPRESSED: u8 = 80;

fn decode(term: &[u8]) -> Result<Tape, Kind> {
    let bytes = [&[131], term].concat();
    let mut results = [false, true].map(|exact| {
        let mut tape = Tape::default();
        let options = DecodeOptions { exact, ..DecodeOptions::default() };
        Decoder::new().decode(&bytes, &options, &mut tape).map(|_| tape).map_err(|error| error.kind)
    });
    // Both modes accept and refuse the same terms.
    assert_eq!(results[0].as_ref().err(), results[1].as_ref().err(), "{term:?}");
    std::mem::replace(&mut results[0], Err(Kind::Truncated))
}

fn places(term: &[u8]) -> Vec<Vec<u8>> {
    let one = [97, 1];
    let key = [119, 1, b'k'];
    vec![
        term.to_vec(),
        [&[108, 0, 0, 0, 1], term, &[106]].concat(),
        [&[108, 0, 0, 0, 3], &one[..], term, &one, &[106]].concat(),
        [&[108, 0, 0, 0, 1], &one[..], term].concat(),
        [&[104, 2], &one[..], term].concat(),
        [&[116, 0, 0, 0, 1], &key[..], term].concat(),
        [&[116, 0, 0, 0, 2], &key[..], &one, &[119, 1, b'l'], term].concat(),
        [&[116, 0, 0, 0, 1], term, &one[..]].concat(),
        [&[116, 0, 0, 0, 2], &key[..], &one, term, &one].concat(),
        [&[116, 0, 0, 0, 2], &one[..], &one, &key, term].concat(),
    ]
}

fn new_float(bits: u64) -> Vec<u8> {
    [&[70], &bits.to_be_bytes()[..]].concat()
}

fn old_float(text: &str) -> Vec<u8> {
    let mut bytes = [0; 31];
    bytes[..text.len()].copy_from_slice(text.as_bytes());
    [&[99], &bytes[..]].concat()
}

#[test]
fn finite_floats_are_accepted() {
    for value in [
        0.0,
        -0.0,
        1.5,
        f64::MAX,
        f64::MIN,
        f64::MIN_POSITIVE,
        f64::from_bits(1),
        f64::from_bits(0x7fef_ffff_ffff_ffff),
    ] {
        for term in places(&new_float(value.to_bits())) {
            let tape = decode(&term).unwrap();
            assert!(tape.floats.iter().any(|float| float.to_bits() == value.to_bits()), "{term:?}");
        }
    }
    for (text, value) in [
        ("1.50000000000000000000e+00", 1.5),
        ("-1.79769313486231570815e+308", f64::MIN),
        ("4.94065645841246544177e-324", f64::from_bits(1)),
        ("0.1e-999", 0.0),
    ] {
        for term in places(&old_float(text)) {
            assert!(decode(&term).unwrap().floats.contains(&value), "{text}");
        }
    }
}

#[test]
fn nan_and_infinity_are_refused_everywhere() {
    for bits in [
        f64::INFINITY.to_bits(),
        f64::NEG_INFINITY.to_bits(),
        f64::NAN.to_bits(),
        0x7ff0_0000_0000_0001,
        0x7fff_ffff_ffff_ffff,
        0xfff8_0000_0000_0000,
        u64::MAX,
    ] {
        for term in places(&new_float(bits)) {
            assert_eq!(decode(&term), Err(Kind::Float), "{bits:x} in {term:?}");
        }
    }
    for text in [
        "1.8e308",
        "-1.8e308",
        "nan",
        "NaN",
        "inf",
        "-inf",
        "Infinity",
        "infinity.0",
        "",
        "1",
        "1.",
        ".5",
    ] {
        for term in places(&old_float(text)) {
            assert_eq!(decode(&term), Err(Kind::Float), "{text} in {term:?}");
        }
    }
}

#[test]
fn tapes_with_nan_and_infinity_are_refused() {
    for words in [[4], [11]] {
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let tape = TapeRef { words: &words, floats: &[value], ..TapeRef::default() };
            let encoded =
                Encoder::default().encode_term(tape, &EncodeOptions::default(), &mut Vec::new());
            assert_eq!(encoded.unwrap_err().kind, EncodeErrorKind::Number);
        }
    }
}

#[test]
fn compressed_terms_are_refused_everywhere() {
    // From `term_to_binary` of OTP 25 with `compressed`.
    let deflated =
        [0x78, 0x9c, 0xcb, 0x66, 0x48, 0x61, 0xa4, 0x3d, 0x00, 0x00, 0xaf, 0x6c, 0x00, 0xd4];
    let whole = [&[COMPRESSED, 0, 0, 0, 103], &deflated[..]].concat();
    for compressed in [&whole[..], &[COMPRESSED], &[COMPRESSED, 0xff, 0xff, 0xff, 0xff]] {
        for term in places(compressed) {
            assert_eq!(decode(&term), Err(Kind::Compressed), "{term:?}");
        }
    }
}

#[test]
fn unknown_tags_are_refused() {
    let known = [
        67, 70, 77, 80, 88, 89, 90, 97, 98, 99, 100, 101, 102, 103, 104, 105, 106, 107, 108, 109,
        110, 111, 112, 113, 114, 115, 116, 118, 119, 120, 121,
    ];
    let all = (0..=255).step_by(if cfg!(miri) { 37 } else { 1 });
    for tag in all.filter(|tag| !known.contains(tag)) {
        for term in places(&[tag, 0, 0, 0, 0, 0, 0, 0, 0]) {
            assert_eq!(decode(&term), Err(Kind::Tag(tag)), "{term:?}");
        }
    }
}
