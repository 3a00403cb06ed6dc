//! Prints Erlang's and Elixir's syntax, and parses Erlang's, without recursion, in linear time
//! except for large integers.

mod bits;
mod elixir;
mod erlang;
mod escape;
mod integer;
mod parse;
mod print;
mod scanner;

use std::fmt;

pub use self::parse::from_erlang;
pub use self::print::{Language, PrintOptions, print};

/// Like [`from_erlang`], for UTF-16 without lone surrogates.
pub fn from_erlang_utf16(text: &[u16], max_depth: u32) -> Result<Vec<u8>, ParseError> {
    let mut decoded = String::with_capacity(text.len());
    for character in char::decode_utf16(text.iter().copied()) {
        match character {
            Ok(character) => decoded.push(character),
            Err(_) => {
                return Err(ParseError::after(&decoded, "a lone surrogate is not a character"));
            }
        }
    }
    from_erlang(&decoded, max_depth)
}

/// Why text is not a term.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    pub message: String,
    /// Counts from 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
}

impl ParseError {
    /// An error at the end of `before`.
    pub fn after(before: &str, message: impl Into<String>) -> Self {
        let (line, column) = place(before);
        Self { message: message.into(), line, column }
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "line {}, column {}: {}", self.line, self.column, self.message)
    }
}

impl std::error::Error for ParseError {}

/// Lines end with `\n`, `\r\n` or `\r`.
fn place(before: &str) -> (usize, usize) {
    let mut line = 1;
    let mut start = 0;
    for (at, byte) in before.bytes().enumerate() {
        let followed_by_lf = || before.as_bytes().get(at + 1) == Some(&b'\n');
        if byte == b'\n' || byte == b'\r' && !followed_by_lf() {
            line += 1;
            start = at + 1;
        }
    }
    (line, before[start..].chars().count() + 1)
}
