#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]
//! Random input of both directions: whatever it is, there is an answer and no panic.

use backwater_etf::{
    Binaries, DecodeErrorKind as Kind, DecodeOptions, Decoder, EncodeErrorKind, EncodeOptions,
    Encoder, KnownAtoms, Tape, TapeRef, TextForm,
};

/// Miri takes milliseconds for each.
const ROUNDS: u32 = if cfg!(miri) { 300 } else { 200_000 };

/// The same numbers in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        ((self.next() >> 32) % limit as u64) as usize
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}

/// Every tag that there is, the usual ones more often.
const TAGS: &[u8] = &[
    97, 97, 98, 106, 107, 108, 108, 108, 104, 104, 104, 109, 109, 116, 116, 116, 119, 119, 119, 70,
    77, 80, 88, 89, 90, 99, 100, 101, 102, 103, 105, 110, 111, 112, 113, 114, 115, 118, 120,
];

/// Something like a term: most of its parts are right, some are not.
fn write_term(random: &mut Random, depth: u32, out: &mut Vec<u8>) {
    let tag = if depth > 5 { random.pick(&[97, 106, 109, 119, 110]) } else { random.pick(TAGS) };
    out.push(tag);
    let limit = if random.one_in(50) { 70 } else { 5 };
    let count = random.below(limit);
    let wrong = random.one_in(200);
    let said = if wrong { random.next() as u32 } else { count as u32 };
    let long = said.to_be_bytes();
    match tag {
        97 => out.push(random.next() as u8),
        98 => out.extend((random.next() as u32).to_be_bytes()),
        70 => out.extend((random.next() as f64 / 1e3).to_be_bytes()),
        99 => out.extend([b"1.5".as_slice(), &[b'0'; 19], b"e+00", &[0; 5]].concat()),
        107 | 100 | 118 => {
            out.extend(&long[2..]);
            write_text(random, count, out);
        }
        115 | 119 => {
            out.push(long[3]);
            write_text(random, count, out);
        }
        109 => {
            out.extend(long);
            write_text(random, count, out);
        }
        77 => {
            out.extend(long);
            out.push(random.below(10) as u8);
            write_text(random, count, out);
        }
        110 => {
            out.extend([long[3], random.below(2) as u8]);
            out.extend((0..count).map(|_| random.next() as u8));
        }
        111 => {
            out.extend(long);
            out.push(random.below(2) as u8);
            out.extend((0..count).map(|_| random.next() as u8));
        }
        104 | 105 | 108 | 116 => {
            if tag == 104 {
                out.push(long[3])
            } else {
                out.extend(long)
            }
            for _ in 0..count * if tag == 116 { 2 } else { 1 } {
                write_term(random, depth + 1, out);
            }
            if tag == 108 {
                if random.one_in(4) {
                    write_term(random, depth + 1, out);
                } else {
                    out.push(106);
                }
            }
        }
        88 | 89 | 101 | 102 | 103 | 120 => {
            write_atom(random, out);
            let length = match tag {
                88 | 120 => 12,
                103 => 9,
                89 => 8,
                _ => 5,
            };
            out.extend((0..length).map(|_| random.next() as u8));
        }
        90 | 114 => {
            out.extend(&long[2..]);
            write_atom(random, out);
            out.extend((0..count * 4 + if tag == 90 { 4 } else { 1 }).map(|_| random.next() as u8));
        }
        113 => {
            write_atom(random, out);
            write_atom(random, out);
            out.extend([97, random.next() as u8]);
        }
        112 => {
            let start = out.len();
            out.extend([0; 25]);
            out.extend(long);
            write_atom(random, out);
            out.extend([97, 1, 98, 0, 0, 1, 0, 103]);
            write_atom(random, out);
            out.extend([0; 9]);
            for _ in 0..count {
                write_term(random, depth + 1, out);
            }
            let size = (out.len() - start) as u32 + u32::from(wrong);
            out[start..start + 4].copy_from_slice(&size.to_be_bytes());
        }
        _ => {}
    }
}

fn write_atom(random: &mut Random, out: &mut Vec<u8>) {
    if random.one_in(50) {
        return write_term(random, 6, out);
    }
    out.extend([119, 1, random.pick(b"abc")]);
}

fn write_text(random: &mut Random, count: usize, out: &mut Vec<u8>) {
    match random.below(10) {
        0 => out.extend((0..count).map(|_| random.next() as u8)),
        1 | 2 => out.extend("éü".repeat(count).as_bytes()[..count].iter()),
        3 => out.extend("😀€".repeat(count).as_bytes()[..count].iter()),
        // Few letters: keys repeat.
        _ => out.extend((0..count).map(|_| random.pick(b"ab"))),
    }
}

