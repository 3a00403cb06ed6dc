//! Tape → external term format.

use std::collections::HashSet;

use encoding_rs::mem;

use crate::atoms::MAX_CHARS;
use crate::error::{EncodeError, EncodeErrorKind as Kind};
use crate::hash::TermHasher;
use crate::reader::Reader;
use crate::tape::{self, OUT_OF_BAND, SHAPE_LENGTH, TapeRef};
use crate::term::{self, Term};
use crate::write::{self, header};
use crate::{EncodeOptions, tags};

const MAX_STRING: usize = 65_535;
const WHOLE_BYTES: u8 = 8;
/// JavaScript's `Number.MAX_SAFE_INTEGER`.
const MAX_SAFE: f64 = 9_007_199_254_740_991.0;

/// Encodes terms. Keeps its scratch memory between messages.
#[derive(Default)]
pub struct Encoder {
    frames: Vec<Frame>,
    atoms: Vec<(u32, u32)>,
    keys: Vec<u8>,
    key_starts: Vec<u32>,
    /// Where the keys of each shape start in `key_starts`.
    shapes: Vec<u32>,
    key_ranges: Vec<(usize, usize)>,
    units: Vec<u16>,
    /// The names that fill the fields above. The next message often has the same ones.
    made_of: Names,
}

/// The place of an out-of-band binary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Where its bytes belong in `out`.
    pub at: usize,
    pub index: u32,
    /// In bytes.
    pub length: usize,
}

#[derive(Default)]
struct Names {
    atoms: Vec<u32>,
    shapes: Vec<[u32; 2]>,
    names: Vec<u8>,
    known: bool,
}

impl Names {
    const MOST: usize = 4096;

    fn are_those_of(&self, tape: &TapeRef<'_>) -> bool {
        self.known
            && self.names == tape.names
            && self.atoms == tape.atoms
            && self.shapes == tape.shapes
    }

    fn remember(&mut self, tape: &TapeRef<'_>) {
        self.forget();
        if tape.names.len() <= Self::MOST {
            self.atoms.extend_from_slice(tape.atoms);
            self.shapes.extend_from_slice(tape.shapes);
            self.names.extend_from_slice(tape.names);
            self.known = true;
        }
    }

    fn forget(&mut self) {
        self.known = false;
        self.atoms.clear();
        self.shapes.clear();
        self.names.clear();
    }
}

#[derive(Clone, Copy)]
struct Frame {
    kind: Container,
    left: u32,
    count: u32,
    /// The next key of an object, or the first of a map's key ranges.
    aux: usize,
    at_key: bool,
    start: usize,
    is_read_again: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Container {
    List,
    Terms,
    Object,
    Mixed,
    Map,
    Fun,
}

impl Encoder {
    /// Appends the term to `out`, without a version byte. After an error, `out` is garbage.
    pub fn encode_term(
        &mut self,
        tape: TapeRef<'_>,
        options: &EncodeOptions,
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        self.encode(tape, options, out, None)
    }

    /// Like [`Encoder::encode_term`], but leaves out the bytes of out-of-band binaries, which still
    /// count, and appends their places to `gaps`. Map keys and terms of funs must not be out of
    /// band.
    pub fn encode_around(
        &mut self,
        tape: TapeRef<'_>,
        options: &EncodeOptions,
        out: &mut Vec<u8>,
        gaps: &mut Vec<Gap>,
    ) -> Result<(), EncodeError> {
        self.encode(tape, options, out, Some(gaps))
    }

    /// Appends the items of a proper list, other than DOUBLES. `options` limit each item.
    /// `after_item` may also append to `out`.
    pub fn encode_items(
        &mut self,
        tape: TapeRef<'_>,
        options: &EncodeOptions,
        out: &mut Vec<u8>,
        after_item: &mut dyn FnMut(&mut Vec<u8>),
    ) -> Result<(), EncodeError> {
        let mut run = self.run(tape, options, out, None)?;
        run.items(after_item).map_err(|error| match error.kind {
            Kind::TooLarge(_) => EncodeError { kind: Kind::TooLarge(options.max_size), ..error },
            _ => error,
        })?;
        run.end()
    }

    fn encode(
        &mut self,
        tape: TapeRef<'_>,
        options: &EncodeOptions,
        out: &mut Vec<u8>,
        gaps: Option<&mut Vec<Gap>>,
    ) -> Result<(), EncodeError> {
        let mut run = self.run(tape, options, out, gaps)?;
        run.term()?;
        run.end()
    }

