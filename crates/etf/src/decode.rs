//! External term format → tape.

use std::borrow::Cow;
use std::hash::Hash;

use crate::atoms::{AtomTable, check_known, read_name};
use crate::collisions;
use crate::error::{DecodeError, DecodeErrorKind as Kind};
use crate::hash::{Kind as HashKind, TermHash, TermHasher};
use crate::heap;
use crate::reader::Reader;
use crate::shapes::{ROOT, ShapeTrie, Step};
use crate::tape::{self, Tape, ext, word};
use crate::text::{TextKind, TextWriter};
use crate::{Binaries, DecodeOptions, tags};

const MAX_PAYLOAD: usize = tape::MAX_PAYLOAD as usize;
/// OTP's limit.
const MAX_TUPLE: u32 = 16_777_215;
const LONG: u32 = 4096;
/// How many numbers to read between checks for a full part.
const RUN: u32 = 1024;
/// How far a part may exceed `DecodeOptions::part`.
pub const PART_EXCESS: usize = 4 * RUN as usize;
/// The first terms of a fun, which stay in one part.
const FUN_HEAD: u32 = 3;
const MAX_PLAIN_SEQUENCE: u32 = 16;
const KEPT_FRAMES: usize = 4096;

/// Decodes terms. Keeps its scratch memory between messages.
#[derive(Default)]
pub struct Decoder {
    atoms: AtomTable,
    shapes: ShapeTrie,
    frames: Vec<Frame>,
    keys: Vec<TermHash>,
    numeric_keys: Vec<u32>,
    index_keys: Vec<u32>,
    hasher: TermHasher,
}

impl Decoder {
    pub fn new() -> Self {
        Self::default()
    }

    /// Decodes the term at the start of `bytes`. Returns its length, including the version byte.
    ///
    /// Uses at most 512 KiB plus 192 bytes per byte of input. `max_depth` bounds the worst input,
    /// which opens a container in every two bytes, at about 30 MB.
    pub fn decode(
        &mut self,
        bytes: &[u8],
        options: &DecodeOptions<'_>,
        tape: &mut Tape,
    ) -> Result<usize, DecodeError> {
        let decoded = self.decode_term(bytes, options, tape);
        // Free memory before JavaScript creates the values.
        clear_to(&mut self.keys, KEPT_FRAMES);
        clear_to(&mut self.numeric_keys, KEPT_FRAMES);
        clear_to(&mut self.index_keys, KEPT_FRAMES);
        clear_to(&mut self.frames, KEPT_FRAMES);
        self.atoms.trim();
        decoded
    }

    fn decode_term(
        &mut self,
        bytes: &[u8],
        options: &DecodeOptions<'_>,
        tape: &mut Tape,
    ) -> Result<usize, DecodeError> {
        tape.clear();
        tape.expect(bytes.len());
        self.atoms.reset();
        self.shapes.reset();
        let mut run = Run {
            reader: Reader { input: bytes, at: 0 },
            options,
            tape,
            text: TextWriter::new(options.chunk, bytes.len()),
            exact: options.exact,
            terms: 0,
            part_end: options.part,
            atoms: &mut self.atoms,
            shapes: &mut self.shapes,
            frames: &mut self.frames,
            keys: &mut self.keys,
            numeric_keys: &mut self.numeric_keys,
            index_keys: &mut self.index_keys,
            hasher: &self.hasher,
        };
        if run.reader.u8()? != tags::VERSION {
            run.reader.at = 0;
            return run.reader.fail(Kind::Version);
        }
        run.term()?;
        let used = run.reader.at;
        run.text.finish(run.tape);
        if run.tape.value_size() > options.max_value_size {
            return run.reader.fail(Kind::ValueSize(options.max_value_size));
        }
        self.shapes.write_names(tape);
        Ok(used)
    }
}

fn clear_to<T>(items: &mut Vec<T>, kept: usize) {
    if items.capacity() > kept {
        *items = Vec::new();
    }
    items.clear();
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Container {
    List,
    Tuple,
    Shaped,
    Pairs,
    Fun,
    NativeRecord,
}

#[derive(Clone, Copy)]
pub(crate) struct Frame {
    kind: Container,
    at_key: bool,
    hashed: bool,
    exact_outside: bool,
    left: u32,
    count: u32,
    pub(crate) head: usize,
    node: u32,
    mixed: bool,
    keys_are_atoms: bool,
    keys_are_text: bool,
    keys: usize,
    numeric_keys: usize,
    index_keys: usize,
    key: TermHash,
    pub(crate) hash: TermHash,
}

struct Opening {
    kind: Container,
    count: u32,
    left: u32,
    head: usize,
    is_open: bool,
}

pub(crate) struct Run<'a> {
    pub(crate) reader: Reader<'a>,
    pub(crate) options: &'a DecodeOptions<'a>,
    pub(crate) tape: &'a mut Tape,
    text: TextWriter,
    pub(crate) exact: bool,
    terms: u32,
    part_end: usize,
    pub(crate) atoms: &'a mut AtomTable,
    shapes: &'a mut ShapeTrie,
    pub(crate) frames: &'a mut Vec<Frame>,
    keys: &'a mut Vec<TermHash>,
    numeric_keys: &'a mut Vec<u32>,
    index_keys: &'a mut Vec<u32>,
    pub(crate) hasher: &'a TermHasher,
}