struct Few;

impl KnownAtoms for Few {
    fn is_known(&self, name: &str) -> bool {
        name.len() < 3
    }
}

#[test]
fn any_bytes_are_a_term_or_refused() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut decoder = Decoder::new();
    let mut encoder = Encoder::default();
    let mut tape = Tape::default();
    let (mut taken, mut refused) = (0, 0);
    let mut bytes = Vec::new();
    let mut out = Vec::new();
    for round in 0..ROUNDS {
        bytes.clear();
        bytes.push(131);
        if random.one_in(10) {
            let length = random.below(60);
            bytes.extend((0..length).map(|_| match random.next() as u8 {
                byte @ 128.. => byte % 4,
                byte => TAGS[byte as usize % TAGS.len()],
            }));
        } else {
            write_term(&mut random, 0, &mut bytes);
        }
        if random.one_in(4) && bytes.len() > 1 {
            let at = random.below(bytes.len());
            bytes[at] = random.next() as u8;
        }
        if random.one_in(20) {
            bytes.truncate(random.below(bytes.len()));
        }
        let options = DecodeOptions {
            exact: random.one_in(3),
            binaries: random.pick(&[Binaries::Text, Binaries::Buffer, Binaries::String]),
            known_atoms: if random.one_in(8) { Some(&Few) } else { None },
            max_depth: random.pick(&[4, 100]),
            max_terms: random.pick(&[20, 100_000]),
            max_value_size: usize::MAX,
            chunk: random.pick(&[1, 8, 65_536]),
            part: random.pick(&[1, 8, 16_384]),
        };
        match decoder.decode(&bytes, &options, &mut tape) {
            Err(error) => {
                refused += 1;
                assert!(error.offset <= bytes.len(), "round {round}: {bytes:?}");
            }
            Ok(used) => {
                taken += 1;
                assert!(used <= bytes.len(), "round {round}: {bytes:?}");
                out.clear();
                out.push(131);
                encoder
                    .encode_term(tape.as_tape_ref(&bytes), &EncodeOptions::default(), &mut out)
                    .unwrap_or_else(|error| panic!("round {round}: {error}: {bytes:?}"));
                check_again(&mut decoder, &out, &options, &mut encoder);
            }
        }
    }
    assert!(taken > ROUNDS / 10, "{taken} were taken");
    assert!(refused > ROUNDS / 10, "{refused} were refused");
}

/// What was written is read as the same again.
fn check_again(
    decoder: &mut Decoder,
    bytes: &[u8],
    options: &DecodeOptions<'_>,
    encoder: &mut Encoder,
) {
    let mut tape = Tape::default();
    let used = decoder
        .decode(bytes, options, &mut tape)
        .unwrap_or_else(|error| panic!("{error}: {bytes:?}"));
    assert_eq!(used, bytes.len());
    let mut out = vec![131];
    encoder.encode_term(tape.as_tape_ref(bytes), &EncodeOptions::default(), &mut out).unwrap();
    assert_eq!(out, bytes);
}

/// A tape that holds together, more or less.
#[derive(Default)]
struct Tapes {
    words: Vec<u32>,
    floats: Vec<f64>,
    latin1: Vec<u8>,
    utf16: Vec<u16>,
    text: Vec<u8>,
    source: Vec<u8>,
    atoms: Vec<u32>,
    shapes: Vec<[u32; 2]>,
    names: Vec<u8>,
    mark_bytes: bool,
}

const SHAPES: [([u32; 2], &str); 6] = [
    ([2, 1], "a"),
    ([4, 3], "a\0b"),
    ([5, 3], "a\0b"),
    ([7, 5], "a\0b\0c"),
    ([4, 3], "a\0a"),
    ([6, 3], "a\0b"),
];

