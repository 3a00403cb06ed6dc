#![allow(clippy::unwrap_used, missing_docs)]
//! Estimates of V8's memory against measurements in Node 20.

use backwater_etf::{Binaries, DecodeErrorKind as Kind, DecodeOptions, Decoder, Tape};

fn header(tag: u8, count: usize) -> Vec<u8> {
    [&[tag][..], &(count as u32).to_be_bytes()].concat()
}

fn list_of(count: usize, item: impl Fn(usize) -> Vec<u8>) -> Vec<u8> {
    let items: Vec<u8> = (0..count).flat_map(item).collect();
    [vec![131], header(108, count), items, vec![106]].concat()
}

fn list(items: &[Vec<u8>]) -> Vec<u8> {
    [header(108, items.len()), items.concat(), vec![106]].concat()
}

fn binary(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let bytes = bytes.as_ref();
    [header(109, bytes.len()), bytes.to_vec()].concat()
}

fn map(pairs: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let terms = pairs.iter().flat_map(|(key, value)| [&key[..], value]).flatten().copied();
    [header(116, pairs.len()), terms.collect()].concat()
}

fn double(value: f64) -> Vec<u8> {
    [vec![70], value.to_be_bytes().to_vec()].concat()
}

fn atom(name: &str) -> Vec<u8> {
    [vec![119, name.len() as u8], name.as_bytes().to_vec()].concat()
}

fn estimate(bytes: &[u8], options: &DecodeOptions<'_>) -> usize {
    let mut tape = Tape::default();
    Decoder::new().decode(bytes, options, &mut tape).unwrap();
    tape.value_size()
}

