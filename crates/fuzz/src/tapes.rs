use backwater_etf::TapeRef;
use backwater_etf::tape::OUT_OF_BAND;

use crate::input::Input;

#[derive(Debug, Default)]
pub(crate) struct Tapes {
    pub(crate) words: Vec<u32>,
    floats: Vec<f64>,
    latin1: Vec<u8>,
    utf16: Vec<u16>,
    text: Vec<u8>,
    source: Vec<u8>,
    atoms: Vec<u32>,
    shapes: Vec<[u32; 2]>,
    names: Vec<u8>,
    out_of_band: Vec<Vec<u8>>,
    mark_bytes: bool,
}

/// Atom lengths, shapes, and the names of both.
type Names = (&'static [u32], &'static [[u32; 2]], &'static str);

const NAMES: &[Names] = &[
    (&[1, 1, 2], &[[2, 1], [4, 3], [5, 3]], "aé😀aa\0ba\0b"),
    (&[4, 5], &[[7, 5], [2, 3]], "€uroerrora\0b\0cabc"),
    (&[], &[[4, 3]], "a\0a"),
    (&[3], &[[6, 3]], "abca\0b"),
    (&[2], &[], "é"),
];

impl Tapes {
    pub(crate) fn read(input: &mut Input<'_>) -> Self {
        let form = input.byte();
        let mut this = Self {
            mark_bytes: form & 16 != 0,
            out_of_band: (0..16).map(|length| vec![length as u8; length]).collect(),
            ..Self::default()
        };
        this.read_parts(input);
        if form & 2 == 0 {
            let (atoms, shapes, names) = NAMES[input.below(NAMES.len())];
            (this.atoms, this.shapes, this.names) =
                (atoms.to_vec(), shapes.to_vec(), names.as_bytes().to_vec());
        } else {
            this.atoms = (0..input.below(4)).map(|_| input.byte().into()).collect();
            this.shapes =
                (0..input.below(4)).map(|_| [input.byte().into(), input.word()]).collect();
            this.names = input.chunk().to_vec();
        }
        if form & 1 == 0 {
            while !input.is_empty() {
                this.words.push(input.word());
            }
        } else {
            this.term(input, 0);
            if form & 128 != 0 {
                while !input.is_empty() {
                    this.words.push(input.word());
                }
            }
        }
        this
    }

    fn read_parts(&mut self, input: &mut Input<'_>) {
        self.floats = (0..input.below(8))
            .map(|_| match input.byte() {
                0 => f64::NAN,
                1 => f64::INFINITY,
                2 => -0.0,
                3 => 9_007_199_254_740_991.0,
                4 => -9_007_199_254_740_992.0,
                5 => 1e300,
                other => f64::from(other) * 1e7 - 1e9,
            })
            .collect();
        self.latin1 = input.chunk().to_vec();
        self.utf16 = input.chunk().iter().map(|byte| u16::from(*byte) << 8 | 0x61).collect();
        self.text = input.chunk().to_vec();
        self.source = input.chunk().to_vec();
    }

    pub(crate) fn size(&self) -> usize {
        self.words.len() * 4
            + self.latin1.len()
            + self.utf16.len() * 2
            + self.text.len()
            + self.source.len()
            + self.names.len()
            + self.floats.len() * 8
    }

    pub(crate) fn as_tape_ref(&self) -> TapeRef<'_> {
        TapeRef {
            words: &self.words,
            floats: &self.floats,
            latin1: &self.latin1,
            utf16: &self.utf16,
            text: &self.text,
            source: &self.source,
            atoms: &self.atoms,
            shapes: &self.shapes,
            names: &self.names,
            out_of_band: &self.out_of_band,
            mark_bytes: self.mark_bytes,
        }
    }

    fn word(&mut self, tag: u32, payload: usize) {
        self.words.push((payload as u32) << 4 | tag);
    }

    fn ext(&mut self, kind: u32, rest: usize) {
        self.words.push((rest as u32) << 8 | kind << 4 | 14);
    }

    fn terms(&mut self, input: &mut Input<'_>, count: usize, depth: u32) {
        for _ in 0..count {
            self.term(input, depth + 1);
        }
    }

    fn raw(&mut self, input: &mut Input<'_>, count: usize) {
        for _ in 0..count {
            self.words.push(input.word());
        }
    }

    fn byte_word(&mut self, input: &mut Input<'_>) {
        self.words.push(input.byte().into());
    }

    /// A byte holds the tag and the count.
    fn term(&mut self, input: &mut Input<'_>, depth: u32) {
        let head = input.byte();
        let (tag, count) = (u32::from(head & 15), usize::from(head >> 4));
        if depth > 100 || input.is_empty() {
            return self.word(0, count);
        }
        match tag {
            0 => self.words.push(input.word() & !15),
            2 => {
                self.word(2, count);
                let keys = self.shapes.get(count).map_or(0, |shape| shape[0] >> 1) as usize;
                self.terms(input, keys.min(64), depth);
            }
            3 | 7 => {
                self.word(tag, count);
                self.terms(input, count, depth);
            }
            8 | 13 => {
                self.word(tag, count);
                match (tag, input.byte()) {
                    // Out-of-band binaries, some missing or of a wrong length.
                    (8, 192..250) => self.words.push(OUT_OF_BAND | count as u32),
                    (8, wrong @ 250..) => self.words.push(OUT_OF_BAND | u32::from(wrong) - 240),
                    (_, start) => self.words.push(start.into()),
                }
            }
            10 => {
                self.word(10, count << 2);
                self.terms(input, 2 * count, depth);
            }
            12 => {
                self.word(12, (count + 1) << 1 | usize::from(count % 3 == 0));
                self.byte_word(input);
            }
            14 => self.extended(input, depth, count),
            4 | 11 => self.word(tag, 0),
            _ => self.word(tag, count),
        }
    }

    fn extended(&mut self, input: &mut Input<'_>, depth: u32, kind: usize) {
        let count = input.below(6);
        match kind {
            0 => {
                self.ext(0, count);
                self.terms(input, count + 1, depth);
            }
            1 => {
                self.ext(1, input.below(9));
                self.words.push(count as u32);
                self.byte_word(input);
            }
            2..=4 => {
                self.ext(kind as u32, if kind == 4 { count } else { 0 });
                self.words.push(input.byte().into());
                self.raw(input, if kind == 4 { count + 1 } else { 3 });
            }
            5 => {
                self.ext(5, usize::from(input.byte()));
                self.byte_word(input);
                self.byte_word(input);
            }
            6 => {
                self.ext(6, usize::from(input.byte()));
                self.words.push(count as u32);
                self.raw(input, 5);
                self.byte_word(input);
                if count == 5 {
                    return self.terms(input, count + 3, depth);
                }
                self.word(0, input.byte().into());
                self.word(0, input.byte().into());
                self.ext(2, 0);
                self.byte_word(input);
                self.raw(input, 3);
                self.terms(input, count, depth);
            }
            7 => {
                self.ext(7, count << 2);
                let keys = self.shapes.get(count).map_or(0, |shape| shape[0] >> 1) as usize;
                self.terms(input, keys.min(64), depth);
                let pairs = input.below(5);
                self.words.push(pairs as u32);
                self.terms(input, 2 * pairs, depth);
            }
            8 | 9 => {
                self.ext(kind as u32, 0);
                self.byte_word(input);
                self.term(input, depth + 1);
            }
            // INLINE
            10 => {
                let count = usize::from(input.byte() >> 2);
                self.ext(10, count);
                for _ in 0..count.div_ceil(4) {
                    let letters = input.word();
                    self.words.push(if count % 7 == 6 { letters } else { letters & 0x7f7f_7f7f });
                }
            }
            // TEXT_FORM
            11 => {
                self.ext(11, count);
                self.byte_word(input);
                self.term(input, depth + 1);
            }
            // DOUBLES and WIDE_TEXT
            12 | 13 => self.ext(kind as u32, count),
            _ => self.words.push(input.word()),
        }
    }
}
