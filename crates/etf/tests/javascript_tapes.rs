//! Tapes that Rust never writes.

#![allow(clippy::unwrap_used)]

use backwater_etf::tape::*;
use backwater_etf::{EncodeError, EncodeErrorKind as Kind, EncodeOptions, Encoder, TapeRef};

fn encode_within(tape: TapeRef<'_>, max_size: usize) -> Result<Vec<u8>, EncodeError> {
    let mut out = Vec::new();
    let options = EncodeOptions { max_size, ..EncodeOptions::default() };
    Encoder::default().encode_term(tape, &options, &mut out).map(|()| out)
}

fn encode(tape: TapeRef<'_>) -> Result<Vec<u8>, Kind> {
    encode_within(tape, 1 << 20).map_err(|error| error.kind)
}

fn binary(text: &str) -> Vec<u8> {
    [&[109][..], &(text.len() as u32).to_be_bytes(), text.as_bytes()].concat()
}

fn inline(text: &str) -> Vec<u32> {
    let mut words = vec![ext(INLINE, text.len() as u32)];
    words.extend(text.as_bytes().chunks(4).map(|characters| {
        let mut word = [0; 4];
        word[..characters.len()].copy_from_slice(characters);
        u32::from_le_bytes(word)
    }));
    words
}

#[test]
fn short_text_is_stored_in_the_words() {
    for length in 0..=20 {
        let text = &"abcdefghijklmnopqrst"[..length];
        let words = inline(text);
        let tape = TapeRef { words: &words, ..TapeRef::default() };
        assert_eq!(encode(tape), Ok(binary(text)));
        let size = 5 + length;
        assert!(encode_within(tape, size).is_ok());
        assert_eq!(encode_within(tape, size - 1).unwrap_err().kind, Kind::TooLarge(size - 1));
        if length > 0 {
            let cut = TapeRef { words: &words[..words.len() - 1], ..tape };
            assert_eq!(encode(cut), Err(Kind::Truncated));
        }
        let two = [&[2 << 4 | LIST][..], &words, &words].concat();
        let list = [&[108, 0, 0, 0, 2][..], &binary(text), &binary(text), &[106]].concat();
        assert_eq!(encode(TapeRef { words: &two, ..tape }), Ok(list));
    }
}

#[test]
fn short_text_is_ascii() {
    let list = [1 << 4 | LIST, ext(INLINE, 2), u32::from_le_bytes([b'a', 0x80, 0, 0])];
    for words in [&list[..], &list[1..]] {
        assert_eq!(encode(TapeRef { words, ..TapeRef::default() }), Err(Kind::Text));
    }
}

#[test]
fn text_is_read_from_the_given_place() {
    let form = |form: u32, start: u32| [ext(TEXT_FORM, form), start];
    let text = |units: u32| units << 4 | TEXT;
    let wide = |units: u32| ext(WIDE_TEXT, units);
    let utf16 =
        |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_ne_bytes).collect() };
    let bytes = [b"xyz", &utf16("日本")[..], "üü".as_bytes(), b"abcde", &utf16("é👍x")].concat();
    let words = [
        &[7 << 4 | LIST][..],
        &form(1, 11),
        &form(2, 3),
        &[text(2), wide(2), text(3)],
        &form(0, 7),
        &[text(2)],
        &form(2, 16),
        &form(1, 0),
        &[wide(3), text(3), wide(1)],
    ]
    .concat();
    let tape = TapeRef { words: &words, text: &bytes, ..TapeRef::default() };
    let items = ["ab", "日本", "cde", "üü", "é👍", "xyz", "x"].map(binary).concat();
    assert_eq!(encode(tape), Ok([&[108, 0, 0, 0, 7][..], &items, &[106]].concat()));

    let alone = |words: &[u32]| encode(TapeRef { words, ..tape });
    assert_eq!(alone(&[&form(3, 0)[..], &[text(2)]].concat()), Err(Kind::Word(ext(TEXT_FORM, 3))));
    for (form_of, end, word) in [(1, 24, text(1)), (2, 23, wide(1))] {
        assert_eq!(alone(&[&form(form_of, end)[..], &[word]].concat()), Err(Kind::Truncated));
        assert_eq!(alone(&form(form_of, 0)), Err(Kind::Truncated));
        assert_eq!(alone(&form(form_of, 0)[..1]), Err(Kind::Truncated));
        let beyond = [&form(form_of, u32::MAX)[..], &[word]].concat();
        assert_eq!(alone(&beyond), Err(Kind::Truncated));
    }
    assert_eq!(alone(&[&form(0, 24)[..], &[text(1)]].concat()), Err(Kind::Text));
    assert_eq!(alone(&[&form(2, 18)[..], &[wide(1)]].concat()), Err(Kind::Text));
    let whole = TapeRef { words: &[text(3)], ..tape };
    assert_eq!(encode(whole), Ok(binary("xyz")));

    for length in [3, 6, 10] {
        let units = utf16(&"日".repeat(length));
        let words = [&form(2, 0)[..], &[wide(length as u32)]].concat();
        let tape = TapeRef { words: &words, text: &units, ..tape };
        let size = 5 + 3 * length;
        assert!(encode_within(tape, size).is_ok());
        assert_eq!(encode_within(tape, size - 1).unwrap_err().kind, Kind::TooLarge(size - 1));
    }
}