impl Tapes {
    fn new(random: &mut Random) -> Self {
        let mut this = Self::default();
        for _ in 0..random.below(4) {
            let name = random.pick(&["a", "b", "é", "€uro", "😀"]);
            this.atoms.push(name.encode_utf16().count() as u32 + u32::from(random.one_in(300)));
            this.names.extend(name.as_bytes());
        }
        for _ in 0..random.below(4) {
            let right = SHAPES.len() - if random.one_in(20) { 0 } else { 2 };
            let (head, keys) = SHAPES[random.below(right)];
            this.shapes.push(head);
            this.names.extend(keys.as_bytes());
        }
        if random.one_in(50) {
            this.names.push(random.next() as u8);
        }
        this.floats = vec![1.5, 3.0, -4e15, 1e300, 7.0, -0.0];
        if random.one_in(20) {
            this.floats[1] = f64::NAN;
        }
        let letters = if random.one_in(10) { b"a\xe9" } else { b"ab" };
        this.latin1 = (0..40).map(|_| random.pick(letters)).collect();
        this.utf16 = (0..40).map(|_| random.pick(&[97, 98, 0x20ac])).collect();
        if random.one_in(10) {
            this.utf16[1] = 0xd83d;
        }
        let long = random.pick(&["ab", "ab", "é", "€😀"]);
        this.text = long.repeat(20).into_bytes();
        this.source = (0..100).map(|_| random.next() as u8).collect();
        this.term(random, 0);
        if random.one_in(10) {
            let at = random.below(this.words.len());
            this.words[at] = random.next() as u32;
        }
        if random.one_in(20) {
            this.words.truncate(random.below(this.words.len() + 1));
        }
        this
    }

    fn as_tape_ref(&self) -> TapeRef<'_> {
        TapeRef {
            words: &self.words,
            floats: &self.floats,
            latin1: &self.latin1,
            utf16: &self.utf16,
            text: &self.text,
            text_form: if self.text.is_ascii() { TextForm::Ascii } else { TextForm::Utf8 },
            source: &self.source,
            atoms: &self.atoms,
            shapes: &self.shapes,
            names: &self.names,
            out_of_band: &[],
            mark_bytes: self.mark_bytes,
        }
    }

    fn word(&mut self, tag: u32, payload: usize) {
        self.words.push((payload as u32) << 4 | tag);
    }

    fn ext(&mut self, kind: u32, rest: usize) {
        self.words.push((rest as u32) << 8 | kind << 4 | 14);
    }

    fn raw(&mut self, random: &mut Random, count: usize) {
        self.words.extend((0..count).map(|_| random.next() as u32));
    }

    fn terms(&mut self, random: &mut Random, count: usize, depth: u32) {
        for _ in 0..count {
            self.term(random, depth + 1);
        }
    }

    fn atom_index(&mut self, random: &mut Random) -> usize {
        let limit = self.atoms.len() + usize::from(self.atoms.is_empty() || random.one_in(50));
        random.below(limit)
    }

    fn offset(&mut self, random: &mut Random) {
        let limit = if random.one_in(50) { 200 } else { 90 };
        self.words.push(random.below(limit) as u32);
    }

    fn term(&mut self, random: &mut Random, depth: u32) {
        let count = random.below(5);
        let container = depth < 5;
        match random.below(16) as u32 {
            0 => self.word(0, random.next() as usize),
            tag @ (1 | 9 | 15) => self.word(tag, count),
            2 if container && !self.shapes.is_empty() => {
                let shape = random.below(self.shapes.len());
                self.word(2, shape);
                self.terms(random, self.shapes[shape][0] as usize >> 1, depth);
            }
            3 if container => {
                self.word(3, count + usize::from(!random.one_in(20)));
                self.terms(random, count + 1, depth);
            }
            4 => self.word(4, 0),
            5 => self.word(5, random.below(7) + usize::from(random.one_in(50))),
            6 => {
                let index = self.atom_index(random);
                self.word(6, index);
            }
            7 if container => {
                self.word(7, count);
                self.terms(random, count, depth);
            }
            8 => {
                self.word(8, count);
                self.offset(random);
            }
            10 if container => {
                self.word(10, count << 2 | random.below(3));
                self.terms(random, 2 * count, depth);
            }
            11 => self.word(11, 0),
            12 => {
                self.word(12, (count + 6) << 1 | random.below(2));
                self.offset(random);
            }
            13 => {
                self.word(13, count + 1);
                self.offset(random);
            }
            14 => self.extended(random, depth, count),
            _ => self.word(0, random.below(300)),
        }
    }

    fn extended(&mut self, random: &mut Random, depth: u32, count: usize) {
        let container = depth < 5;
        match random.below(10) as u32 {
            0 if container => {
                self.ext(0, count + 1);
                self.terms(random, count + 2, depth);
            }
            1 => {
                self.ext(1, random.below(7) + 1);
                self.words.push(count as u32 + 1);
                self.offset(random);
            }
            kind @ 2..=4 => {
                let rest = if kind == 4 { count + 1 } else { 0 };
                self.ext(kind, rest);
                let node = self.atom_index(random);
                self.words.push(node as u32);
                self.raw(random, if kind == 4 { rest + 1 } else { 3 });
            }
            5 => {
                self.ext(5, count);
                for _ in 0..2 {
                    let name = self.atom_index(random);
                    self.words.push(name as u32);
                }
            }
            6 if container => {
                self.ext(6, count);
                self.words.push(count as u32);
                self.raw(random, 5);
                let module = self.atom_index(random);
                self.words.push(module as u32);
                // The old index and the old uniq, integers, then the pid and the variables.
                for _ in 0..2 {
                    self.word(0, random.next() as usize >> 40);
                }
                self.terms(random, count + 1, depth);
            }
            7 if container && !self.shapes.is_empty() => {
                let shape = random.below(self.shapes.len());
                self.ext(7, shape << 2);
                self.terms(random, self.shapes[shape][0] as usize >> 1, depth);
                self.words.push(count as u32);
                self.terms(random, 2 * count, depth);
            }
            kind @ (8 | 9) => {
                self.ext(kind, 0);
                self.words.push(count as u32);
                self.term(random, depth);
            }
            _ => self.word(5, 4),
        }
    }
}

