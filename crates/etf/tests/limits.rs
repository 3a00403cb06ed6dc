#![allow(clippy::unwrap_used, clippy::panic)]

use backwater_etf::{
    DecodeError, DecodeErrorKind as Kind, DecodeOptions, Decoder, EncodeErrorKind, EncodeOptions,
    Encoder, KnownAtoms, PART_EXCESS, Tape, TapeRef,
};

const TEXT8: u32 = 1;
const OBJECT: u32 = 2;
const LIST: u32 = 3;
const TEXT16: u32 = 9;
const MAP: u32 = 10;
const MIXED: u32 = 0x7e;
const NEXT8: u32 = 0x8e;
const NEXT16: u32 = 0x9e;

fn decode_with(bytes: &[u8], options: &DecodeOptions<'_>) -> Result<Tape, DecodeError> {
    let mut tape = Tape::default();
    let used = Decoder::new().decode(bytes, options, &mut tape)?;
    assert_eq!(used, bytes.len());
    Ok(tape)
}

fn js(term: &[u8]) -> Result<Tape, Kind> {
    decode_with(&message(term), &DecodeOptions::default()).map_err(|error| error.kind)
}

fn exact(term: &[u8]) -> Result<Tape, Kind> {
    let options = DecodeOptions { exact: true, ..DecodeOptions::default() };
    decode_with(&message(term), &options).map_err(|error| error.kind)
}

fn message(term: &[u8]) -> Vec<u8> {
    [&[131], term].concat()
}

fn header(tag: u8, count: usize) -> Vec<u8> {
    [&[tag][..], &(count as u32).to_be_bytes()].concat()
}

fn int(value: u8) -> Vec<u8> {
    vec![97, value]
}

fn double(value: f64) -> Vec<u8> {
    [vec![70], value.to_be_bytes().to_vec()].concat()
}

fn atom(name: &str) -> Vec<u8> {
    [&[119, name.len() as u8], name.as_bytes()].concat()
}

fn binary(text: &str) -> Vec<u8> {
    [&header(109, text.len()), text.as_bytes()].concat()
}

fn list(items: &[Vec<u8>]) -> Vec<u8> {
    [header(108, items.len()), items.concat(), vec![106]].concat()
}

fn tuple(items: &[Vec<u8>]) -> Vec<u8> {
    [vec![104, items.len() as u8], items.concat()].concat()
}

fn map(keys: &[Vec<u8>]) -> Vec<u8> {
    let pairs = keys.iter().enumerate().map(|(index, key)| [&**key, &int(index as u8)].concat());
    [header(116, keys.len()), pairs.collect::<Vec<_>>().concat()].concat()
}

fn nested(levels: usize, open: &[u8], close: &[u8]) -> Vec<u8> {
    [open.repeat(levels), int(1), close.repeat(levels)].concat()
}

#[test]
fn nesting_has_a_limit() {
    let list_open = header(108, 1);
    let map_open = [header(116, 1), atom("k")].concat();
    let key_open = header(116, 1);
    let cases: [(&[u8], &[u8]); 4] =
        [(&list_open, &[106]), (&[104, 1], &[]), (&map_open, &[]), (&key_open, &[97, 1])];
    for (open, close) in cases {
        for exact in [false, true] {
            let options = DecodeOptions { exact, max_depth: 50, ..DecodeOptions::default() };
            decode_with(&message(&nested(50, open, close)), &options).unwrap();
            let error = decode_with(&message(&nested(51, open, close)), &options).unwrap_err();
            assert_eq!(error.kind, Kind::Depth(50));
        }
    }
    // The tail of an improper list counts as nested; a tail that is a list does not.
    let tails = [list_open.as_slice(), &[97, 1]].concat().repeat(100);
    let options = DecodeOptions { max_depth: 1, ..DecodeOptions::default() };
    decode_with(&message(&[&*tails, &[106]].concat()), &options).unwrap();
}

#[test]
#[cfg_attr(miri, ignore = "megabytes take minutes")]
fn very_deep_terms_need_no_stack() {
    let bytes = message(&nested(100_000, &header(108, 1), &[106]));
    let options = DecodeOptions { max_depth: 100_000, ..DecodeOptions::default() };
    let tape = decode_with(&bytes, &options).unwrap();
    let mut out = vec![131];
    let mut encoder = Encoder::default();
    let options = EncodeOptions { max_depth: 100_000, ..EncodeOptions::default() };
    encoder.encode_term(tape.as_tape_ref(&bytes), &options, &mut out).unwrap();
    assert_eq!(&out[..5 * 99_999], &bytes[..5 * 99_999]);
    let options = EncodeOptions { max_depth: 99_998, ..EncodeOptions::default() };
    let error =
        encoder.encode_term(tape.as_tape_ref(&bytes), &options, &mut Vec::new()).unwrap_err();
    assert_eq!(error.kind, EncodeErrorKind::Depth(99_998));
}