#[test]
fn a_list_of_doubles_is_one_word() {
    let floats = [0.5, -1e300, 2.25];
    let items = floats.map(|value: f64| [&[70][..], &value.to_be_bytes()].concat());
    let encoding = |count: usize| {
        [&[108, 0, 0, 0, count as u8][..], &items[..count].concat(), &[106]].concat()
    };
    for count in 1..=3 {
        let words = [ext(DOUBLES, count as u32)];
        let tape = TapeRef { words: &words, floats: &floats, ..TapeRef::default() };
        assert_eq!(encode(tape), Ok(encoding(count)));
        let size = 6 + 9 * count;
        assert!(encode_within(tape, size).is_ok());
        assert_eq!(encode_within(tape, size - 1).unwrap_err().kind, Kind::TooLarge(size - 1));
        assert_eq!(encode(TapeRef { floats: &floats[..count - 1], ..tape }), Err(Kind::Truncated));
    }
    let nested = [2 << 4 | LIST, ext(DOUBLES, 1), ext(DOUBLES, 2)];
    let tape = TapeRef { words: &nested, floats: &[0.5, 0.5, -1e300], ..TapeRef::default() };
    let list = [&[108, 0, 0, 0, 2][..], &encoding(1), &encoding(2), &[106]].concat();
    assert_eq!(encode(tape), Ok(list));
    let depth = |max_depth: u32| {
        let options = EncodeOptions { max_depth, ..EncodeOptions::default() };
        Encoder::default().encode_term(tape, &options, &mut Vec::new()).map_err(|error| error.kind)
    };
    assert_eq!(depth(2), Ok(()));
    assert_eq!(depth(1), Err(Kind::Depth(1)));

    for bad in [f64::NAN, f64::INFINITY] {
        assert_eq!(encode(TapeRef { floats: &[0.5, 0.5, bad], ..tape }), Err(Kind::Number));
    }
    assert!(encode(TapeRef { words: &[ext(DOUBLES, 0)], ..tape }).is_err());
}

/// Without free variables.
fn encode_fun(terms: &[u32], floats: &[f64]) -> Result<Vec<u8>, Kind> {
    let head = [ext(FUN, 1), 0, 1, 2, 3, 4, 5, 0];
    let words = [&head[..], terms].concat();
    encode(TapeRef { words: &words, floats, atoms: &[1], names: b"m", ..TapeRef::default() })
}

#[test]
fn a_fun_starts_with_two_integers_and_a_pid() {
    let pid = [ext(PID, 0), 0, 1, 2, 3];
    let terms = |index: u32, uniq: u32| [&[index, uniq][..], &pid].concat();
    let int = |value: i32| (value << 4) as u32 | INT;
    assert!(encode_fun(&terms(int(5), int(-5)), &[]).is_ok());
    let widest = [f64::from(i32::MIN), f64::from(i32::MAX)];
    assert!(encode_fun(&terms(WIDE, WIDE), &widest).is_ok());

    for (floats, place) in [([2_147_483_648.0, 0.0], 0), ([1.0, -2_147_483_649.0], 1)] {
        assert_eq!(encode_fun(&terms(WIDE, WIDE), &floats), Err(Kind::Fun), "{place}");
    }
    assert_eq!(encode_fun(&terms(WIDE, WIDE), &[1.0]), Err(Kind::Fun));
    for other in [5, ext(INLINE, 0), 4] {
        assert_eq!(encode_fun(&terms(other, int(1)), &[1.0]), Err(Kind::Fun));
        assert_eq!(encode_fun(&terms(int(1), other), &[1.0]), Err(Kind::Fun));
        assert_eq!(encode_fun(&[int(1), int(1), other, 0, 0, 0, 0], &[1.0]), Err(Kind::Fun));
    }
    assert_eq!(encode_fun(&[int(1), int(1)], &[]), Err(Kind::Truncated));
}