    fn run<'a>(
        &'a mut self,
        tape: TapeRef<'a>,
        options: &'a EncodeOptions,
        out: &'a mut Vec<u8>,
        gaps: Option<&'a mut Vec<Gap>>,
    ) -> Result<Run<'a>, EncodeError> {
        self.frames.clear();
        self.frames.shrink_to(4096);
        self.key_ranges.clear();
        self.key_ranges.shrink_to(4096);
        self.units.clear();
        self.units.shrink_to(4096);
        self.read_names(&tape)?;
        Ok(Run {
            tape,
            text_is_ascii: false,
            max_size: options.max_size,
            options,
            out,
            word: 0,
            float: 0,
            latin1: 0,
            utf16: 0,
            text: 0,
            wide: 0,
            left_out: 0,
            keys_are_marked: false,
            gaps,
            scratch: self,
        })
    }

    fn read_names(&mut self, tape: &TapeRef<'_>) -> Result<(), EncodeError> {
        let fail = |kind| EncodeError { kind, word: 0 };
        if self.made_of.are_those_of(tape) {
            return Ok(());
        }
        self.made_of.forget();
        self.atoms.clear();
        self.keys.clear();
        self.key_starts.clear();
        self.shapes.clear();
        if tape.atoms.is_empty() && tape.shapes.is_empty() {
            return Ok(());
        }
        let names = std::str::from_utf8(tape.names).map_err(|_| fail(Kind::Atom))?;
        let mut at = 0;
        for units in tape.atoms {
            let length = utf8_length(&names.as_bytes()[at..], *units as usize)
                .ok_or_else(|| fail(Kind::Atom))?;
            let name = names.get(at..at + length).ok_or_else(|| fail(Kind::Atom))?;
            if length > MAX_CHARS && name.chars().count() > MAX_CHARS {
                return Err(fail(Kind::Atom));
            }
            self.atoms.push((at as u32, (at + length) as u32));
            at += length;
        }
        for [head, length] in tape.shapes {
            let joined = at
                .checked_add((*length & SHAPE_LENGTH) as usize)
                .and_then(|end| tape.names.get(at..end))
                .ok_or_else(|| fail(Kind::Shape))?;
            self.add_shape(joined, head >> 1, head & 1 == 0).ok_or_else(|| fail(Kind::Shape))?;
            at += joined.len();
        }
        self.made_of.remember(tape);
        Ok(())
    }

    fn add_shape(&mut self, joined: &[u8], count: u32, atoms: bool) -> Option<()> {
        if !joined.is_ascii() {
            return None;
        }
        self.shapes.push(self.key_starts.len() as u32);
        let first = self.key_starts.len();
        let mut seen = 0;
        for key in joined.split(|byte| *byte == 0) {
            seen += 1;
            if key.is_empty() || key.len() > 255 || seen > count || seen > 64 {
                return None;
            }
            self.key_starts.push(self.keys.len() as u32);
            if atoms {
                self.keys.extend([tags::SMALL_ATOM_UTF8, key.len() as u8]);
            } else {
                self.keys.extend([tags::BINARY, 0, 0, 0, key.len() as u8]);
            }
            self.keys.extend_from_slice(key);
        }
        self.key_starts.push(self.keys.len() as u32);
        let starts = &self.key_starts[first..];
        let key = |index: usize| &self.keys[starts[index] as usize..starts[index + 1] as usize];
        let keys = starts.len() - 1;
        let repeated = (0..keys).any(|a| (0..a).any(|b| key(a) == key(b)));
        (seen == count && !repeated).then_some(())
    }

    fn shape_size(&self, shape: usize) -> Option<(usize, usize)> {
        let first = *self.shapes.get(shape)? as usize;
        let next = self.shapes.get(shape + 1).map_or(self.key_starts.len(), |next| *next as usize);
        Some((first, next - first - 1))
    }
}

/// `None` if a character would be split.
fn utf8_length(bytes: &[u8], units: usize) -> Option<usize> {
    if bytes.get(..units)?.is_ascii() {
        return Some(units);
    }
    let mut at = 0;
    let mut left = units;
    while left > 0 {
        let (length, width) = match *bytes.get(at)? {
            0..=0x7f => (1, 1),
            0x80..=0xdf => (2, 1),
            0xe0..=0xef => (3, 1),
            0xf0.. => (4, 2),
        };
        left = left.checked_sub(width)?;
        at += length;
    }
    (at <= bytes.len()).then_some(at)
}

/// Half of a surrogate pair counts as two bytes.
fn utf8_width(unit: u16) -> usize {
    match unit {
        0..=0x7f => 1,
        0x80..=0x7ff | 0xd800..=0xdfff => 2,
        _ => 3,
    }
}

#[inline]
fn is_ascii(packed: &[u32]) -> bool {
    packed.iter().fold(0, |all, word| all | word) & 0x8080_8080 == 0
}

