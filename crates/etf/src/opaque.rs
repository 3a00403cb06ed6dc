//! Pids, ports, references and functions.

use crate::atoms::{check_known, read_name};
use crate::decode::{Container, Read, Run};
use crate::error::{DecodeError, DecodeErrorKind as Kind};
use crate::hash::Kind as HashKind;
use crate::heap;
use crate::tags;
use crate::tape::{self, ext};

impl Run<'_> {
    pub(crate) fn read_opaque(&mut self, tag: u8, wanted: bool) -> Result<Read, DecodeError> {
        let start = self.tape.words.len();
        self.note_key(false, false);
        match tag {
            tags::PID | tags::NEW_PID => {
                self.tape.heap += heap::PID;
                self.tape.words.push(ext(tape::PID, 0));
                self.put_atom("the node of a pid")?;
                let [id, serial] = [self.reader.u32()?, self.reader.u32()?];
                let creation = self.creation(tag == tags::NEW_PID)?;
                self.tape.words.extend([id, serial, creation]);
            }
            tags::PORT | tags::NEW_PORT | tags::V4_PORT => {
                self.tape.heap += heap::PORT;
                self.tape.words.push(ext(tape::PORT, 0));
                self.put_atom("the node of a port")?;
                let id = if tag == tags::V4_PORT {
                    self.reader.u64()?
                } else {
                    self.reader.u32()?.into()
                };
                let creation = self.creation(tag != tags::PORT)?;
                self.tape.words.extend([(id >> 32) as u32, id as u32, creation]);
            }
            tags::REFERENCE => {
                self.tape.heap += heap::REFERENCE;
                self.tape.words.push(ext(tape::REFERENCE, 1));
                self.put_atom("the node of a reference")?;
                let id = self.old_id()?;
                let creation = self.creation(false)?;
                self.tape.words.extend([creation, id]);
            }
            tags::NEW_REFERENCE | tags::NEWER_REFERENCE => {
                let count = u32::from(self.reader.u16()?);
                if !(1..=5).contains(&count) {
                    return self.reader.fail(Kind::Field("the number of a reference's ids"));
                }
                self.tape.heap += heap::REFERENCE;
                self.tape.words.push(ext(tape::REFERENCE, count));
                self.put_atom("the node of a reference")?;
                let wide = tag == tags::NEWER_REFERENCE;
                let creation = self.creation(wide)?;
                let first = if wide { self.reader.u32()? } else { self.old_id()? };
                self.tape.words.extend([creation, first]);
                for _ in 1..count {
                    let id = self.reader.u32()?;
                    self.tape.words.push(id);
                }
            }
            tags::EXPORT => {
                if self.options.known_atoms.is_some() {
                    return self.reader.fail(Kind::ExternalFunction);
                }
                self.tape.words.push(0);
                self.put_atom("the module of an external function")?;
                self.put_atom("the name of an external function")?;
                let arity = match self.reader.u8()? {
                    tags::SMALL_INTEGER => u32::from(self.reader.u8()?),
                    tags::INTEGER => self.reader.u32()?,
                    _ => return self.reader.fail(Kind::Field("the arity of an external function")),
                };
                if arity > 255 {
                    return self.reader.fail(Kind::Field("the arity of an external function"));
                }
                self.tape.heap += heap::EXTERNAL_FUNCTION;
                self.tape.words[start] = ext(tape::EXTFUN, arity);
            }
            tags::NEW_FUN => return self.read_fun(wanted),
            tags::NATIVE_RECORD => return self.read_native_record(wanted),
            _ => {
                self.reader.at -= 1;
                return self.reader.fail(Kind::Tag(tag));
            }
        }
        self.leaf(wanted, HashKind::Opaque, &self.tape.words[start..])
    }

    /// Old forms use only two bits.
    fn creation(&mut self, wide: bool) -> Result<u32, DecodeError> {
        if wide {
            return self.reader.u32();
        }
        let creation = self.reader.u8()?;
        if creation > 3 {
            return self.reader.fail(Kind::Field("the creation of an identifier in an old form"));
        }
        Ok(creation.into())
    }

    /// Old forms use only 18 bits of the first id.
    fn old_id(&mut self) -> Result<u32, DecodeError> {
        let id = self.reader.u32()?;
        if id >= 1 << 18 {
            return self.reader.fail(Kind::Field("the first id of a reference in an old form"));
        }
        Ok(id)
    }

    fn put_atom(&mut self, field: &'static str) -> Result<(), DecodeError> {
        let tag = self.reader.u8()?;
        let Some(name) = read_name(tag, &mut self.reader)? else {
            return self.reader.fail(Kind::Field(field));
        };
        if let Ok(text) = std::str::from_utf8(&name) {
            check_known(text, self.options.known_atoms).or_else(|kind| self.reader.fail(kind))?;
        }
        let index = self.atoms.index(&name, self.tape, None);
        let index = index.or_else(|kind| self.reader.fail(kind))?;
        self.tape.words.push(index);
        Ok(())
    }

    /// NEW_FUN_EXT: size, arity, uniq, index, free variables, module, terms.
    fn read_fun(&mut self, wanted: bool) -> Result<Read, DecodeError> {
        let size_at = self.reader.at;
        self.reader.u32()?;
        let arity = u32::from(self.reader.u8()?);
        let uniq = [self.reader.u32()?, self.reader.u32()?, self.reader.u32()?, self.reader.u32()?];
        let index = self.reader.u32()?;
        let free = self.reader.u32()?;
        if free as usize > self.reader.left() {
            return self.reader.fail(Kind::Truncated);
        }
        let start = self.tape.words.len();
        self.tape.heap += heap::FUN;
        self.tape.words.push(ext(tape::FUN, arity));
        self.tape.words.push(free);
        self.tape.words.extend(uniq);
        self.tape.words.push(index);
        self.put_atom("the module of a fun")?;
        self.check_fun_terms()?;
        let hash = self.hash_if(wanted, HashKind::Opaque, &self.tape.words[start..]);
        self.open(Container::Fun, free.saturating_add(3), wanted)?;
        if let Some(frame) = self.frames.last_mut() {
            frame.head = size_at;
            frame.hash = hash;
        }
        self.exact = true;
        Ok(Read::Opened)
    }

    /// OTP 29: field count, exported flag, module, name, field names, values.
    fn read_native_record(&mut self, wanted: bool) -> Result<Read, DecodeError> {
        let count = self.reader.u32()?;
        if count > tape::MAX_FIELDS {
            return self.reader.fail(Kind::Field("the number of a native record's fields"));
        }
        let flags = self.reader.u8()?;
        if flags > 1 {
            return self.reader.fail(Kind::Field("the flag byte of a native record"));
        }
        let start = self.tape.words.len();
        self.tape.heap += heap::NATIVE_RECORD + heap::NATIVE_FIELD * count as usize;
        self.tape.words.extend([ext(tape::NATIVE_RECORD, count), u32::from(flags)]);
        self.put_atom("the module of a native record")?;
        self.put_atom("the name of a native record")?;
        let names = self.tape.words.len();
        for _ in 0..count {
            self.put_atom("the name of a native record's field")?;
        }
        let mut sorted = self.tape.words[names..].to_vec();
        sorted.sort_unstable();
        if sorted.windows(2).any(|pair| pair[0] == pair[1]) {
            return self.reader.fail(Kind::Field("the name of a native record's field"));
        }
        let hash = self.hash_if(wanted, HashKind::Opaque, &self.tape.words[start..]);
        if count == 0 {
            return Ok(Read::Leaf(hash));
        }
        self.open(Container::NativeRecord, count, wanted)?;
        if let Some(frame) = self.frames.last_mut() {
            frame.hash = hash;
        }
        Ok(Read::Opened)
    }

    /// OTP 25 crashes on other terms.
    fn check_fun_terms(&self) -> Result<(), DecodeError> {
        let mut rest = &self.reader.input[self.reader.at..];
        for field in ["the old index of a fun", "the old uniq of a fun"] {
            let length = match rest.first() {
                Some(&tags::SMALL_INTEGER) => 2,
                Some(&tags::INTEGER) => 5,
                Some(_) => return self.reader.fail(Kind::Field(field)),
                None => return self.reader.fail(Kind::Truncated),
            };
            rest = rest.get(length..).unwrap_or_default();
        }
        match rest.first() {
            Some(&(tags::PID | tags::NEW_PID)) => Ok(()),
            Some(_) => self.reader.fail(Kind::Field("the creator of a fun")),
            None => self.reader.fail(Kind::Truncated),
        }
    }
}