#[test]
fn out_of_band_binaries_are_written_or_omitted() {
    let out_of_band = [vec![1; 5], vec![2; 300], vec![3; 5]];
    let bytes = |length: u32, start: u32| [length << 4 | BYTES, start];
    let mut words = vec![4 << 4 | LIST];
    for pair in
        [bytes(5, OUT_OF_BAND), bytes(300, OUT_OF_BAND | 1), bytes(2, 1), bytes(5, OUT_OF_BAND | 2)]
    {
        words.extend(pair);
    }
    let tape = TapeRef {
        words: &words,
        source: &[7, 8, 9],
        out_of_band: &out_of_band,
        ..TapeRef::default()
    };
    let of = |bytes: &[u8]| {
        [&[109, 0, 0][..], &[(bytes.len() >> 8) as u8, bytes.len() as u8], bytes].concat()
    };
    let items =
        [of(&out_of_band[0]), of(&out_of_band[1]), of(&[8, 9]), of(&out_of_band[2])].concat();
    let whole = [&[108, 0, 0, 0, 4][..], &items, &[106]].concat();
    assert_eq!(encode_within(tape, whole.len()), Ok(whole.clone()));
    assert!(encode_within(tape, whole.len() - 1).is_err());

    let around = |max_size: usize, tape: TapeRef<'_>| {
        let (mut out, mut gaps) = (Vec::new(), Vec::new());
        let options = EncodeOptions { max_size, ..EncodeOptions::default() };
        let encoded = Encoder::default().encode_around(tape, &options, &mut out, &mut gaps);
        encoded.map(|()| (out, gaps)).map_err(|error| error.kind)
    };
    let (mut out, gaps) = around(whole.len(), TapeRef { out_of_band: &[], ..tape }).unwrap();
    assert_eq!(
        gaps.iter().map(|gap| (gap.index, gap.length)).collect::<Vec<_>>(),
        [(0, 5), (1, 300), (2, 5)]
    );
    for gap in gaps.iter().rev() {
        out.splice(gap.at..gap.at, out_of_band[gap.index as usize].iter().copied());
    }
    assert_eq!(out, whole);
    assert_eq!(around(whole.len() - 1, tape), Err(Kind::TooLarge(whole.len() - 1)));

    for wrong in [bytes(4, OUT_OF_BAND), bytes(6, OUT_OF_BAND), bytes(5, OUT_OF_BAND | 3)] {
        assert_eq!(encode(TapeRef { words: &wrong, ..tape }), Err(Kind::Truncated));
    }
}

#[test]
fn keys_of_maps_are_never_omitted() {
    let out_of_band = [vec![1; 5], vec![2; 5]];
    let key = [5 << 4 | BYTES, OUT_OF_BAND, INT, 5 << 4 | BYTES, OUT_OF_BAND | 1, INT];
    let map = [&[(2 << 2) << 4 | MAP][..], &key].concat();
    let tape = TapeRef { words: &map, out_of_band: &out_of_band, ..TapeRef::default() };
    assert!(encode(tape).is_ok());
    let mut gaps = Vec::new();
    let options = EncodeOptions::default();
    let encoded = Encoder::default().encode_around(tape, &options, &mut Vec::new(), &mut gaps);
    assert_eq!(encoded.map_err(|error| error.kind), Err(Kind::Word(OUT_OF_BAND)));
}

#[test]
fn keys_of_maps_are_compared_in_any_order() {
    let values: [&[u32]; 3] = [&[7 << 4 | INT], &[1 << 4 | LIST, 1000 << 4 | INT], &inline("text")];
    let encoded: [&[u8]; 3] =
        [&[97, 7], &[108, 0, 0, 0, 1, 98, 0, 0, 3, 232, 106], &binary("text")];
    for count in [1, 2, 8, 9, 40] {
        let ascending: Vec<usize> = (0..count).collect();
        let descending = ascending.iter().rev().copied().collect();
        let jumping = ascending.iter().map(|index| index * 27 % 41).collect();
        for order in [ascending, descending, jumping] {
            let map_of = |keys: &[usize]| {
                let mut words = vec![(keys.len() as u32) << 2 << 4 | MAP];
                for key in keys {
                    words.extend(inline(&format!("key{key}")));
                    words.extend(values[key % 3]);
                }
                words
            };
            let mut whole = [&[116][..], &(count as u32).to_be_bytes()].concat();
            for key in &order {
                whole.extend([&binary(&format!("key{key}"))[..], encoded[key % 3]].concat());
            }
            let words = map_of(&order);
            let tape = TapeRef { words: &words, ..TapeRef::default() };
            assert_eq!(encode_within(tape, whole.len()), Ok(whole.clone()));
            for size in 0..whole.len() {
                assert_eq!(encode_within(tape, size).unwrap_err().kind, Kind::TooLarge(size));
            }
            for (at, from) in (0..count).flat_map(|at| (0..at).map(move |from| (at, from))) {
                let mut keys: Vec<usize> = order.clone();
                keys[at] = keys[from];
                let words = map_of(&keys);
                let tape = TapeRef { words: &words, ..TapeRef::default() };
                assert_eq!(encode(tape), Err(Kind::DuplicateKey), "{keys:?}");
            }
        }
    }
}