#[test]
fn terms_are_counted() {
    let cases = [
        (int(1), 1),
        (vec![106], 1),
        (list(&[int(1), int(2), int(3)]), 4),
        (b"k\0\x03abc".to_vec(), 4),
        (tuple(&[int(1), atom("a"), binary("b")]), 4),
        (map(&[atom("a"), atom("b")]), 5),
        (map(&[binary("a"), int(1), atom("b")]), 7),
        (list(&[list(&[vec![106]])]), 3),
        ([header(108, 1), int(1), b"k\0\x02ab".to_vec()].concat(), 5),
    ];
    for (term, count) in cases {
        for exact in [false, true] {
            let options = DecodeOptions { exact, max_terms: count, ..DecodeOptions::default() };
            assert!(decode_with(&message(&term), &options).is_ok(), "{count} of {term:?}");
            let options = DecodeOptions { max_terms: count - 1, ..options };
            let error = decode_with(&message(&term), &options).unwrap_err();
            assert_eq!(error.kind, Kind::Terms(count - 1), "{term:?}");
        }
    }
}

#[test]
fn sequences_in_lists_are_read_like_others() {
    for sequence in [tuple, list, improper, long_list, string_list] {
        check_sequences(sequence);
    }
}

fn improper(items: &[Vec<u8>]) -> Vec<u8> {
    match items {
        [] => vec![106],
        _ => [header(108, items.len()), items.concat(), int(9)].concat(),
    }
}

fn long_list(items: &[Vec<u8>]) -> Vec<u8> {
    match items {
        [] => vec![106],
        _ => [header(108, items.len()), items.concat(), list(&[int(9)])].concat(),
    }
}

fn string_list(items: &[Vec<u8>]) -> Vec<u8> {
    match items {
        [] => vec![106],
        _ => [header(108, items.len()), items.concat(), b"k\0\x01a".to_vec()].concat(),
    }
}

fn check_sequences(sequence: fn(&[Vec<u8>]) -> Vec<u8>) {
    let plain = [int(1), vec![98, 255, 0, 0, 0], double(0.5), vec![106], atom("true")];
    let others = [list(&[int(1)]), tuple(&[int(2), int(3)]), map(&[]), atom("new"), tuple(&[])];
    for count in 0..=18 {
        for place in 0..=count {
            let mut items: Vec<Vec<u8>> = plain.iter().cycle().take(count).cloned().collect();
            if place < count {
                items[place] = others[place % others.len()].clone();
            }
            let alone = sequence(&items);
            let listed = list(&[alone.clone(), int(7)]);
            let nested = list(&[tuple(&[int(1), alone.clone()]), int(7)]);
            for exact in [false, true] {
                let options = DecodeOptions { exact, ..DecodeOptions::default() };
                let words = |term: &[u8]| decode_with(&message(term), &options).unwrap().words;
                let (expected, found) = (words(&alone), words(&listed));
                assert_eq!(found[1..found.len() - 1], expected, "{count} with another at {place}");
                let found = words(&nested);
                assert_eq!(found[3..found.len() - 1], expected, "{count} with another at {place}");
                let object = |value: Vec<u8>| {
                    [header(116, 2), binary("key"), value, binary("z"), int(7)].concat()
                };
                let found = words(&list(&[object(int(1)), object(alone.clone()), int(7)]));
                if !exact {
                    let end = found.len() - 2;
                    assert_eq!(found[5..end], expected, "{count} with another at {place}");
                }
                let whole = decode_with(&message(&listed), &options).unwrap();
                let terms = (1..).find(|terms| {
                    let options = DecodeOptions { max_terms: *terms, ..options };
                    decode_with(&message(&alone), &options).is_ok()
                });
                let max_terms = terms.unwrap() + 2;
                let depth = (1..).find(|depth| {
                    let options = DecodeOptions { max_depth: *depth, ..options };
                    decode_with(&message(&listed), &options).is_ok()
                });
                let depth = depth.unwrap();
                let taken = DecodeOptions { max_terms, max_depth: depth, ..options };
                assert_eq!(decode_with(&message(&listed), &taken).unwrap(), whole);
                let refused = DecodeOptions { max_terms: max_terms - 1, ..taken };
                let error = decode_with(&message(&listed), &refused).unwrap_err();
                assert_eq!(error.kind, Kind::Terms(max_terms - 1));
                let refused = DecodeOptions { max_depth: depth - 1, ..taken };
                let error = decode_with(&message(&listed), &refused).unwrap_err();
                assert_eq!(error.kind, Kind::Depth(depth - 1));
            }
            for end in 0..listed.len() {
                assert_eq!(js(&listed[..end]), Err(Kind::Truncated));
            }
        }
    }
}