#[test]
fn estimates_are_within_a_factor_of_two() {
    const COUNT: usize = 1000;
    let js = DecodeOptions::default();
    let exact = DecodeOptions { exact: true, ..js };
    let buffers = DecodeOptions { binaries: Binaries::Buffer, ..js };
    let one = || vec![97, 1];
    let many = |count: usize| -> Vec<_> {
        (0..count).map(|key| (binary(format!("k{key}")), one())).collect()
    };
    let int_keys =
        |count: usize| -> Vec<_> { (0..count).map(|key| (vec![97, key as u8], one())).collect() };
    let deep = [[104, 1].repeat(500), one()].concat();
    type Item<'a> = Box<dyn Fn(usize) -> Vec<u8> + 'a>;
    // Bytes per item, including its slot.
    let kinds: Vec<(&str, f64, &DecodeOptions<'_>, Item<'_>)> = vec![
        ("empty list", 40.0, &js, Box::new(|_| vec![106])),
        ("integer", 8.0, &js, Box::new(|_| one())),
        ("wide integer", 24.0, &js, Box::new(|_| vec![110, 6, 0, 1, 2, 3, 4, 5, 6])),
        ("double", 8.0, &js, Box::new(|index| double(index as f64 + 0.5))),
        (
            "double among others",
            24.0,
            &js,
            Box::new(|index| if index == 0 { atom("true") } else { double(index as f64 + 0.5) }),
        ),
        ("empty tuple", 80.0, &js, Box::new(|_| vec![104, 0])),
        ("tuple of one", 104.0, &js, Box::new(|_| vec![104, 1, 97, 1])),
        ("tuple of ten", 177.0, &js, Box::new(|_| [vec![104, 10], [97, 1].repeat(10)].concat())),
        ("deep tuples of one", 48_000.0, &js, Box::new(|_| deep.clone())),
        ("list of one", 64.0, &js, Box::new(|_| list(&[one()]))),
        ("list of five", 96.0, &js, Box::new(|_| list(&vec![one(); 5]))),
        ("byte list of one", 64.0, &js, Box::new(|_| vec![107, 0, 1, 5])),
        ("byte list of fifty", 456.0, &js, Box::new(|_| [vec![107, 0, 50], vec![5; 50]].concat())),
        ("empty text", 8.0, &js, Box::new(|_| binary(""))),
        ("text of one", 8.0, &js, Box::new(|_| binary("x"))),
        ("text of six", 32.0, &js, Box::new(|_| binary("abcdef"))),
        ("text of twelve", 41.0, &js, Box::new(|_| binary("abcdefghijkl"))),
        ("text of thirty", 70.0, &js, Box::new(|_| binary("x".repeat(30)))),
        ("text of a hundred", 140.0, &js, Box::new(|_| binary("x".repeat(100)))),
        ("wide text of three", 31.0, &js, Box::new(|_| binary("日本語"))),
        ("wide text of a hundred", 250.0, &js, Box::new(|_| binary("日".repeat(100)))),
        ("empty buffer", 192.0, &buffers, Box::new(|_| binary(""))),
        ("buffer of one", 111.0, &js, Box::new(|_| binary([255]))),
        ("buffer of a hundred", 207.0, &js, Box::new(|_| binary([255; 100]))),
        ("buffer of 5000", 5107.0, &js, Box::new(|_| binary([255; 5000]))),
        ("bit string", 152.0, &js, Box::new(|_| [header(77, 1), vec![3, 0xe0]].concat())),
        ("known atom", 8.0, &js, Box::new(|_| atom("ok"))),
        ("new atom", 140.0, &js, Box::new(|index| atom(&format!("a{index}")))),
        ("bigint of 9 bytes", 40.0, &js, Box::new(|_| [vec![110, 9, 0], vec![7; 9]].concat())),
        (
            "bigint of 100 bytes",
            140.0,
            &js,
            Box::new(|_| [vec![110, 100, 0], vec![7; 100]].concat()),
        ),
        ("empty object", 64.0, &js, Box::new(|_| map(&[]))),
        ("object of one", 40.0, &js, Box::new(|_| map(&many(1)))),
        ("object of twenty", 182.0, &js, Box::new(|_| map(&many(20)))),
        ("object of 65", 3230.0, &js, Box::new(|_| map(&many(65)))),
        (
            "objects of a new key each",
            200.0,
            &js,
            Box::new(|index| map(&[(binary(format!("k{index}")), one())])),
        ),
        (
            "objects of twenty new keys each",
            1350.0,
            &js,
            Box::new(|index| {
                let key = |key: usize| binary(format!("k{key}x{index}"));
                map(&(0..20).map(|number| (key(number), one())).collect::<Vec<_>>())
            }),
        ),
        ("map of one", 194.0, &js, Box::new(|_| map(&int_keys(1)))),
        ("map of five", 300.0, &js, Box::new(|_| map(&int_keys(5)))),
        ("map of twenty", 980.0, &js, Box::new(|_| map(&int_keys(20)))),
        ("exact empty map", 191.0, &exact, Box::new(|_| map(&[]))),
        ("exact map of one", 294.0, &exact, Box::new(|_| map(&many(1)))),
        ("exact double", 55.0, &exact, Box::new(|index| double(index as f64 + 0.5))),
        ("exact text of six", 113.0, &exact, Box::new(|_| binary("abcdef"))),
        ("pid", 60.0, &js, Box::new(|_| [vec![88], atom("n@h"), vec![0; 12]].concat())),
        ("port", 82.0, &js, Box::new(|_| [vec![89], atom("n@h"), vec![0; 8]].concat())),
        (
            "reference",
            127.0,
            &js,
            Box::new(|_| [vec![90, 0, 3], atom("n@h"), vec![0; 16]].concat()),
        ),
        (
            "external function",
            56.0,
            &js,
            Box::new(|_| [vec![113], atom("m"), atom("f"), one()].concat()),
        ),
    ];
    for (kind, measured, options, item) in kinds {
        let bytes = list_of(COUNT, item);
        let estimate = estimate(&bytes, options) as f64 / COUNT as f64;
        let ratio = estimate / measured;
        assert!((0.5..=2.0).contains(&ratio), "{kind}: {estimate} for {measured}");
    }
}

#[test]
fn a_value_of_the_limit_is_taken_and_a_larger_one_is_not() {
    let bytes = list_of(1000, |_| vec![106]);
    let size = estimate(&bytes, &DecodeOptions::default());
    let decode = |max_value_size| {
        let options = DecodeOptions { max_value_size, ..DecodeOptions::default() };
        Decoder::new().decode(&bytes, &options, &mut Tape::default())
    };
    assert_eq!(decode(size).unwrap(), bytes.len());
    assert_eq!(decode(size - 1).unwrap_err().kind, Kind::ValueSize(size - 1));
}