fn has_repeated_key(out: &[u8], ranges: &[(usize, usize)]) -> bool {
    let key = |index: usize| &out[ranges[index].0..ranges[index].1];
    if ranges.len() <= 8 {
        return (0..ranges.len()).any(|a| (0..a).any(|b| key(a) == key(b)));
    }
    // Sorted keys need no table, and JavaScript sorts the numeric keys of objects.
    if (1..ranges.len()).all(|index| key(index - 1) < key(index)) {
        return false;
    }
    let mut seen = HashSet::with_capacity_and_hasher(ranges.len(), TermHasher::default());
    !ranges.iter().all(|(start, end)| seen.insert(&out[*start..*end]))
}

/// Rewrites marked binaries as BINARY_EXT, because Erlang considers both forms equal.
fn without_marks(out: &[u8], ranges: &[(usize, usize)]) -> (Vec<u8>, Vec<(usize, usize)>) {
    let mut keys = Vec::new();
    let mut copied = Vec::with_capacity(ranges.len());
    for &(start, end) in ranges {
        let key = keys.len();
        let mut reader = Reader { input: &out[..end], at: start };
        while reader.at < end {
            let from = reader.at;
            let Ok(term) = term::read(&mut reader) else { break };
            if let Term::Binary(bytes) = term {
                header(&mut keys, tags::BINARY, bytes.len() as u32);
                keys.extend_from_slice(bytes);
            } else {
                keys.extend_from_slice(&out[from..reader.at]);
            }
        }
        copied.push((key, keys.len()));
    }
    (keys, copied)
}

struct Run<'a> {
    tape: TapeRef<'a>,
    text_is_ascii: bool,
    options: &'a EncodeOptions,
    max_size: usize,
    out: &'a mut Vec<u8>,
    word: usize,
    float: usize,
    latin1: usize,
    utf16: usize,
    text: usize,
    wide: usize,
    left_out: usize,
    keys_are_marked: bool,
    gaps: Option<&'a mut Vec<Gap>>,
    scratch: &'a mut Encoder,
}

impl<'a> Run<'a> {
    fn fail<T>(&self, kind: Kind) -> Result<T, EncodeError> {
        Err(EncodeError { kind, word: self.word })
    }

    fn next(&mut self) -> Result<u32, EncodeError> {
        match self.tape.words.get(self.word) {
            Some(word) => {
                self.word += 1;
                Ok(*word)
            }
            None => self.fail(Kind::Truncated),
        }
    }

    fn end(&self) -> Result<(), EncodeError> {
        if self.word == self.tape.words.len() { Ok(()) } else { self.fail(Kind::Trailing) }
    }

    fn items(&mut self, after_item: &mut dyn FnMut(&mut Vec<u8>)) -> Result<(), EncodeError> {
        let max_size = self.options.max_size;
        let head = self.next()?;
        let payload = head >> 4;
        match head & 15 {
            tape::LIST if payload > 0 => {
                for _ in 0..payload {
                    self.max_size = self.out.len().saturating_add(max_size);
                    self.term()?;
                    after_item(self.out);
                }
            }
            tape::BYTELIST if payload > 0 => {
                self.max_size = usize::MAX;
                for byte in self.source(payload as usize)? {
                    self.max_size = self.out.len().saturating_add(max_size);
                    self.room(2)?;
                    write::integer(self.out, i64::from(*byte));
                    after_item(self.out);
                }
            }
            tape::CONST if payload == tape::EMPTY_LIST => {}
            _ => return self.fail(Kind::Word(head)),
        }
        Ok(())
    }

    fn term(&mut self) -> Result<(), EncodeError> {
        loop {
            if self.size() > self.max_size {
                return self.fail(Kind::TooLarge(self.max_size));
            }
            self.plain_items();
            if !self.write()? {
                continue;
            }
            loop {
                let Some(frame) = self.scratch.frames.last_mut() else {
                    return if self.size() > self.max_size {
                        self.fail(Kind::TooLarge(self.max_size))
                    } else {
                        Ok(())
                    };
                };
                if frame.kind == Container::Map && frame.at_key {
                    frame.at_key = false;
                    let range = (frame.start, self.out.len());
                    self.scratch.key_ranges.push(range);
                    break;
                }
                frame.left -= 1;
                if frame.left > 0 {
                    self.before_next();
                    break;
                }
                if self.close()? {
                    break;
                }
            }
        }
    }

    /// Fast path, which leaves anything unusual to `write`.
    fn plain_items(&mut self) {
        let Some(frame) = self.scratch.frames.last() else { return };
        let (mut left, mut key) = (frame.left, frame.aux);
        let keyed = match frame.kind {
            Container::List | Container::Terms => false,
            Container::Object => true,
            Container::Map => return self.plain_pairs(),
            Container::Mixed | Container::Fun => return,
        };
        while left > 1 && self.size() <= self.max_size && self.plain() {
            left -= 1;
            if keyed {
                let start = self.scratch.key_starts[key] as usize;
                let end = self.scratch.key_starts[key + 1] as usize;
                key += 1;
                self.out.extend_from_slice(&self.scratch.keys[start..end]);
            }
        }
        if let Some(frame) = self.scratch.frames.last_mut() {
            (frame.left, frame.aux) = (left, key);
        }
    }