#[test]
fn atoms_have_at_most_255_characters() {
    let long =
        |tag: u8, text: &[u8]| [&[tag], &(text.len() as u16).to_be_bytes()[..], text].concat();
    for text in ["a", "é", "€", "😀"] {
        let name = text.repeat(255);
        let tape = js(&long(118, name.as_bytes())).unwrap();
        assert_eq!(tape.atoms, [name.encode_utf16().count() as u32]);
        assert_eq!(tape.names, name.as_bytes());
        let longer = text.repeat(256);
        assert_eq!(js(&long(118, longer.as_bytes())), Err(Kind::AtomLength));
        assert!(js(&map(&[long(118, name.as_bytes())])).is_ok());
        assert_eq!(js(&map(&[long(118, longer.as_bytes())])), Err(Kind::AtomLength));
    }
    assert_eq!(js(&long(100, &[0xe9; 255])).unwrap().names, "é".repeat(255).as_bytes());
    assert_eq!(js(&long(100, &[0xe9; 256])), Err(Kind::AtomLength));
    assert_eq!(js(&[119, 2, 0xc3, 0x28]), Err(Kind::AtomText));

    let encode = |count: usize| {
        let names = "€".repeat(count);
        let tape = TapeRef {
            words: &[6],
            atoms: &[count as u32],
            names: names.as_bytes(),
            ..TapeRef::default()
        };
        let mut out = Vec::new();
        Encoder::default().encode_term(tape, &EncodeOptions::default(), &mut out).map(|()| out)
    };
    assert_eq!(encode(255).unwrap(), long(118, "€".repeat(255).as_bytes()));
    assert_eq!(encode(256).unwrap_err().kind, EncodeErrorKind::Atom);
}

fn samples() -> Vec<Vec<u8>> {
    let node = atom("node@host");
    let word = [0, 0, 0, 7];
    let fun_rest = [
        &[1][..],
        &[9; 16],
        &word,
        &[0, 0, 0, 1],
        &atom("module"),
        &[97, 1],
        &[98, 0, 0, 1, 0],
        &[103],
        &node,
        &word,
        &word,
        &[1],
        &binary("free"),
    ]
    .concat();
    let leaves = vec![
        int(7),
        vec![98, 0xff, 0xff, 0xff, 0],
        vec![70, 0x3f, 0xf8, 0, 0, 0, 0, 0, 0],
        [b"c1.5".as_slice(), &[b'0'; 18], b"e+00", &[0; 6]].concat(),
        atom("some"),
        b"d\0\x04some".to_vec(),
        b"s\x04some".to_vec(),
        b"v\0\x05s\xc3\xb6me".to_vec(),
        binary("text"),
        binary("täxt"),
        binary("t€xt"),
        [header(109, 2), vec![0xff, 0xfe]].concat(),
        [header(77, 2), vec![5, 0xff, 0xf8]].concat(),
        b"k\0\x04list".to_vec(),
        vec![106],
        vec![110, 9, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9],
        [header(111, 300), vec![0], vec![3; 300]].concat(),
        [&[103], &*node, &word, &word, &[1]].concat(),
        [&[88], &*node, &word, &word, &word].concat(),
        [&[102], &*node, &word, &[1]].concat(),
        [&[89], &*node, &word, &word].concat(),
        [&[120], &*node, &word, &word, &word].concat(),
        [&[101], &*node, &word, &[1]].concat(),
        [&[114, 0, 2], &*node, &[1], &word, &word].concat(),
        [&[90, 0, 3], &*node, &word, &word, &word, &word].concat(),
        [&[113], &*atom("m"), &*atom("f"), &int(2)].concat(),
        [header(112, fun_rest.len() + 4), fun_rest].concat(),
    ];
    let mut samples = leaves.clone();
    samples.push(list(&leaves));
    samples.push(tuple(&leaves));
    samples.push([header(105, leaves.len()), leaves.concat()].concat());
    samples.push(map(&[atom("a"), atom("b"), atom("c")]));
    samples.push(map(&[binary("a"), binary("é"), int(1), list(&[atom("x")])]));
    samples.push([header(108, 2), int(1), int(2), header(108, 1), int(3), atom("tail")].concat());
    samples.push([header(108, 1), int(1), b"k\0\x02ab".to_vec()].concat());
    samples
}

