//! Recognizes messages by their encoding, which must be valid ETF.

use crate::reader::Reader;
use crate::term::{Term, children, read};

/// What a response holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyForm {
    /// `{return, Value}`.
    Return,
    /// `{exception, {Class, Reason, Stacktrace}}`.
    Exception,
}

impl ReplyForm {
    /// The word where the second element begins.
    pub const WORD_OFFSET: usize = 2;

    /// `None` if the term is not a response.
    pub fn of(encoded: &[u8]) -> Option<Self> {
        let mut reader = Reader { input: encoded, at: 1 };
        let Term::Tuple(2) = read(&mut reader).ok()? else { return None };
        match read(&mut reader).ok()? {
            Term::Atom(name) if name == "return" => Some(Self::Return),
            Term::Atom(name) if name == "exception" && is_exception_at(&mut reader)? => {
                Some(Self::Exception)
            }
            _ => None,
        }
    }
}

/// Whether an encoded term is `{Class, Reason, Stacktrace}`.
pub fn is_exception(encoded: &[u8]) -> bool {
    is_exception_at(&mut Reader { input: encoded, at: 1 }) == Some(true)
}

fn is_exception_at(reader: &mut Reader<'_>) -> Option<bool> {
    let Term::Tuple(3) = read(reader).ok()? else { return Some(false) };
    match read(reader).ok()? {
        Term::Atom(name) if matches!(&*name, "error" | "exit" | "throw") => {
            skip(reader, 1)?;
            is_list(reader)
        }
        _ => Some(false),
    }
}

fn is_list(reader: &mut Reader<'_>) -> Option<bool> {
    loop {
        match read(reader).ok()? {
            Term::Nil | Term::String(_) => return Some(true),
            // The tail follows.
            Term::List(count) => skip(reader, count.into())?,
            _ => return Some(false),
        }
    }
}

fn skip(reader: &mut Reader<'_>, mut terms: u64) -> Option<()> {
    while terms > 0 {
        terms += children(&read(reader).ok()?);
        terms -= 1;
    }
    Some(())
}