pub(crate) enum Read {
    Leaf(TermHash),
    Opened,
    /// An empty list, whose tail follows.
    Again,
}

impl Run<'_> {
    fn term(&mut self) -> Result<(), DecodeError> {
        loop {
            if self.plain_items() {
                match self.close()? {
                    Some(hash) if self.complete(hash)? => return Ok(()),
                    _ => continue,
                }
            }
            let wanted = match self.frames.last() {
                None => false,
                Some(frame) => frame.hashed || frame.at_key,
            };
            if let Some(frame) = self.frames.last()
                && frame.kind == Container::Shaped
                && frame.at_key
                && self.shape_key()?
            {
                continue;
            }
            self.end_full_part();
            let hash = match self.read(wanted)? {
                Read::Again => continue,
                Read::Opened => {
                    let open = self.frames.last().is_some_and(|frame| frame.left > 0);
                    if open {
                        continue;
                    }
                    match self.close()? {
                        Some(hash) => hash,
                        None => continue,
                    }
                }
                Read::Leaf(hash) => hash,
            };
            if self.complete(hash)? {
                return Ok(());
            }
        }
    }

    /// A part never ends after a key or within the head of a fun.
    #[inline]
    fn end_full_part(&mut self) {
        if self.tape.words.len() >= self.part_end {
            self.end_part();
        }
    }

    #[cold]
    fn end_part(&mut self) {
        let Some(frame) = self.frames.last() else { return };
        let in_head = frame.kind == Container::Fun && frame.count - frame.left < FUN_HEAD;
        if frame.at_key || in_head {
            return;
        }
        self.tape.words.push(ext(tape::NEXT_PART, 0));
        let (words, floats) = (self.tape.words.len(), self.tape.floats.len());
        self.tape.cuts.push(tape::Cut { words, floats });
        self.part_end = words + self.options.part;
    }

    /// Fast path, which leaves anything unusual to `read`. Returns true if the container is
    /// complete.
    fn plain_items(&mut self) -> bool {
        let Some(frame) = self.frames.last() else { return false };
        if frame.hashed {
            return false;
        }
        match frame.kind {
            Container::List | Container::Tuple => {
                let left = frame.left;
                let terms_left = self.options.max_terms - self.terms;
                let (mut count, mut elements) = (0, 0);
                let mut open = None;
                while count < left && count + elements < terms_left {
                    self.end_full_part();
                    let wanted = RUN.min(left - count).min(terms_left - count - elements);
                    let numbers = match self.plain_integers(wanted) {
                        0 => self.plain_doubles(wanted),
                        integers => integers,
                    };
                    count += numbers;
                    if numbers > 0 {
                        continue;
                    }
                    if !self.plain() {
                        let room = terms_left - count - elements;
                        let Some(inner) = self.plain_sequence(room) else { break };
                        elements += inner.count - inner.left;
                        if inner.is_open {
                            open = Some(inner);
                            break;
                        }
                    }
                    count += 1;
                }
                self.terms += count + elements;
                if let Some(frame) = self.frames.last_mut() {
                    frame.left -= count;
                }
                self.go_on_with(open, count == left)
            }
            Container::Shaped => {
                let (mut node, mut left, mut at_key) = (frame.node, frame.left, frame.at_key);
                let mut terms_left = self.options.max_terms - self.terms;
                let mut open = None;
                while terms_left >= 2 {
                    if at_key {
                        let Some(next) = self.plain_key(node) else { break };
                        node = next;
                        at_key = false;
                        terms_left -= 1;
                    }
                    if self.tape.words.len() >= self.part_end {
                        if let Some(frame) = self.frames.last_mut() {
                            frame.at_key = false;
                        }
                        self.end_part();
                    }
                    if !self.plain() {
                        let Some(inner) = self.plain_sequence(terms_left) else { break };
                        terms_left -= inner.count - inner.left;
                        if inner.is_open {
                            open = Some(inner);
                            break;
                        }
                    }
                    terms_left -= 1;
                    left -= 1;
                    at_key = true;
                    if left == 0 {
                        break;
                    }
                }
                self.terms = self.options.max_terms - terms_left;
                if let Some(frame) = self.frames.last_mut() {
                    (frame.node, frame.left, frame.at_key) = (node, left, at_key);
                }
                self.go_on_with(open, left == 0)
            }
            Container::Pairs | Container::Fun | Container::NativeRecord => false,
        }
    }

    fn go_on_with(&mut self, open: Option<Opening>, is_whole: bool) -> bool {
        let Some(inner) = open else { return is_whole };
        self.terms += 1;
        let is_whole = inner.left == 0;
        self.push_frame(inner, false);
        is_whole
    }

    /// Reads a small list or tuple without a frame, which is faster.
    #[inline(never)]
    fn plain_sequence(&mut self, terms_left: u32) -> Option<Opening> {
        let start = self.reader.at;
        let (kind, count, begin, first) = match &self.reader.input[start..] {
            [tags::SMALL_TUPLE, count, first, ..] => (Container::Tuple, *count, 2, *first),
            [tags::LIST, 0, 0, 0, count, first, ..] => (Container::List, *count, 5, *first),
            _ => return None,
        };
        if matches!(first, tags::MAP | tags::LIST | tags::SMALL_TUPLE) {
            return None;
        }
        let count = u32::from(count);
        let depth = self.frames.len() as u32 + 1;
        let fits = (1..=MAX_PLAIN_SEQUENCE).contains(&count)
            && count < terms_left
            && depth <= self.options.max_depth;
        if !fits {
            return None;
        }
        self.reader.at += begin;
        let head = self.tape.words.len();
        let tag = if kind == Container::List { tape::LIST } else { tape::TUPLE };
        self.tape.words.push(word(tag, count));
        let mut left = count - self.plain_doubles(count);
        while left > 0 && self.plain() {
            left -= 1;
        }
        if left == count {
            self.reader.at = start;
            self.tape.words.truncate(head);
            return None;
        }
        self.tape.heap += if kind == Container::List { heap::LIST } else { heap::TUPLE };
        let mut is_open = left > 0;
        if !is_open && kind == Container::List {
            // `close_list` reads other tails.
            is_open = self.reader.input.get(self.reader.at) != Some(&tags::NIL);
            self.reader.at += usize::from(!is_open);
        }
        Some(Opening { kind, count, left, head, is_open })
    }

    #[inline]
    fn plain_key(&mut self, node: u32) -> Option<u32> {
        let (next, atoms, key) = self.shapes.expected(node)?;
        let rest = &self.reader.input[self.reader.at..];
        let head = if atoms {
            if self.options.known_atoms.is_some() && !self.shapes.is_known(next) {
                return None;
            }
            match rest {
                [tags::SMALL_ATOM_UTF8, length, ..] if usize::from(*length) == key.len() => 2,
                _ => return None,
            }
        } else {
            match rest {
                [tags::BINARY, 0, 0, 0, length, ..] if usize::from(*length) == key.len() => 5,
                _ => return None,
            }
        };
        if rest.get(head..head + key.len())? != key {
            return None;
        }
        self.reader.at += head + key.len();
        Some(next)
    }

    #[inline]
    fn plain_integers(&mut self, most: u32) -> u32 {
        let mut rest = &self.reader.input[self.reader.at..];
        let mut count = 0;
        while count < most {
            match rest {
                [tags::SMALL_INTEGER, value, after @ ..] => {
                    self.tape.words.push(word(tape::INT, u32::from(*value)));
                    rest = after;
                }
                [tags::INTEGER, a, b, c, d, after @ ..] => {
                    self.put_integer(i64::from(i32::from_be_bytes([*a, *b, *c, *d])));
                    rest = after;
                }
                _ => break,
            }
            count += 1;
        }
        self.reader.at = self.reader.input.len() - rest.len();
        count
    }

    #[inline]
    fn plain_doubles(&mut self, most: u32) -> u32 {
        let mut rest = &self.reader.input[self.reader.at..];
        let mut count = 0;
        while count < most
            && let [tags::NEW_FLOAT, after @ ..] = rest
            && let Some((bytes, after)) = after.split_first_chunk()
        {
            let value = f64::from_be_bytes(*bytes);
            if !value.is_finite() {
                break;
            }
            self.tape.words.push(word(tape::FLOAT, 0));
            self.tape.floats.push(value);
            rest = after;
            count += 1;
        }
        self.reader.at = self.reader.input.len() - rest.len();
        if self.exact {
            self.tape.heap += heap::FLOAT * count as usize;
        }
        count
    }

    /// Reads a frequent leaf; returns false for other terms.
    #[inline(always)]
    fn plain(&mut self) -> bool {
        let rest = &self.reader.input[self.reader.at..];
        let Some((tag, rest)) = rest.split_first() else { return false };
        let length = match *tag {
            tags::SMALL_INTEGER => {
                let Some(value) = rest.first() else { return false };
                self.tape.words.push(word(tape::INT, u32::from(*value)));
                1
            }
            tags::INTEGER => {
                let Some(bytes) = rest.first_chunk() else { return false };
                self.put_integer(i64::from(i32::from_be_bytes(*bytes)));
                4
            }
            tags::NEW_FLOAT => {
                let Some(bytes) = rest.first_chunk() else { return false };
                let value = f64::from_be_bytes(*bytes);
                if !value.is_finite() {
                    return false;
                }
                self.put_float(value);
                8
            }
            tags::BINARY => {
                let Some(length) = rest.first_chunk() else { return false };
                let length = u32::from_be_bytes(*length) as usize;
                let Some(bytes) = rest[4..].get(..length) else { return false };
                if length > MAX_PAYLOAD {
                    return false;
                }
                let Ok(text) = self.text_kind(bytes, false) else { return false };
                self.put_bytes(bytes, self.reader.at + 5, text);
                4 + length
            }
            tags::BIT_BINARY if self.options.binaries != Binaries::String => {
                let [a, b, c, d, 8, rest @ ..] = rest else { return false };
                let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
                if length == 0 || length > MAX_PAYLOAD {
                    return false;
                }
                let Some(bytes) = rest.get(..length) else { return false };
                self.put_bytes(bytes, self.reader.at + 6, None);
                5 + length
            }
            tags::NIL => {
                self.put_empty_list();
                0
            }
            tags::SMALL_ATOM_UTF8 => {
                let Some((length, rest)) = rest.split_first() else { return false };
                let Some(name) = rest.get(..usize::from(*length)) else { return false };
                let Some(word) = self.atoms.cached(name, self.tape) else { return false };
                self.tape.words.push(word);
                1 + name.len()
            }
            _ => return false,
        };
        self.reader.at += 1 + length;
        true
    }

    fn complete(&mut self, mut hash: TermHash) -> Result<bool, DecodeError> {
        loop {
            let Some(frame) = self.frames.last_mut() else { return Ok(true) };
            match frame.kind {
                Container::Pairs | Container::Shaped => {
                    if frame.at_key {
                        frame.at_key = false;
                        frame.key = hash;
                        self.keys.push(hash);
                        return Ok(false);
                    }
                    if frame.hashed {
                        let pair = self.hasher.step(frame.key, hash);
                        frame.hash = frame.hash.wrapping_add(pair);
                    }
                    frame.at_key = true;
                }
                Container::List | Container::Tuple | Container::Fun | Container::NativeRecord => {
                    if frame.hashed {
                        frame.hash = self.hasher.step(frame.hash, hash);
                    }
                }
            }
            frame.left -= 1;
            if frame.left > 0 {
                return Ok(false);
            }
            match self.close()? {
                Some(closed) => hash = closed,
                None => return Ok(false),
            }
        }
    }

    /// `None` if the container continues.
    fn close(&mut self) -> Result<Option<TermHash>, DecodeError> {
        let Some(frame) = self.frames.last() else { return Ok(Some(0)) };
        let frame = *frame;
        match frame.kind {
            Container::List => return self.close_list(frame),
            Container::Shaped => {
                let shape = self.shapes.shape(frame.node, self.tape);
                self.tape.words[frame.head] = word(tape::OBJECT, shape);
            }
            Container::Pairs => {
                self.check_keys(&frame)?;
                let hint = match (frame.keys_are_atoms, frame.keys_are_text) {
                    _ if self.exact => tape::KEYS_MIXED,
                    (true, _) => tape::KEYS_ATOMS,
                    (_, true) => tape::KEYS_TEXT,
                    _ => tape::KEYS_MIXED,
                };
                self.tape.heap += if hint == tape::KEYS_MIXED {
                    heap::map(frame.count)
                } else {
                    heap::keyed_object(frame.count)
                };
                self.tape.words[frame.head] = if frame.mixed {
                    let shape = self.shapes.shape(frame.node, self.tape);
                    ext(tape::MIXED, shape << 2 | hint)
                } else {
                    word(tape::MAP, frame.count << 2 | hint)
                };
            }
            Container::Tuple | Container::NativeRecord => {}
            Container::Fun => {
                let size_start = frame.head;
                let size = u32::from_be_bytes(
                    self.reader.input[size_start..size_start + 4].try_into().unwrap_or_default(),
                );
                if size as usize != self.reader.at - size_start {
                    return self.reader.fail(Kind::Field("the size of a fun"));
                }
                self.exact = frame.exact_outside;
            }
        }
        self.frames.pop();
        let kind = match frame.kind {
            Container::Tuple => HashKind::Tuple,
            Container::Fun | Container::NativeRecord => HashKind::Fun,
            _ => HashKind::Map,
        };
        Ok(Some(self.hash_if(frame.hashed, kind, (frame.count, frame.hash))))
    }

    fn close_list(&mut self, mut frame: Frame) -> Result<Option<TermHash>, DecodeError> {
        if self.tape.words[frame.head] & 15 == tape::EXT {
            self.frames.pop();
            let content = (frame.count, frame.hash);
            return Ok(Some(self.hash_if(frame.hashed, HashKind::Improper, content)));
        }
        // A tail that is a list continues this list.
        loop {
            match self.reader.input.get(self.reader.at) {
                Some(&tags::NIL) => {
                    self.reader.at += 1;
                    break;
                }
                Some(&tags::LIST) => {
                    self.reader.at += 1;
                    let count = self.reader.u32()?;
                    self.check_count(count)?;
                    self.count_terms(1)?;
                    if count > 0 {
                        if let Some(frame) = self.frames.last_mut() {
                            frame.left = count;
                            frame.count = frame.count.saturating_add(count);
                        }
                        return Ok(None);
                    }
                }
                Some(&tags::STRING) => {
                    self.reader.at += 1;
                    let count = self.reader.u16()?;
                    let bytes = self.reader.take(count as usize)?;
                    self.count_terms(1 + u32::from(count))?;
                    for byte in bytes {
                        self.end_full_part();
                        self.tape.words.push(word(tape::INT, u32::from(*byte)));
                        if frame.hashed {
                            let item = self.hasher.hash(HashKind::Integer, i64::from(*byte));
                            frame.hash = self.hasher.step(frame.hash, item);
                        }
                    }
                    frame.count = frame.count.saturating_add(u32::from(count));
                    break;
                }
                Some(_) => {
                    if frame.count > tape::MAX_REST {
                        return self.reader.fail(Kind::Size);
                    }
                    self.tape.heap += heap::IMPROPER_LIST;
                    self.tape.words[frame.head] = ext(tape::IMPROPER, frame.count);
                    if let Some(frame) = self.frames.last_mut() {
                        frame.left = 1;
                    }
                    return Ok(None);
                }
                None => return self.reader.fail(Kind::Truncated),
            }
        }
        if frame.count as usize > MAX_PAYLOAD {
            return self.reader.fail(Kind::Size);
        }
        self.tape.words[frame.head] = word(tape::LIST, frame.count);
        self.frames.pop();
        Ok(Some(self.hash_if(frame.hashed, HashKind::List, (frame.count, frame.hash))))
    }

    fn check_keys(&mut self, frame: &Frame) -> Result<(), DecodeError> {
        let keys = &mut self.keys[frame.keys..];
        keys.sort_unstable();
        let repeated = keys.windows(2).any(|pair| pair[0] == pair[1]);
        self.keys.truncate(frame.keys);
        if repeated {
            return self.reader.fail(Kind::DuplicateKey);
        }
        let numeric = &self.numeric_keys[frame.numeric_keys..];
        collisions::check(numeric, frame.count, collisions::MAX_COLLIDING)
            .or_else(|kind| self.reader.fail(kind))?;
        self.numeric_keys.truncate(frame.numeric_keys);
        // Maps whose keys are all text become objects, which V8 hashes differently.
        if !frame.keys_are_text {
            let texts = &self.index_keys[frame.index_keys..];
            collisions::check(texts, frame.count, collisions::MAX_COLLIDING_TEXTS)
                .or_else(|kind| self.reader.fail(kind))?;
        }
        self.index_keys.truncate(frame.index_keys);
        Ok(())
    }

    fn count_terms(&mut self, count: u32) -> Result<(), DecodeError> {
        self.terms = self.terms.saturating_add(count);
        if self.terms > self.options.max_terms {
            return self.reader.fail(Kind::Terms(self.options.max_terms));
        }
        Ok(())
    }

    /// Each term takes at least one byte.
    fn check_count(&self, count: u32) -> Result<(), DecodeError> {
        if count as usize > self.reader.left() { self.reader.fail(Kind::Truncated) } else { Ok(()) }
    }

    fn shape_key(&mut self) -> Result<bool, DecodeError> {
        let Some(frame) = self.frames.last().copied() else { return Ok(false) };
        let start = self.reader.at;
        let tag = self.reader.u8()?;
        let (is_atom, key) = if tag == tags::BINARY {
            let length = self.reader.u32()? as usize;
            (false, Cow::Borrowed(self.reader.take(length)?))
        } else {
            match read_name(tag, &mut self.reader)? {
                Some(name) => (true, name),
                None => {
                    self.reader.at = start;
                    self.leave_shape(frame);
                    return Ok(false);
                }
            }
        };
        match self.shapes.step(frame.node, is_atom, &key) {
            Step::Node(node) => {
                if is_atom && self.options.known_atoms.is_some() {
                    let name = std::str::from_utf8(&key).unwrap_or_default();
                    check_known(name, self.options.known_atoms)
                        .or_else(|kind| self.reader.fail(kind))?;
                    self.shapes.set_known(node);
                }
                let kind = if is_atom { HashKind::Atom } else { HashKind::Binary };
                let hash = self.hash_if(frame.hashed, kind, &*key);
                if let Some(frame) = self.frames.last_mut() {
                    frame.node = node;
                    frame.at_key = false;
                    frame.key = hash;
                }
                self.count_terms(1)?;
                Ok(true)
            }
            Step::Duplicate => self.reader.fail(Kind::DuplicateKey),
            Step::None => {
                self.reader.at = start;
                self.leave_shape(frame);
                Ok(false)
            }
        }
    }

    fn leave_shape(&mut self, frame: Frame) {
        let mixed = frame.node != ROOT;
        let is_atoms = mixed && self.shapes.is_atoms(frame.node);
        if mixed {
            for key in self.shapes.keys(frame.node) {
                let kind = if is_atoms { HashKind::Atom } else { HashKind::Binary };
                self.keys.push(self.hasher.hash(kind, key));
            }
            self.tape.words.push(frame.left);
        }
        if let Some(frame) = self.frames.last_mut() {
            frame.kind = Container::Pairs;
            frame.mixed = mixed;
            frame.keys_are_atoms = !mixed || is_atoms;
            frame.keys_are_text = !mixed || !is_atoms;
        }
    }

    pub(crate) fn note_key(&mut self, is_atom: bool, is_text: bool) {
        if let Some(frame) = self.frames.last_mut()
            && frame.at_key
            && frame.kind == Container::Pairs
        {
            frame.keys_are_atoms &= is_atom;
            frame.keys_are_text &= is_text;
        }
    }

    fn note_numeric_key(&mut self, hash: impl FnOnce() -> u32) {
        self.note_key(false, false);
        if let Some(frame) = self.frames.last()
            && frame.at_key
            && frame.kind == Container::Pairs
            && frame.count as usize > collisions::MAX_COLLIDING
        {
            self.numeric_keys.push(hash());
        }
    }

    fn note_index_key(&mut self, text: &[u8]) {
        if let Some(frame) = self.frames.last()
            && frame.kind == Container::Pairs
            && frame.count as usize > collisions::MAX_COLLIDING_TEXTS
            && let Some(hash) = collisions::of_text(text)
        {
            self.index_keys.push(hash);
        }
    }

    pub(crate) fn open(
        &mut self,
        kind: Container,
        count: u32,
        wanted: bool,
    ) -> Result<(), DecodeError> {
        let depth = self.frames.len() as u32 + 1;
        if depth > self.options.max_depth {
            return self.reader.fail(Kind::Depth(self.options.max_depth));
        }
        self.tape.heap += match kind {
            Container::List => heap::LIST,
            Container::Tuple => heap::TUPLE,
            Container::Shaped => heap::OBJECT,
            Container::Pairs | Container::Fun | Container::NativeRecord => 0,
        };
        let head = self.tape.words.len();
        self.push_frame(Opening { kind, count, left: count, head, is_open: true }, wanted);
        Ok(())
    }

    fn push_frame(&mut self, opening: Opening, wanted: bool) {
        let Opening { kind, count, left, head, .. } = opening;
        self.frames.push(Frame {
            kind,
            at_key: matches!(kind, Container::Shaped | Container::Pairs),
            hashed: wanted,
            exact_outside: self.exact,
            left,
            count,
            head,
            node: ROOT,
            mixed: false,
            keys_are_atoms: true,
            keys_are_text: true,
            keys: self.keys.len(),
            numeric_keys: self.numeric_keys.len(),
            index_keys: self.index_keys.len(),
            key: 0,
            hash: 0,
        });
    }

    fn read(&mut self, wanted: bool) -> Result<Read, DecodeError> {
        let tag = self.reader.u8()?;
        self.count_terms(1)?;
        match tag {
            tags::SMALL_INTEGER => {
                let value = self.reader.u8()?;
                self.note_numeric_key(|| collisions::of_number(f64::from(value)));
                self.tape.words.push(word(tape::INT, u32::from(value)));
                self.leaf(wanted, HashKind::Integer, i64::from(value))
            }
            tags::INTEGER => {
                let value = self.reader.u32()? as i32;
                self.note_numeric_key(|| collisions::of_number(f64::from(value)));
                self.put_integer(i64::from(value));
                self.leaf(wanted, HashKind::Integer, i64::from(value))
            }
            tags::BINARY => self.read_binary(wanted),
            tags::NIL => {
                self.note_key(false, false);
                self.put_empty_list();
                self.leaf(wanted, HashKind::List, (0u32, 0u128))
            }
            tags::LIST => {
                let count = self.reader.u32()?;
                self.check_count(count)?;
                if count == 0 {
                    return Ok(Read::Again);
                }
                self.note_key(false, false);
                self.open(Container::List, count, wanted)?;
                if count > LONG {
                    // While a vector doubles, it takes three times its size.
                    self.tape.words.reserve(count as usize + 1);
                    let rest = &self.reader.input[self.reader.at..];
                    if rest.first() == Some(&tags::NEW_FLOAT) {
                        self.tape.floats.reserve((count as usize).min(rest.len() / 9));
                    }
                }
                self.tape.words.push(0);
                Ok(Read::Opened)
            }
            tags::STRING => self.read_string(wanted),
            tags::SMALL_TUPLE => {
                let count = u32::from(self.reader.u8()?);
                self.read_tuple(count, wanted)
            }
            tags::LARGE_TUPLE => {
                let count = self.reader.u32()?;
                if count > MAX_TUPLE {
                    return self.reader.fail(Kind::Field("the size of a tuple"));
                }
                self.read_tuple(count, wanted)
            }
            tags::MAP => self.read_map(wanted),
            tags::NEW_FLOAT => {
                let value = f64::from_bits(self.reader.u64()?);
                self.read_float(value, wanted)
            }
            tags::FLOAT => {
                let value = self.reader.old_float()?;
                self.read_float(value, wanted)
            }
            tags::SMALL_BIG => {
                let count = self.reader.u8()? as usize;
                self.read_big(count, wanted)
            }
            tags::LARGE_BIG => {
                let count = self.reader.u32()? as usize;
                self.read_big(count, wanted)
            }
            tags::BIT_BINARY => self.read_bits(wanted),
            tags::COMPRESSED => self.reader.fail(Kind::Compressed),
            tags::LOCAL => self.reader.fail(Kind::Local),
            tags::ATOM | tags::SMALL_ATOM | tags::ATOM_UTF8 | tags::SMALL_ATOM_UTF8 => {
                let Some(name) = read_name(tag, &mut self.reader)? else {
                    return self.reader.fail(Kind::Tag(tag));
                };
                self.note_key(true, false);
                let word = self.atoms.word(&name, self.tape, self.options.known_atoms);
                let word = word.or_else(|kind| self.reader.fail(kind))?;
                self.tape.words.push(word);
                self.leaf(wanted, HashKind::Atom, &*name)
            }
            _ => self.read_opaque(tag, wanted),
        }
    }

    #[inline(always)]
    pub(crate) fn leaf<T: Hash>(
        &self,
        wanted: bool,
        kind: HashKind,
        content: T,
    ) -> Result<Read, DecodeError> {
        Ok(Read::Leaf(self.hash_if(wanted, kind, content)))
    }

    #[inline(always)]
    pub(crate) fn hash_if<T: Hash>(&self, wanted: bool, kind: HashKind, content: T) -> TermHash {
        if wanted { self.hasher.hash(kind, content) } else { 0 }
    }

    fn put_empty_list(&mut self) {
        self.tape.heap += heap::EMPTY_LIST;
        self.tape.words.push(word(tape::CONST, tape::EMPTY_LIST));
    }

    fn put_float(&mut self, value: f64) {
        if self.exact {
            self.tape.heap += heap::FLOAT;
        }
        self.tape.words.push(word(tape::FLOAT, 0));
        self.tape.floats.push(value);
    }

    pub(crate) fn put_integer(&mut self, value: i64) {
        if (-(1 << 27)..1 << 27).contains(&value) {
            self.tape.words.push((value as i32 as u32) << 4 | tape::INT);
        } else {
            self.tape.words.push(word(tape::WIDE, 0));
            self.tape.floats.push(value as f64);
        }
    }

    fn read_binary(&mut self, wanted: bool) -> Result<Read, DecodeError> {
        let length = self.reader.u32()? as usize;
        let bytes = self.reader.take(length)?;
        self.put_binary(bytes, wanted, false)
    }

    fn put_binary(
        &mut self,
        bytes: &[u8],
        wanted: bool,
        is_marked: bool,
    ) -> Result<Read, DecodeError> {
        let length = bytes.len();
        if length > MAX_PAYLOAD {
            return self.reader.fail(Kind::Size);
        }
        let is_key = self.frames.last().is_some_and(|frame| frame.at_key && !self.exact);
        let text = if is_marked && self.options.binaries != Binaries::String {
            None
        } else {
            self.text_kind(bytes, is_key).or_else(|kind| self.reader.fail(kind))?
        };
        self.note_key(false, text.is_some());
        if is_key && text.is_some() {
            self.note_index_key(bytes);
        }
        self.put_bytes(bytes, self.reader.at - length, text);
        self.leaf(wanted, HashKind::Binary, bytes)
    }

    #[inline]
    fn text_kind(&self, bytes: &[u8], is_key: bool) -> Result<Option<TextKind>, Kind> {
        if self.exact || self.options.binaries == Binaries::Buffer && !is_key {
            return Ok(None);
        }
        match TextKind::of(bytes) {
            None if self.options.binaries == Binaries::String && !is_key => Err(Kind::BinaryText),
            kind => Ok(kind),
        }
    }

    #[inline]
    fn put_bytes(&mut self, bytes: &[u8], start: usize, text: Option<TextKind>) {
        match text {
            Some(kind) => self.text.put(bytes, &kind, self.tape),
            None => {
                self.tape.heap += heap::buffer(bytes.len());
                self.tape.refers_to_source = true;
                self.tape.words.extend([word(tape::BYTES, bytes.len() as u32), start as u32]);
            }
        }
    }

    fn read_string(&mut self, wanted: bool) -> Result<Read, DecodeError> {
        let count = u32::from(self.reader.u16()?);
        let bytes = self.reader.take(count as usize)?;
        self.count_terms(count)?;
        self.note_key(false, false);
        if count == 0 {
            self.put_empty_list();
        } else {
            self.tape.heap += heap::byte_list(count as usize);
            self.tape.refers_to_source = true;
            self.tape.words.push(word(tape::BYTELIST, count));
            self.tape.words.push((self.reader.at - count as usize) as u32);
        }
        if !wanted {
            return Ok(Read::Leaf(0));
        }
        let hash: TermHash = bytes.iter().fold(0, |hash, byte| {
            self.hasher.step(hash, self.hasher.hash(HashKind::Integer, i64::from(*byte)))
        });
        self.leaf(wanted, HashKind::List, (count, hash))
    }

    fn read_tuple(&mut self, count: u32, wanted: bool) -> Result<Read, DecodeError> {
        self.check_count(count)?;
        self.note_key(false, false);
        if count == 0 {
            self.tape.heap += heap::EMPTY_TUPLE;
            self.tape.words.push(word(tape::TUPLE, 0));
            return self.leaf(wanted, HashKind::Tuple, (0u32, 0u128));
        }
        self.open(Container::Tuple, count, wanted)?;
        self.tape.words.push(word(tape::TUPLE, count));
        Ok(Read::Opened)
    }

    fn read_map(&mut self, wanted: bool) -> Result<Read, DecodeError> {
        let count = self.reader.u32()?;
        if count as usize > self.reader.left() / 2 {
            return self.reader.fail(Kind::Truncated);
        }
        if count > tape::MAX_PAIRS {
            return self.reader.fail(Kind::Size);
        }
        self.note_key(false, false);
        if count == 0 {
            let (empty, size) = if self.exact {
                (word(tape::MAP, 0), heap::map(0))
            } else {
                (word(tape::CONST, tape::EMPTY_MAP), heap::EMPTY_OBJECT)
            };
            self.tape.heap += size;
            self.tape.words.push(empty);
            return self.leaf(wanted, HashKind::Map, (0u32, 0u128));
        }
        let shaped = !self.exact && count <= tape::MAX_SHAPE_KEYS;
        self.open(if shaped { Container::Shaped } else { Container::Pairs }, count, wanted)?;
        self.tape.words.push(0);
        Ok(Read::Opened)
    }

    fn read_float(&mut self, value: f64, wanted: bool) -> Result<Read, DecodeError> {
        if !value.is_finite() {
            return self.reader.fail(Kind::Float);
        }
        if self.exact {
            self.note_key(false, false);
        } else {
            self.note_numeric_key(|| collisions::of_number(value));
        }
        self.put_float(value);
        // Before OTP 27, 0.0 and -0.0 are the same key.
        let bits = if value == 0.0 { 0 } else { value.to_bits() };
        self.leaf(wanted, HashKind::Float, bits)
    }

    fn read_big(&mut self, count: usize, wanted: bool) -> Result<Read, DecodeError> {
        let (negative, digits) = self.reader.magnitude(count)?;
        let start = self.reader.at - count;
        if digits.len() < 8 {
            let magnitude =
                digits.iter().rev().fold(0i64, |value, digit| value << 8 | i64::from(*digit));
            if magnitude < 1 << 53 {
                let value = if negative { -magnitude } else { magnitude };
                self.note_numeric_key(|| collisions::of_number(value as f64));
                self.put_integer(value);
                return self.leaf(wanted, HashKind::Integer, value);
            }
        }
        if digits.len() > MAX_PAYLOAD >> 1 {
            return self.reader.fail(Kind::Size);
        }
        self.tape.heap += heap::BIGINT + digits.len();
        self.note_numeric_key(|| collisions::of_big(digits));
        self.tape.refers_to_source = true;
        self.tape.words.push(word(tape::BIG, (digits.len() as u32) << 1 | u32::from(negative)));
        self.tape.words.push(start as u32);
        self.leaf(wanted, HashKind::Big, (negative, digits))
    }

    fn read_bits(&mut self, wanted: bool) -> Result<Read, DecodeError> {
        let length = self.reader.u32()? as usize;
        let bits = self.reader.u8()?;
        if length == 0 || bits == 0 || bits > 8 {
            return self.reader.fail(Kind::Bits);
        }
        let bytes = self.reader.take(length)?;
        if bits == 8 {
            return self.put_binary(bytes, wanted, true);
        }
        if length > MAX_PAYLOAD {
            return self.reader.fail(Kind::Size);
        }
        self.note_key(false, false);
        self.tape.heap += heap::BIT_STRING + length;
        self.tape.refers_to_source = true;
        self.tape.words.push(ext(tape::BITSTRING, u32::from(bits)));
        self.tape.words.push(length as u32);
        self.tape.words.push((self.reader.at - length) as u32);
        let masked = bytes[length - 1] & 0xff << (8 - bits);
        self.leaf(wanted, HashKind::Bits, (bits, masked, &bytes[..length - 1]))
    }
}