    fn plain_pairs(&mut self) {
        let Some(frame) = self.scratch.frames.last() else { return };
        let (mut left, mut at_key, mut start) = (frame.left, frame.at_key, frame.start);
        while left > 1 && self.size() <= self.max_size && self.plain() {
            if at_key {
                self.scratch.key_ranges.push((start, self.out.len()));
            } else {
                left -= 1;
                start = self.out.len();
            }
            at_key = !at_key;
        }
        if let Some(frame) = self.scratch.frames.last_mut() {
            (frame.left, frame.at_key, frame.start) = (left, at_key, start);
        }
    }

    /// Writes a frequent leaf; returns false for other terms.
    #[inline]
    fn plain(&mut self) -> bool {
        let Some(head) = self.tape.words.get(self.word) else { return false };
        let payload = head >> 4;
        match head & 15 {
            tape::INT => write::integer(self.out, i64::from(*head as i32 >> 4)),
            tape::TEXT if self.text_is_ascii => {
                let end = self.text + payload as usize;
                let Some(bytes) = self.tape.text.get(self.text..end) else { return false };
                if self.room(bytes.len()).is_err() {
                    return false;
                }
                self.text = end;
                self.put_binary(bytes);
            }
            tape::EXT if payload & 15 == tape::INLINE => {
                let count = payload as usize >> 4;
                let words = self.tape.words;
                let start = self.word + 1;
                let Some(packed) = words.get(start..start + count.div_ceil(4)) else {
                    return false;
                };
                if !is_ascii(packed) || self.room(count).is_err() {
                    return false;
                }
                self.put_inline(packed, count);
                self.word += packed.len();
            }
            tape::FLOAT => {
                let Some(value) = self.tape.floats.get(self.float) else { return false };
                if payload != 0 || !value.is_finite() {
                    return false;
                }
                self.float += 1;
                write::float(self.out, *value);
            }
            tape::CONST => match payload {
                tape::FALSE => write::atom(self.out, b"false"),
                tape::TRUE => write::atom(self.out, b"true"),
                tape::NIL => write::atom(self.out, b"nil"),
                _ => return false,
            },
            tape::ATOM => {
                return self.atom(payload).is_ok_and(|()| {
                    self.word += 1;
                    true
                });
            }
            tape::EXT if payload & 15 == tape::DOUBLES => {
                return self.doubles(payload as usize >> 4).is_ok_and(|()| {
                    self.word += 1;
                    true
                });
            }
            _ => return false,
        }
        self.word += 1;
        true
    }

    fn before_next(&mut self) {
        let Some(frame) = self.scratch.frames.last_mut() else { return };
        match frame.kind {
            Container::Object | Container::Mixed => {
                let start = self.scratch.key_starts[frame.aux] as usize;
                let end = self.scratch.key_starts[frame.aux + 1] as usize;
                frame.aux += 1;
                self.out.extend_from_slice(&self.scratch.keys[start..end]);
            }
            Container::Map => {
                frame.at_key = true;
                frame.start = self.out.len();
            }
            _ => {}
        }
    }

    /// True if the container continues.
    fn close(&mut self) -> Result<bool, EncodeError> {
        let Some(frame) = self.scratch.frames.pop() else { return Ok(false) };
        match frame.kind {
            Container::List => self.out.push(tags::NIL),
            Container::Map => {
                let ranges = &self.scratch.key_ranges[frame.aux..];
                let repeated = if self.keys_are_marked {
                    let (keys, ranges) = without_marks(self.out, ranges);
                    has_repeated_key(&keys, &ranges)
                } else {
                    has_repeated_key(self.out, ranges)
                };
                if repeated {
                    return self.fail(Kind::DuplicateKey);
                }
                self.scratch.key_ranges.truncate(frame.aux);
            }
            Container::Fun => {
                let size = (self.out.len() - frame.start) as u32;
                self.out[frame.start..frame.start + 4].copy_from_slice(&size.to_be_bytes());
            }
            Container::Mixed => {
                let pairs = self.next()?;
                let Some(count) = frame.count.checked_add(pairs) else {
                    return self.fail(Kind::Shape);
                };
                self.out[frame.start..frame.start + 4].copy_from_slice(&count.to_be_bytes());
                if pairs > 0 {
                    let aux = self.scratch.key_ranges.len();
                    self.open(Container::Map, pairs, aux, 0)?;
                    return Ok(true);
                }
            }
            Container::Terms | Container::Object => {}
        }
        Ok(false)
    }