#[test]
#[cfg_attr(miri, ignore = "thousands of messages take minutes")]
fn truncated_terms_are_refused() {
    for term in samples() {
        let bytes = message(&term);
        for exact in [false, true] {
            let options = DecodeOptions { exact, ..DecodeOptions::default() };
            assert!(decode_with(&bytes, &options).is_ok(), "{term:?}");
            for end in 0..bytes.len() {
                let error = decode_with(&bytes[..end], &options).unwrap_err();
                assert_eq!(error.kind, Kind::Truncated, "{term:?} cut at {end}");
                assert!(error.offset <= end, "{term:?} cut at {end}");
            }
        }
    }
}

#[test]
fn impossible_counts_allocate_nothing() {
    for tag in [108, 109, 111, 77, 105, 116] {
        let term = [&[tag, 0, 0xff, 0xff, 0xff][..], &[1, 1, 1]].concat();
        let mut tape = Tape::default();
        let result = Decoder::new().decode(&message(&term), &DecodeOptions::default(), &mut tape);
        assert_eq!(result.unwrap_err().kind, Kind::Truncated, "tag {tag}");
        assert!(tape.words.capacity() < 1000, "tag {tag}");
    }
}

#[test]
fn text_is_split_into_chunks() {
    let options = DecodeOptions { chunk: 10, ..DecodeOptions::default() };
    let texts = ["abcd", "efghij", "k", &"m".repeat(25), "no", "päq", "r€s", "tuvwxyz€", "", "€"];
    let term = list(&texts.map(binary));
    let tape = decode_with(&message(&term), &options).unwrap();
    let text8 = |length: u32| length << 4 | TEXT8;
    let text16 = |length: u32| length << 4 | TEXT16;
    let empty = 5 << 4 | 5;
    #[rustfmt::skip]
    let words = [
        10 << 4 | LIST,
        NEXT8, 10, text8(4), text8(6),
        NEXT8, 1, text8(1),
        NEXT8, 25, text8(25),
        NEXT8, 5, text8(2), text8(3),
        NEXT16, 3, text16(3),
        NEXT16, 9, text16(8), empty, text16(1),
    ];
    assert_eq!(tape.words, words);
    let latin1: Vec<u8> =
        texts[..6].concat().chars().map(|char| u8::try_from(u32::from(char)).unwrap()).collect();
    assert_eq!(tape.latin1, latin1);
    assert_eq!(tape.utf16, texts[6..].concat().encode_utf16().collect::<Vec<_>>());

    let whole = decode_with(&message(&term), &DecodeOptions::default()).unwrap();
    let heads = |head| whole.words.iter().filter(|word| **word == head).count();
    assert_eq!((heads(NEXT8), heads(NEXT16)), (1, 1));
    for tape in [tape, whole] {
        let mut out = Vec::new();
        let tape = tape.as_tape_ref(&[]);
        Encoder::default().encode_term(tape, &EncodeOptions::default(), &mut out).unwrap();
        assert_eq!(out, term);
    }
}

fn sizes(tape: &Tape) -> Vec<[u32; 2]> {
    tape.shapes.iter().map(|[keys, length]| [*keys, length & 0x7fff]).collect()
}

#[test]
fn maps_of_the_same_keys_share_a_shape() {
    let [a, b] = [atom("a"), atom("b")];
    let keys = vec![a.clone(), b.clone()];
    let term = list(&[map(&keys), map(&keys), list(&[map(&keys)]), map(&[b.clone(), a.clone()])]);
    let tape = js(&term).unwrap();
    // Two atoms, and the three bytes of `a\0b`.
    assert_eq!(sizes(&tape), [[4, 3], [4, 3]]);
    assert_eq!(tape.names, b"a\0bb\0a");
    let [first, second] = tape.shapes[..] else { panic!("two shapes") };
    assert_ne!(first[1] >> 15, 0);
    assert_ne!(first[1] >> 15, second[1] >> 15);
    assert_eq!(js(&map(&keys)).unwrap().shapes, [first]);
    assert!(tape.atoms.is_empty());
    let heads: Vec<_> = tape.words.iter().filter(|word| **word & 15 == OBJECT).collect();
    assert_eq!(heads, [&OBJECT, &OBJECT, &OBJECT, &(1 << 4 | OBJECT)]);
    let tape = js(&list(&[map(&keys), map(&[binary("a"), binary("b")]), map(&[a])])).unwrap();
    assert_eq!(sizes(&tape), [[4, 3], [5, 3], [2, 1]]);
    assert_ne!(tape.shapes[0][1], tape.shapes[1][1]);
    assert!(exact(&term).unwrap().shapes.is_empty());
}

