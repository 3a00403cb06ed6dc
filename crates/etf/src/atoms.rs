use std::borrow::Cow;
use std::collections::HashMap;

use crate::KnownAtoms;
use crate::error::{DecodeError, DecodeErrorKind as Kind};
use crate::heap;
use crate::reader::Reader;
use crate::tags;
use crate::tape::{self, ATOM, CONST, Tape, word};

const CACHE: usize = 64;
const KEPT: usize = 4096;

pub(crate) const MAX_CHARS: usize = 255;

#[derive(Default)]
pub(crate) struct AtomTable {
    by_name: HashMap<Box<[u8]>, u32>,
    /// The start of each name in `names`, and the end of the last.
    starts: Vec<u32>,
    /// For each slot, 1 + the index of its latest atom.
    cache: Vec<u32>,
}

impl AtomTable {
    pub(crate) fn reset(&mut self) {
        if !self.by_name.is_empty() {
            self.by_name.clear();
            self.cache.clear();
        }
        self.starts.clear();
        self.starts.push(0);
    }

    pub(crate) fn trim(&mut self) {
        if self.by_name.capacity() > KEPT {
            *self = Self::default();
        }
    }

    pub(crate) fn word(
        &mut self,
        name: &[u8],
        tape: &mut Tape,
        known: Option<&dyn KnownAtoms>,
    ) -> Result<u32, Kind> {
        match constant(name) {
            Some(word) => Ok(word),
            None => Ok(word(ATOM, self.index(name, tape, known)?)),
        }
    }

    /// Finds only constants and recent atoms.
    #[inline]
    pub(crate) fn cached(&self, name: &[u8], tape: &Tape) -> Option<u32> {
        if let Some(word) = constant(name) {
            return Some(word);
        }
        let index = self.cache.get(slot(name))?.checked_sub(1)?;
        (self.name(index, tape) == name).then_some(word(ATOM, index))
    }

    fn name<'a>(&self, index: u32, tape: &'a Tape) -> &'a [u8] {
        let start = self.starts[index as usize] as usize;
        let end = self.starts[index as usize + 1] as usize;
        &tape.names[start..end]
    }

    pub(crate) fn index(
        &mut self,
        name: &[u8],
        tape: &mut Tape,
        known: Option<&dyn KnownAtoms>,
    ) -> Result<u32, Kind> {
        let slot = slot(name);
        if let Some(cached) = self.cache.get(slot)
            && *cached > 0
            && self.name(cached - 1, tape) == name
        {
            return Ok(cached - 1);
        }
        let index = match self.by_name.get(name) {
            Some(index) => *index,
            None => self.add(name, tape, known)?,
        };
        if self.cache.is_empty() {
            self.cache.resize(CACHE, 0);
        }
        self.cache[slot] = index + 1;
        Ok(index)
    }

    fn add(
        &mut self,
        name: &[u8],
        tape: &mut Tape,
        known: Option<&dyn KnownAtoms>,
    ) -> Result<u32, Kind> {
        let text = std::str::from_utf8(name).map_err(|_| Kind::AtomText)?;
        check_known(text, known)?;
        let index = tape.atoms.len() as u32;
        tape.atoms
            .push(if text.is_ascii() { text.len() } else { text.encode_utf16().count() } as u32);
        tape.names.extend_from_slice(name);
        self.starts.push(tape.names.len() as u32);
        self.by_name.insert(name.into(), index);
        tape.heap += heap::ATOM + name.len();
        Ok(index)
    }
}

fn constant(name: &[u8]) -> Option<u32> {
    let payload = match name {
        b"false" => tape::FALSE,
        b"true" => tape::TRUE,
        b"nil" => tape::NIL,
        b"undefined" => tape::UNDEFINED,
        _ => return None,
    };
    Some(word(CONST, payload))
}

fn slot(name: &[u8]) -> usize {
    match name {
        [first, .., last] => (*first as usize ^ (*last as usize) << 2 ^ name.len() << 1) % CACHE,
        _ => 0,
    }
}

pub(crate) fn read_name<'a>(
    tag: u8,
    reader: &mut Reader<'a>,
) -> Result<Option<Cow<'a, [u8]>>, DecodeError> {
    let length = match tag {
        tags::ATOM | tags::ATOM_UTF8 => reader.u16()? as usize,
        tags::SMALL_ATOM | tags::SMALL_ATOM_UTF8 => reader.u8()? as usize,
        _ => return Ok(None),
    };
    let bytes = reader.take(length)?;
    if length <= MAX_CHARS && bytes.is_ascii() {
        return Ok(Some(Cow::Borrowed(bytes)));
    }
    if matches!(tag, tags::ATOM | tags::SMALL_ATOM) {
        if length > MAX_CHARS {
            return reader.fail(Kind::AtomLength);
        }
        let text: String = bytes.iter().map(|byte| char::from(*byte)).collect();
        return Ok(Some(Cow::Owned(text.into_bytes())));
    }
    match std::str::from_utf8(bytes) {
        Ok(text) if length <= MAX_CHARS || text.chars().count() <= MAX_CHARS => {
            Ok(Some(Cow::Borrowed(bytes)))
        }
        Ok(_) => reader.fail(Kind::AtomLength),
        Err(_) => reader.fail(Kind::AtomText),
    }
}

pub(crate) fn check_known(name: &str, known: Option<&dyn KnownAtoms>) -> Result<(), Kind> {
    match known {
        // Every program knows the constants.
        Some(_) if constant(name.as_bytes()).is_some() => Ok(()),
        Some(known) if !known.is_known(name) => Err(Kind::UnknownAtom(name.to_owned())),
        _ => Ok(()),
    }
}