    fn open(
        &mut self,
        kind: Container,
        left: u32,
        aux: usize,
        start: usize,
    ) -> Result<bool, EncodeError> {
        if self.scratch.frames.len() as u32 >= self.options.max_depth {
            return self.fail(Kind::Depth(self.options.max_depth));
        }
        // Each term takes at least one word.
        if left as usize > self.tape.words.len() - self.word {
            return self.fail(Kind::Truncated);
        }
        let is_read_again = self.is_read_again();
        self.scratch.frames.push(Frame {
            kind,
            left,
            count: left,
            aux,
            at_key: false,
            start,
            is_read_again,
        });
        self.before_next();
        Ok(false)
    }

    fn write(&mut self) -> Result<bool, EncodeError> {
        let head = self.next()?;
        let payload = head >> 4;
        match head & 15 {
            tape::INT => write::integer(self.out, i64::from(head as i32 >> 4)),
            tape::TEXT8 => return self.text8(payload as usize).map(|()| true),
            tape::TEXT16 => return self.text16(payload as usize).map(|()| true),
            tape::TEXT => return self.text(payload as usize).map(|()| true),
            tape::OBJECT => {
                let Some((first, count)) = self.scratch.shape_size(payload as usize) else {
                    return self.fail(Kind::Shape);
                };
                header(self.out, tags::MAP, count as u32);
                return self.open(Container::Object, count as u32, first, 0);
            }
            tape::LIST if payload > 0 => return self.list(payload),
            tape::FLOAT if payload == 0 => {
                let value = self.float()?;
                if !value.is_finite() {
                    return self.fail(Kind::Number);
                }
                write::float(self.out, value);
            }
            tape::CONST => match payload {
                tape::FALSE => write::atom(self.out, b"false"),
                tape::TRUE => write::atom(self.out, b"true"),
                tape::NIL => write::atom(self.out, b"nil"),
                tape::UNDEFINED => write::atom(self.out, b"undefined"),
                tape::EMPTY_LIST => self.out.push(tags::NIL),
                tape::EMPTY_TEXT => header(self.out, tags::BINARY, 0),
                tape::EMPTY_MAP => header(self.out, tags::MAP, 0),
                _ => return self.fail(Kind::Word(head)),
            },
            tape::ATOM => self.atom(payload)?,
            tape::TUPLE => {
                if payload < 256 {
                    self.out.extend([tags::SMALL_TUPLE, payload as u8]);
                } else {
                    header(self.out, tags::LARGE_TUPLE, payload);
                }
                return if payload == 0 {
                    Ok(true)
                } else {
                    self.open(Container::Terms, payload, 0, 0)
                };
            }
            tape::BYTES => {
                if !self.leave_out(payload as usize)? {
                    let bytes = self.source(payload as usize)?;
                    self.bytes_header(bytes.len());
                    self.out.extend_from_slice(bytes);
                }
            }
            tape::MAP => {
                let count = payload >> 2;
                header(self.out, tags::MAP, count);
                let aux = self.scratch.key_ranges.len();
                return if count == 0 {
                    Ok(true)
                } else {
                    self.open(Container::Map, count, aux, 0)
                };
            }
            tape::WIDE if payload == 0 => {
                let value = self.float()?;
                if value.abs() > MAX_SAFE || value.trunc() != value {
                    return self.fail(Kind::Number);
                }
                write::integer(self.out, value as i64);
            }
            tape::BIG if payload > 1 => {
                let digits = self.source(payload as usize >> 1)?;
                self.big(digits, payload & 1 == 1)?;
            }
            tape::BYTELIST if payload > 0 => {
                let bytes = self.source(payload as usize)?;
                self.byte_list(bytes.iter().copied(), bytes.len())?;
            }
            tape::EXT => return self.extended(head),
            _ => return self.fail(Kind::Word(head)),
        }
        Ok(true)
    }

    fn bytes_header(&mut self, length: usize) {
        if length == 0 || !self.tape.mark_bytes {
            header(self.out, tags::BINARY, length as u32);
            return;
        }
        self.keys_are_marked |= self.is_read_again();
        header(self.out, tags::BIT_BINARY, length as u32);
        self.out.push(WHOLE_BYTES);
    }

    /// Map keys are compared later, and funs are measured.
    fn is_read_again(&self) -> bool {
        self.scratch.frames.last().is_some_and(|frame| {
            frame.is_read_again
                || frame.kind == Container::Fun
                || frame.kind == Container::Map && frame.at_key
        })
    }