#[test]
#[cfg_attr(miri, ignore = "megabytes take minutes")]
fn a_shape_has_at_most_64_keys() {
    let keys: Vec<_> = (0..65).map(|index| atom(&format!("key{index}"))).collect();
    let tape = js(&map(&keys[..64])).unwrap();
    assert_eq!(tape.words[0], OBJECT);
    assert_eq!(tape.shapes[0][0], 64 << 1);
    let tape = js(&map(&keys)).unwrap();
    assert_eq!(tape.words[0], (65 << 2 | 1) << 4 | MAP);
    assert!(tape.shapes.is_empty());
    for count in [64, 65] {
        let term = map(&keys[..count]);
        let tape = js(&term).unwrap();
        let mut out = Vec::new();
        let tape = tape.as_tape_ref(&[]);
        Encoder::default().encode_term(tape, &EncodeOptions::default(), &mut out).unwrap();
        assert_eq!(out, term);
    }
}

#[test]
fn maps_with_other_later_keys_are_mixed() {
    // 1 = atoms, 2 = text, 0 = mixed.
    let cases = [
        (vec![atom("a"), atom("é")], 1, 1),
        (vec![atom("a"), atom("b"), atom("é"), atom("c")], 2, 1),
        (vec![binary("a"), binary("é")], 1, 2),
        (vec![binary("a"), binary("")], 1, 2),
        (vec![binary("a"), binary("b\0"), binary("c")], 1, 2),
        (vec![binary("a"), atom("b")], 1, 0),
        (vec![atom("a"), binary("b")], 1, 0),
        (vec![atom("a"), int(1)], 1, 0),
        (vec![binary("a"), int(1), binary("b")], 1, 0),
        (vec![binary("a"), list(&[atom("b")]), tuple(&[atom("c")])], 1, 0),
    ];
    for (keys, shaped, hint) in cases {
        let term = map(&keys);
        let tape = js(&term).unwrap();
        assert_eq!(tape.words[0], hint << 8 | MIXED, "{term:?}");
        assert_eq!(tape.shapes[0][0] >> 1, shaped, "{term:?}");
        assert_eq!(tape.words[1 + shaped as usize], keys.len() as u32 - shaped, "{term:?}");
        let mut out = Vec::new();
        let tape = tape.as_tape_ref(&[]);
        Encoder::default().encode_term(tape, &EncodeOptions::default(), &mut out).unwrap();
        assert_eq!(out, term);
    }
    for (keys, hint) in [(vec![int(1), atom("a")], 0), (vec![atom("é"), atom("a")], 1)] {
        assert_eq!(js(&map(&keys)).unwrap().words[0], (2 << 2 | hint) << 4 | MAP);
    }
}