/// What may be written before the size is looked at: headers, names and keys, no data.
const SLACK: usize = 2048;

#[test]
fn any_tape_is_a_term_or_refused() {
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    let mut encoder = Encoder::default();
    let mut decoder = Decoder::new();
    let mut out = Vec::new();
    let (mut written, mut refused, mut too_large, mut read) = (0, 0, 0, 0);
    for round in 0..ROUNDS {
        let tapes = Tapes::new(&mut random);
        let max_size = random.pick(&[0, 10, 30, 100, 100_000]);
        let options = EncodeOptions { max_size, max_depth: random.pick(&[3, 1000]) };
        out.clear();
        out.push(131);
        let result = encoder.encode_term(tapes.as_tape_ref(), &options, &mut out);
        assert!(out.len() <= max_size + SLACK, "round {round}: {} of {max_size}", out.len());
        match result {
            Ok(()) => {
                written += 1;
                assert!(out.len() <= max_size, "round {round}: {:?}", tapes.words);
                // Only keys that are one term in two forms, and funs of anything, make that fail.
                let mut tape = Tape::default();
                let again = DecodeOptions { exact: random.one_in(2), ..DecodeOptions::default() };
                match decoder.decode(&out, &again, &mut tape) {
                    Ok(used) => {
                        read += 1;
                        assert_eq!(used, out.len(), "round {round}");
                    }
                    Err(error) => assert!(
                        matches!(error.kind, Kind::DuplicateKey | Kind::Field(_)),
                        "round {round}: {error}: {:?}",
                        tapes.words
                    ),
                }
            }
            Err(error) => {
                refused += 1;
                too_large += u32::from(error.kind == EncodeErrorKind::TooLarge(max_size));
                assert!(error.word <= tapes.words.len(), "round {round}");
            }
        }
    }
    assert!(written > ROUNDS / 10, "{written} were written");
    assert!(refused > ROUNDS / 10, "{refused} were refused");
    assert!(too_large > ROUNDS / 100, "{too_large} were too large");
    assert!(read > written / 10 * 9, "{read} of {written} were read again");
}

#[test]
fn words_of_noise_are_a_term_or_refused() {
    let mut random = Random(77);
    let mut encoder = Encoder::default();
    let mut out = Vec::new();
    for _ in 0..ROUNDS {
        let length = random.below(20);
        let shift = random.pick(&[0, 8, 16, 20, 24]);
        let words: Vec<_> = (0..length).map(|_| random.next() as u32 >> shift).collect();
        let names: Vec<_> = (0..random.below(9)).map(|_| random.next() as u8 >> 1).collect();
        let tape = TapeRef {
            words: &words,
            floats: &[1.0, f64::INFINITY],
            latin1: b"latin1\xe9",
            utf16: &[0xd83d, 0xde00, 0xd83d],
            text: "ü€😀".as_bytes(),
            text_form: random.pick(&[TextForm::Utf8, TextForm::Ascii, TextForm::Utf16]),
            source: &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
            atoms: &[random.below(3) as u32, random.below(4) as u32][..random.below(3)],
            shapes: &[[random.below(9) as u32, random.below(5) as u32]][..random.below(2)],
            names: &names,
            out_of_band: &[],
            mark_bytes: random.one_in(2),
        };
        out.clear();
        let options = EncodeOptions { max_size: 64, ..EncodeOptions::default() };
        let result = encoder.encode_term(tape, &options, &mut out);
        assert!(out.len() <= 64 + SLACK);
        assert!(result.is_err() || out.len() <= 64);
    }
}