    fn put_binary(&mut self, bytes: &[u8]) {
        self.out.reserve(5 + bytes.len());
        header(self.out, tags::BINARY, bytes.len() as u32);
        self.out.extend_from_slice(bytes);
    }

    fn big(&mut self, mut digits: &[u8], negative: bool) -> Result<(), EncodeError> {
        while let [rest @ .., 0] = digits {
            digits = rest;
        }
        if digits.len() <= 7 {
            let value = digits.iter().rev().fold(0, |value, digit| value << 8 | i64::from(*digit));
            write::integer(self.out, if negative { -value } else { value });
            return Ok(());
        }
        self.room(digits.len())?;
        write::big(self.out, digits, negative);
        Ok(())
    }

    fn size(&self) -> usize {
        self.out.len() + self.left_out
    }

    fn leave_out(&mut self, length: usize) -> Result<bool, EncodeError> {
        let Some(&start) = self.tape.words.get(self.word) else { return Ok(false) };
        if start & OUT_OF_BAND == 0 || self.gaps.is_none() {
            return Ok(false);
        }
        self.room(length)?;
        if self.is_read_again() {
            return self.fail(Kind::Word(start));
        }
        self.word += 1;
        self.bytes_header(length);
        let gap = Gap { at: self.out.len(), index: start & !OUT_OF_BAND, length };
        self.left_out += length;
        if let Some(gaps) = &mut self.gaps {
            gaps.push(gap);
        }
        Ok(true)
    }

    fn room(&self, count: usize) -> Result<(), EncodeError> {
        if self.size().saturating_add(count) > self.max_size {
            return self.fail(Kind::TooLarge(self.max_size));
        }
        Ok(())
    }

    fn float(&mut self) -> Result<f64, EncodeError> {
        match self.tape.floats.get(self.float) {
            Some(value) => {
                self.float += 1;
                Ok(*value)
            }
            None => self.fail(Kind::Truncated),
        }
    }