fn same_keys() -> Vec<[Vec<u8>; 2]> {
    let node = atom("n@h");
    let pid = |tag: u8, creation: &[u8]| [&[tag], &*node, &[0; 7], &[1], creation].concat();
    let text = |bytes: &[u8]| list(&bytes.iter().map(|byte| int(*byte)).collect::<Vec<_>>());
    let floats = [1.5f64, 0.0, -0.0].map(|value| [&[70][..], &value.to_be_bytes()].concat());
    let [float, zero, minus_zero] = floats;
    vec![
        [atom("a"), atom("a")],
        [b"d\0\x01a".to_vec(), atom("a")],
        [b"s\x01a".to_vec(), b"v\0\x01a".to_vec()],
        [b"s\x01\xe9".to_vec(), atom("é")],
        [atom("true"), b"d\0\x04true".to_vec()],
        [binary("a"), binary("a")],
        [binary("é"), binary("é")],
        [binary("a"), [header(77, 1), vec![8, b'a']].concat()],
        [[header(77, 1), vec![4, 0xff]].concat(), [header(77, 1), vec![4, 0xf0]].concat()],
        [int(5), vec![98, 0, 0, 0, 5]],
        [int(5), vec![110, 1, 0, 5]],
        [int(0), vec![110, 0, 1]],
        [vec![110, 8, 0, 1, 1, 1, 1, 1, 1, 1, 1], {
            [header(111, 9), vec![0, 1, 1, 1, 1, 1, 1, 1, 1, 0]].concat()
        }],
        [float.clone(), [b"c1.5".as_slice(), &[b'0'; 19], b"e+00", &[0; 5]].concat()],
        [zero, minus_zero],
        [b"k\0\x01a".to_vec(), text(b"a")],
        [b"k\0\x03abc".to_vec(), [header(108, 1), int(97), b"k\0\x02bc".to_vec()].concat()],
        [text(b"abc"), [header(108, 2), int(97), int(98), text(b"c")].concat()],
        [vec![106], b"k\0\0".to_vec()],
        [vec![106], vec![108, 0, 0, 0, 0, 106]],
        [tuple(&[b"k\0\x01a".to_vec()]), tuple(&[text(b"a")])],
        [tuple(&[int(1)]), [header(105, 1), int(1)].concat()],
        [tuple(&[]), header(105, 0)],
        [map(&[]), map(&[])],
        [
            [header(108, 1), int(1), atom("t")].concat(),
            [header(108, 0), header(108, 1), int(1), b"d\0\x01t".to_vec()].concat(),
        ],
        [
            [header(116, 2), atom("a"), int(1), atom("b"), int(2)].concat(),
            [header(116, 2), atom("b"), int(2), b"d\0\x01a".to_vec(), int(1)].concat(),
        ],
        [
            [header(116, 2), int(1), binary("é"), binary("x"), float.clone()].concat(),
            [header(116, 2), binary("x"), float, int(1), binary("é")].concat(),
        ],
        [pid(103, &[3]), pid(88, &[0, 0, 0, 3])],
        [
            [&[101], &*node, &[0, 0, 0, 9], &[1]].concat(),
            [&[90, 0, 1], &*node, &[0, 0, 0, 1], &[0, 0, 0, 9]].concat(),
        ],
        [[&[89], &*node, &[0; 8]].concat(), [&[120], &*node, &[0; 12]].concat()],
    ]
}

#[test]
#[cfg_attr(miri, ignore = "thousands of messages take minutes")]
fn duplicate_keys_are_refused_in_any_form() {
    for [one, other] in same_keys() {
        let others: Vec<_> = (0..40).map(|index| atom(&format!("key{index}"))).collect();
        let texts: Vec<_> = (0..40).map(|index| binary(&format!("key{index}"))).collect();
        let pair = [one.clone(), other.clone()];
        let with = |more: &[Vec<u8>]| map(&[std::slice::from_ref(&one), more, &pair[1..]].concat());
        let terms = [
            map(&pair),
            map(&[other.clone(), one.clone()]),
            with(&others[..1]),
            with(&texts[..1]),
            with(&[int(77)]),
            with(&others),
            with(&texts),
            with(&[&*others, &*texts].concat()),
            map(&[&others[..2], &pair].concat()),
            map(&[&others[..], &texts, &pair].concat()),
            list(&[map(&others[..3]), map(&pair)]),
            map(&[map(&pair), int(1)]),
            map(&[tuple(&[atom("x"), map(&pair)])]),
        ];
        for term in terms {
            assert_eq!(js(&term), Err(Kind::DuplicateKey), "{one:?}, {other:?}: {term:?}");
            assert_eq!(exact(&term), Err(Kind::DuplicateKey), "{one:?}, {other:?}: {term:?}");
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "thousands of messages take minutes")]
fn similar_keys_are_distinct() {
    let float = [&[70][..], &1f64.to_be_bytes()].concat();
    let keys = [
        atom("a"),
        binary("a"),
        b"k\0\x01a".to_vec(),
        tuple(&[int(97)]),
        list(&[list(&[int(97)])]),
        [header(108, 1), int(97), int(97)].concat(),
        int(1),
        float,
        [header(77, 1), vec![7, b'a']].concat(),
        [header(77, 1), vec![6, b'a']].concat(),
        vec![106],
        binary(""),
        atom(""),
        tuple(&[]),
        map(&[]),
        map(&[atom("a")]),
        map(&[binary("a")]),
        map(&[atom("a"), atom("b")]),
        map(&[atom("b"), atom("a")]),
        vec![110, 1, 1, 97],
        int(97),
    ];
    for (index, one) in keys.iter().enumerate() {
        for other in &keys[index + 1..] {
            let term = map(&[one.clone(), other.clone()]);
            assert!(js(&term).is_ok() && exact(&term).is_ok(), "{one:?}, {other:?}");
        }
    }
    assert!(js(&map(&keys)).is_ok() && exact(&map(&keys)).is_ok());
    let inner = map(&[int(1), atom("a")]);
    let pairs = [header(116, 2), int(1), inner.clone(), atom("a"), inner].concat();
    assert!(js(&pairs).is_ok() && exact(&pairs).is_ok());
}

struct Known(&'static [&'static str]);

