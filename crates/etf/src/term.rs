use std::borrow::Cow;

use crate::atoms::read_name;
use crate::error::{DecodeError, DecodeErrorKind as Kind};
use crate::reader::Reader;
use crate::{tags, tape};

pub(crate) enum Term<'a> {
    Integer(i64),
    /// Lowest byte first.
    Big {
        negative: bool,
        magnitude: &'a [u8],
    },
    Float(f64),
    Atom(Cow<'a, str>),
    Nil,
    String(&'a [u8]),
    Binary(&'a [u8]),
    /// The last byte uses only `bits` bits.
    Bits {
        bytes: &'a [u8],
        bits: u8,
    },
    /// A tail follows.
    List(u32),
    Tuple(u32),
    Map(u32),
    Pid {
        id: u32,
        serial: u32,
    },
    Port(u64),
    Reference(Vec<u32>),
    ExternalFunction {
        module: Cow<'a, str>,
        function: Cow<'a, str>,
        arity: u8,
    },
    NativeRecord {
        module: Cow<'a, str>,
        name: Cow<'a, str>,
        fields: Vec<Cow<'a, str>>,
    },
    Fun {
        module: Cow<'a, str>,
        arity: u8,
        old_index: i64,
        old_uniq: i64,
    },
}

pub(crate) fn read<'a>(reader: &mut Reader<'a>) -> Result<Term<'a>, DecodeError> {
    let tag = reader.u8()?;
    Ok(match tag {
        tags::SMALL_INTEGER => Term::Integer(reader.u8()?.into()),
        tags::INTEGER => Term::Integer((reader.u32()? as i32).into()),
        tags::SMALL_BIG | tags::LARGE_BIG => {
            let is_small = tag == tags::SMALL_BIG;
            let size = if is_small { reader.u8()?.into() } else { reader.u32()? as usize };
            let (negative, magnitude) = reader.magnitude(size)?;
            Term::Big { negative, magnitude }
        }
        tags::NEW_FLOAT => Term::Float(f64::from_bits(reader.u64()?)),
        tags::FLOAT => Term::Float(reader.old_float()?),
        tags::NIL => Term::Nil,
        tags::STRING => {
            let size = reader.u16()?.into();
            Term::String(reader.take(size)?)
        }
        tags::BINARY => {
            let size = reader.u32()? as usize;
            Term::Binary(reader.take(size)?)
        }
        tags::BIT_BINARY => {
            let size = reader.u32()? as usize;
            let bits = reader.u8()?;
            let bytes = reader.take(size)?;
            match (bytes, bits) {
                (_, 8) => Term::Binary(bytes),
                ([_, ..], 1..=7) => Term::Bits { bytes, bits },
                _ => return reader.fail(Kind::Bits),
            }
        }
        tags::LIST => container(reader, Term::List)?,
        tags::SMALL_TUPLE => Term::Tuple(reader.u8()?.into()),
        tags::LARGE_TUPLE => container(reader, Term::Tuple)?,
        tags::MAP => container(reader, Term::Map)?,
        tags::PID | tags::NEW_PID => {
            atom(reader)?;
            let (id, serial) = (reader.u32()?, reader.u32()?);
            reader.take(if tag == tags::PID { 1 } else { 4 })?;
            Term::Pid { id, serial }
        }
        tags::PORT | tags::NEW_PORT | tags::V4_PORT => {
            atom(reader)?;
            let id = if tag == tags::V4_PORT { reader.u64()? } else { u64::from(reader.u32()?) };
            reader.take(if tag == tags::PORT { 1 } else { 4 })?;
            Term::Port(id)
        }
        tags::REFERENCE => {
            atom(reader)?;
            let id = reader.u32()?;
            reader.take(1)?;
            Term::Reference(vec![id])
        }
        tags::NEW_REFERENCE | tags::NEWER_REFERENCE => {
            let count = reader.u16()?;
            atom(reader)?;
            reader.take(if tag == tags::NEW_REFERENCE { 1 } else { 4 })?;
            let ids: Result<_, _> = (0..count.min(5)).map(|_| reader.u32()).collect();
            Term::Reference(ids?)
        }
        tags::EXPORT => {
            let (module, function) = (atom(reader)?, atom(reader)?);
            let Ok(arity) = u8::try_from(integer(reader)?) else {
                return reader.fail(Kind::Field("the arity of an external function"));
            };
            Term::ExternalFunction { module, function, arity }
        }
        tags::NEW_FUN => fun(reader)?,
        tags::NATIVE_RECORD => native_record(reader)?,
        _ => match read_name(tag, reader)? {
            Some(name) => Term::Atom(text(name, reader)?),
            None => {
                reader.at -= 1;
                return reader.fail(Kind::Tag(tag));
            }
        },
    })
}

pub(crate) fn children(term: &Term<'_>) -> u64 {
    match *term {
        Term::List(count) => u64::from(count) + 1,
        Term::Tuple(count) => count.into(),
        Term::Map(count) => 2 * u64::from(count),
        Term::NativeRecord { ref fields, .. } => fields.len() as u64,
        _ => 0,
    }
}

fn container<'a>(
    reader: &mut Reader<'a>,
    make: fn(u32) -> Term<'a>,
) -> Result<Term<'a>, DecodeError> {
    let count = reader.u32()?;
    // Each term takes at least one byte.
    if count as usize > reader.left() {
        return reader.fail(Kind::Truncated);
    }
    Ok(make(count))
}

fn integer(reader: &mut Reader<'_>) -> Result<i64, DecodeError> {
    match reader.u8()? {
        tags::SMALL_INTEGER => Ok(reader.u8()?.into()),
        tags::INTEGER => Ok((reader.u32()? as i32).into()),
        _ => reader.fail(Kind::Field("an integer")),
    }
}

fn fun<'a>(reader: &mut Reader<'a>) -> Result<Term<'a>, DecodeError> {
    let start = reader.at;
    let size = reader.u32()? as usize;
    let arity = reader.u8()?;
    reader.take(16 + 4 + 4)?;
    let module = atom(reader)?;
    let (old_index, old_uniq) = (integer(reader)?, integer(reader)?);
    let Some(rest) = size.checked_sub(reader.at - start) else {
        return reader.fail(Kind::Truncated);
    };
    reader.take(rest)?;
    Ok(Term::Fun { module, arity, old_index, old_uniq })
}

fn native_record<'a>(reader: &mut Reader<'a>) -> Result<Term<'a>, DecodeError> {
    let count = reader.u32()?;
    if count > tape::MAX_FIELDS {
        return reader.fail(Kind::Field("the number of a native record's fields"));
    }
    reader.u8()?;
    let (module, name) = (atom(reader)?, atom(reader)?);
    let fields: Result<_, _> = (0..count).map(|_| atom(reader)).collect();
    Ok(Term::NativeRecord { module, name, fields: fields? })
}

fn atom<'a>(reader: &mut Reader<'a>) -> Result<Cow<'a, str>, DecodeError> {
    let tag = reader.u8()?;
    match read_name(tag, reader)? {
        Some(name) => text(name, reader),
        None => reader.fail(Kind::Field("an atom")),
    }
}

fn text<'a>(name: Cow<'a, [u8]>, reader: &Reader<'_>) -> Result<Cow<'a, str>, DecodeError> {
    let text = match name {
        Cow::Borrowed(bytes) => std::str::from_utf8(bytes).ok().map(Cow::Borrowed),
        Cow::Owned(bytes) => String::from_utf8(bytes).ok().map(Cow::Owned),
    };
    text.map_or_else(|| reader.fail(Kind::AtomText), Ok)
}