    fn source(&mut self, count: usize) -> Result<&'a [u8], EncodeError> {
        let start = self.next()?;
        self.room(count)?;
        if start & OUT_OF_BAND != 0 {
            return match self.tape.out_of_band.get((start & !OUT_OF_BAND) as usize) {
                Some(bytes) if bytes.len() == count => Ok(bytes),
                _ => self.fail(Kind::Truncated),
            };
        }
        let start = start as usize;
        let source = self.tape.source;
        match start.checked_add(count).and_then(|end| source.get(start..end)) {
            Some(bytes) => Ok(bytes),
            None => self.fail(Kind::Truncated),
        }
    }

    fn atom(&mut self, index: u32) -> Result<(), EncodeError> {
        let Some((start, end)) = self.scratch.atoms.get(index as usize).copied() else {
            return self.fail(Kind::Atom);
        };
        write::atom(self.out, &self.tape.names[start as usize..end as usize]);
        Ok(())
    }

    fn text8(&mut self, count: usize) -> Result<(), EncodeError> {
        let latin1 = self.tape.latin1;
        let Some(bytes) =
            self.latin1.checked_add(count).and_then(|end| latin1.get(self.latin1..end))
        else {
            return self.fail(Kind::Truncated);
        };
        self.latin1 += count;
        let length = count + bytes.iter().filter(|byte| !byte.is_ascii()).count();
        self.room(length)?;
        if length == count {
            self.put_binary(bytes);
        } else {
            header(self.out, tags::BINARY, length as u32);
            let start = self.out.len();
            self.out.resize(start + length, 0);
            mem::convert_latin1_to_utf8_partial(bytes, &mut self.out[start..]);
        }
        Ok(())
    }

    fn text16(&mut self, count: usize) -> Result<(), EncodeError> {
        let utf16 = self.tape.utf16;
        let Some(units) = self.utf16.checked_add(count).and_then(|end| utf16.get(self.utf16..end))
        else {
            return self.fail(Kind::Truncated);
        };
        self.utf16 += count;
        self.put_utf16(units)
    }

    fn put_utf16(&mut self, units: &[u16]) -> Result<(), EncodeError> {
        if mem::utf16_valid_up_to(units) != units.len() {
            return self.fail(Kind::Text);
        }
        let most = units.len() * 3;
        let length = match self.room(most) {
            Ok(()) => most,
            Err(_) => units.iter().copied().map(utf8_width).sum(),
        };
        self.room(length)?;
        header(self.out, tags::BINARY, 0);
        let start = self.out.len();
        self.out.resize(start + length, 0);
        let (_, written) = mem::convert_utf16_to_utf8_partial(units, &mut self.out[start..]);
        self.out.truncate(start + written);
        self.out[start - 4..start].copy_from_slice(&(written as u32).to_be_bytes());
        Ok(())
    }

    fn text(&mut self, units: usize) -> Result<(), EncodeError> {
        let rest = &self.tape.text[self.text.min(self.tape.text.len())..];
        let length = if self.text_is_ascii { Some(units) } else { utf8_length(rest, units) };
        let Some(length) = length else { return self.fail(Kind::Text) };
        let Some(bytes) = rest.get(..length) else { return self.fail(Kind::Truncated) };
        self.text += length;
        self.room(length)?;
        self.put_binary(bytes);
        Ok(())
    }

    fn wide_text(&mut self, units: usize) -> Result<(), EncodeError> {
        let end = units.checked_mul(2).and_then(|size| self.wide.checked_add(size));
        let Some(bytes) = end.and_then(|end| self.tape.text.get(self.wide..end)) else {
            return self.fail(Kind::Truncated);
        };
        self.wide += bytes.len();
        self.room(bytes.len() / 2)?;
        let mut units = std::mem::take(&mut self.scratch.units);
        units.clear();
        units.extend(bytes.as_chunks().0.iter().map(|unit| u16::from_ne_bytes(*unit)));
        let result = self.put_utf16(&units);
        self.scratch.units = units;
        result
    }

    fn list(&mut self, count: u32) -> Result<bool, EncodeError> {
        let items = self.tape.words.get(self.word..self.word.saturating_add(count as usize));
        // Integers from 0 to 255 have words up to 0xff0.
        let is_byte = |word: &u32| *word <= 0xff0 && *word & 15 == tape::INT;
        if let Some(items) = items
            && count as usize <= MAX_STRING
            && items.iter().all(is_byte)
        {
            self.word += items.len();
            self.byte_list(items.iter().map(|word| (word >> 4) as u8), items.len())?;
            return Ok(true);
        }
        header(self.out, tags::LIST, count);
        self.open(Container::List, count, 0, 0)
    }

    fn byte_list(
        &mut self,
        bytes: impl Iterator<Item = u8>,
        count: usize,
    ) -> Result<(), EncodeError> {
        if count <= MAX_STRING {
            self.room(count)?;
            let [high, low] = (count as u16).to_be_bytes();
            self.out.extend([tags::STRING, high, low]);
            self.out.extend(bytes);
        } else {
            self.room(count.saturating_mul(2))?;
            header(self.out, tags::LIST, count as u32);
            for byte in bytes {
                self.out.extend([tags::SMALL_INTEGER, byte]);
            }
            self.out.push(tags::NIL);
        }
        Ok(())
    }

    #[inline]
    fn put_inline(&mut self, words: &[u32], count: usize) {
        self.out.reserve(5 + words.len() * 4);
        header(self.out, tags::BINARY, count as u32);
        let end = self.out.len() + count;
        for word in words {
            self.out.extend_from_slice(&word.to_le_bytes());
        }
        self.out.truncate(end);
    }

    fn doubles(&mut self, count: usize) -> Result<(), EncodeError> {
        let floats = self.tape.floats;
        let Some(doubles) = floats.get(self.float..self.float.saturating_add(count)) else {
            return self.fail(Kind::Truncated);
        };
        if count == 0 || !doubles.iter().all(|value| value.is_finite()) {
            return self.fail(Kind::Number);
        }
        if self.scratch.frames.len() as u32 >= self.options.max_depth {
            return self.fail(Kind::Depth(self.options.max_depth));
        }
        self.room(6 + 9 * count)?;
        self.out.reserve(6 + 9 * count);
        header(self.out, tags::LIST, count as u32);
        for value in doubles {
            write::float(self.out, *value);
        }
        self.out.push(tags::NIL);
        self.float += count;
        Ok(())
    }

    fn inline(&mut self, count: usize) -> Result<(), EncodeError> {
        let start = self.word;
        let Some(packed) = self.tape.words.get(start..start + count.div_ceil(4)) else {
            return self.fail(Kind::Truncated);
        };
        if !is_ascii(packed) {
            return self.fail(Kind::Text);
        }
        self.word += packed.len();
        self.room(count)?;
        self.put_inline(packed, count);
        Ok(())
    }

    fn extended(&mut self, head: u32) -> Result<bool, EncodeError> {
        let rest = head >> 8;
        match head >> 4 & 15 {
            tape::INLINE => self.inline(rest as usize)?,
            tape::DOUBLES if rest > 0 => self.doubles(rest as usize)?,
            tape::WIDE_TEXT => self.wide_text(rest as usize)?,
            tape::TEXT_FORM => {
                let start = self.next()? as usize;
                match rest {
                    tape::TEXT_UTF8 => (self.text_is_ascii, self.text) = (false, start),
                    tape::TEXT_ASCII => (self.text_is_ascii, self.text) = (true, start),
                    tape::TEXT_UTF16 => self.wide = start,
                    _ => return self.fail(Kind::Word(head)),
                }
                return Ok(false);
            }
            tape::IMPROPER if rest > 0 => {
                header(self.out, tags::LIST, rest);
                return self.open(Container::Terms, rest + 1, 0, 0);
            }
            tape::BITSTRING if (1..=7).contains(&rest) => {
                let count = self.next()?;
                let bytes = self.source(count as usize)?;
                let [start @ .., last] = bytes else { return self.fail(Kind::Word(head)) };
                header(self.out, tags::BIT_BINARY, count);
                self.out.push(rest as u8);
                self.out.extend_from_slice(start);
                self.out.push(last & 0xff << (8 - rest));
            }
            tape::PID => {
                self.out.push(tags::NEW_PID);
                let node = self.next()?;
                self.atom(node)?;
                self.raw(3)?;
            }
            tape::PORT => {
                let node = self.next()?;
                let (high, low) = (self.next()?, self.next()?);
                // 28-bit ids fit NEW_PORT_EXT.
                let narrow = high == 0 && low < 1 << 28;
                self.out.push(if narrow { tags::NEW_PORT } else { tags::V4_PORT });
                self.atom(node)?;
                if !narrow {
                    self.out.extend(high.to_be_bytes());
                }
                self.out.extend(low.to_be_bytes());
                self.raw(1)?;
            }
            tape::REFERENCE if (1..=5).contains(&rest) => {
                self.out.extend([tags::NEWER_REFERENCE, 0, rest as u8]);
                let node = self.next()?;
                self.atom(node)?;
                self.raw(1 + rest)?;
            }
            tape::EXTFUN if rest <= 255 => {
                self.out.push(tags::EXPORT);
                let module = self.next()?;
                self.atom(module)?;
                let name = self.next()?;
                self.atom(name)?;
                self.out.extend([tags::SMALL_INTEGER, rest as u8]);
            }
            tape::FUN if rest <= 255 => {
                let free = self.next()?;
                self.out.push(tags::NEW_FUN);
                let size_at = self.out.len();
                self.out.extend([0, 0, 0, 0, rest as u8]);
                self.raw(5)?;
                self.out.extend(free.to_be_bytes());
                let module = self.next()?;
                self.atom(module)?;
                let Some(count) = free.checked_add(3) else { return self.fail(Kind::Word(head)) };
                self.check_fun_terms()?;
                return self.open(Container::Fun, count, 0, size_at);
            }
            tape::NATIVE_RECORD => return self.native_record(rest),
            tape::MIXED => return self.mixed(head),
            tape::NEXT_PART => return Ok(false),
            tape::NEXT8 | tape::NEXT16 => {
                self.next()?;
                return Ok(false);
            }
            _ => return self.fail(Kind::Word(head)),
        }
        Ok(true)
    }

    fn native_record(&mut self, count: u32) -> Result<bool, EncodeError> {
        if count > tape::MAX_FIELDS {
            return self.fail(Kind::Fields(tape::MAX_FIELDS));
        }
        let flags = self.next()?;
        header(self.out, tags::NATIVE_RECORD, count);
        self.out.push((flags & 1) as u8);
        for _ in 0..count + 2 {
            let name = self.next()?;
            self.atom(name)?;
        }
        if count == 0 { Ok(true) } else { self.open(Container::Terms, count, 0, 0) }
    }

    /// OTP 25 crashes unless the old index and old uniq are integers and the creator is a pid.
    fn check_fun_terms(&self) -> Result<(), EncodeError> {
        let Some([index, uniq, creator]) =
            self.tape.words.get(self.word..).and_then(|rest| rest.first_chunk())
        else {
            return self.fail(Kind::Truncated);
        };
        let mut floats = self.tape.floats.get(self.float..).unwrap_or_default().iter();
        let mut is_integer = |word: u32| match word & 15 {
            tape::INT => true,
            tape::WIDE => floats.next().is_some_and(|value| f64::from(*value as i32) == *value),
            _ => false,
        };
        let is_pid = creator & 0xff == tape::ext(tape::PID, 0);
        if is_integer(*index) && is_integer(*uniq) && is_pid {
            Ok(())
        } else {
            self.fail(Kind::Fun)
        }
    }

    fn raw(&mut self, count: u32) -> Result<(), EncodeError> {
        for _ in 0..count {
            let word = self.next()?;
            self.out.extend(word.to_be_bytes());
        }
        Ok(())
    }

    fn mixed(&mut self, head: u32) -> Result<bool, EncodeError> {
        let Some((first, count)) = self.scratch.shape_size((head >> 10) as usize) else {
            return self.fail(Kind::Shape);
        };
        header(self.out, tags::MAP, 0);
        let count_at = self.out.len() - 4;
        self.open(Container::Mixed, count as u32, first, count_at)
    }
}