impl KnownAtoms for Known {
    fn is_known(&self, name: &str) -> bool {
        self.0.contains(&name)
    }
}

#[test]
fn safe_decoding_accepts_only_known_atoms() {
    let known = Known(&["known", "n@h", "m", "é"]);
    let places: [fn(Vec<u8>) -> Vec<u8>; 10] = [
        |atom| atom,
        |atom| tuple(&[atom]),
        |atom| map(&[atom]),
        |name| map(&[atom("known"), binary("x"), name]),
        |name| [header(116, 1), atom("known"), name].concat(),
        |name| map(&[map(&[name])]),
        |node| [&[103], &*node, &[0; 9]].concat(),
        |node| [&[89], &*node, &[0; 8]].concat(),
        |node| [&[90, 0, 1], &*node, &[0; 8]].concat(),
        |module| {
            let rest = [&[0; 25], &*module, &[97, 1, 97, 1, 103], &*atom("n@h"), &[0; 9]].concat();
            [header(112, rest.len() + 4), rest].concat()
        },
    ];
    // Cached atoms must not leak into safe decoding.
    let mut decoder = Decoder::new();
    for exact in [false, true] {
        let all = DecodeOptions { exact, ..DecodeOptions::default() };
        let safe = DecodeOptions { known_atoms: Some(&known), ..all };
        let mut decode = |term: &[u8], options: &DecodeOptions<'_>| {
            let mut tape = Tape::default();
            decoder.decode(&message(term), options, &mut tape).map_err(|error| error.kind)
        };
        for (place, term) in places.iter().enumerate() {
            for name in ["unknown", "ü", "", "Known", "knowns"] {
                let term = term(atom(name));
                assert!(decode(&term, &all).is_ok(), "{name} in place {place}");
                let refused = Err(Kind::UnknownAtom(name.to_owned()));
                assert_eq!(decode(&term, &safe), refused, "place {place}");
            }
            if place != 3 {
                assert!(decode(&term(atom("n@h")), &safe).is_ok(), "place {place}");
                assert!(decode(&term(b"s\x01\xe9".to_vec()), &safe).is_ok(), "place {place}");
            }
        }
        for name in ["true", "false", "nil", "undefined"] {
            assert!(decode(&atom(name), &safe).is_ok(), "{name}");
            assert!(decode(&map(&[atom(name)]), &safe).is_ok(), "{name} as a key");
            assert!(decode(&tuple(&[atom(name)]), &safe).is_ok(), "{name}");
        }
        let external = [&[113], &*atom("m"), &*atom("known"), &int(1)].concat();
        assert!(decode(&external, &all).is_ok());
        assert_eq!(decode(&external, &safe), Err(Kind::ExternalFunction));
        assert_eq!(decode(&map(&[external]), &safe), Err(Kind::ExternalFunction));
    }
}

#[test]
#[cfg_attr(miri, ignore = "megabytes take minutes")]
fn oversized_data_is_not_copied() {
    const SIZE: usize = 60_000;
    let (source, units) = (vec![b'a'; SIZE], vec![97; SIZE]);
    let all = TapeRef {
        latin1: &source,
        utf16: &units,
        text: &source,
        source: &source,
        ..TapeRef::default()
    };
    let length = SIZE as u32;
    let cases: [&[u32]; 7] = [
        &[length << 4 | TEXT8],
        &[length << 4 | TEXT16],
        &[length << 4 | 15],
        &[length << 4 | 8, 0],
        &[length << 5 | 12, 0],
        &[length << 4 | 13, 0],
        &[5 << 8 | 0x1e, length, 0],
    ];
    for words in cases {
        let encode = |max_size| {
            let mut out = Vec::new();
            let options = EncodeOptions { max_size, ..EncodeOptions::default() };
            let result =
                Encoder::default().encode_term(TapeRef { words, ..all }, &options, &mut out);
            (result.map_err(|error| error.kind), out.len())
        };
        let (result, size) = encode(SIZE * 2);
        assert_eq!(result, Ok(()));
        assert_eq!(encode(size), (Ok(()), size), "{words:?}");
        for limit in [size - 1, SIZE, SIZE - 1, 1000, 0] {
            let (result, written) = encode(limit);
            assert_eq!(result, Err(EncodeErrorKind::TooLarge(limit)), "{words:?}");
            assert!(written <= limit + 16, "{words:?}: {written} of {limit}");
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "megabytes take minutes")]
fn nothing_is_written_beyond_the_size_limit() {
    let terms = [
        binary(&"ü".repeat(50_000)),
        binary(&"日".repeat(50_000)),
        binary(&"😀".repeat(50_000)),
        binary(&"a".repeat(100_000)),
        [&[107, 0xff, 0xff][..], &[7; 65_535]].concat(),
        list(&vec![vec![97, 7]; 100_000]),
        list(&vec![vec![98, 0, 1, 0, 0]; 50_000]),
    ];
    for term in terms {
        let bytes = [&[131][..], &term].concat();
        let (mut decoder, mut tape) = (Decoder::new(), Tape::default());
        decoder.decode(&bytes, &DecodeOptions::default(), &mut tape).unwrap();
        for missing in [0, 1, term.len() / 2, term.len() - 1] {
            let max_size = term.len() - missing;
            let options = EncodeOptions { max_size, ..EncodeOptions::default() };
            let mut out = Vec::new();
            let result =
                Encoder::default().encode_term(tape.as_tape_ref(&bytes), &options, &mut out);
            assert_eq!(result.is_ok(), missing == 0);
            assert!(out.len() <= max_size + 16, "{} of {max_size} bytes", out.len());
        }
    }
}

#[test]
fn a_tape_is_split_before_terms() {
    const NEXT_PART: u32 = 0xee;
    let items: Vec<Vec<u8>> = (0..5000u32)
        .map(|index| match index % 3 {
            0 => vec![97, 7],
            1 => [&[70][..], &f64::from(index).to_be_bytes()].concat(),
            _ => binary("text"),
        })
        .collect();
    let bytes = message(&list(&items));
    let whole = decode_with(&bytes, &DecodeOptions::default()).unwrap();
    assert!(whole.cuts.is_empty());
    assert_eq!(whole.part(0), (&whole.words[..], &whole.floats[..]));
    for part in [1, 100, 4096, 5001] {
        let tape =
            decode_with(&bytes, &DecodeOptions { part, ..DecodeOptions::default() }).unwrap();
        assert!(tape.cuts.len() <= tape.words.len() / part, "{part}");
        let (mut words, mut floats) = (Vec::new(), Vec::new());
        for index in 0..=tape.cuts.len() {
            let (its_words, its_floats) = tape.part(index);
            assert!(its_words.len() <= part + PART_EXCESS && its_floats.len() <= its_words.len());
            floats.extend_from_slice(its_floats);
            match its_words.split_last() {
                Some((&NEXT_PART, term)) if index < tape.cuts.len() => {
                    words.extend_from_slice(term)
                }
                _ => words.extend_from_slice(its_words),
            }
        }
        assert_eq!((words, floats), (whole.words.clone(), whole.floats.clone()), "{part}");
        assert_eq!(tape.part(tape.cuts.len() + 1), (&[][..], &[][..]));
    }
}

#[test]
fn only_terms_inside_the_message_refer_to_it() {
    let refers = |term: &[u8]| decode_with(&message(term), &DecodeOptions::default()).unwrap();
    assert!(!refers(&list(&[binary("text"), vec![97, 1], vec![106]])).refers_to_source);
    for term in [
        vec![109, 0, 0, 0, 1, 255],
        vec![107, 0, 1, 5],
        vec![77, 0, 0, 0, 1, 4, 240],
        vec![110, 8, 0, 1, 2, 3, 4, 5, 6, 7, 8],
    ] {
        assert!(refers(&list(&[term])).refers_to_source);
    }
}

#[test]
fn values_are_accepted_up_to_their_limit() {
    let bytes = message(&list(&vec![vec![106]; 1000]));
    let size = decode_with(&bytes, &DecodeOptions::default()).unwrap().value_size();
    let limited = |max_value_size| {
        decode_with(&bytes, &DecodeOptions { max_value_size, ..DecodeOptions::default() })
    };
    assert!(limited(size).is_ok());
    assert_eq!(limited(size - 1).unwrap_err().kind, Kind::ValueSize(size - 1));
}
