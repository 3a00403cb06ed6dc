//! How Erlang writes atoms and text (OTP reference manual, "Data Types").

use std::fmt::Write;

use super::escape::{is_invisible, letter};

/// Includes words that OTP reserves only with a feature.
const RESERVED: [&str; 29] = [
    "after", "and", "andalso", "band", "begin", "bnot", "bor", "bsl", "bsr", "bxor", "case",
    "catch", "cond", "div", "else", "end", "fun", "if", "let", "maybe", "not", "of", "or",
    "orelse", "receive", "rem", "try", "when", "xor",
];

pub(super) fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&name)
}

pub(super) fn atom(out: &mut String, name: &str) {
    let mut characters = name.chars();
    let is_plain = characters.next().is_some_and(|first| first.is_ascii_lowercase())
        && characters.all(|each| each.is_ascii_alphanumeric() || each == '_' || each == '@')
        && !is_reserved(name);
    if is_plain {
        out.push_str(name);
    } else {
        quoted(out, name, '\'');
    }
}

pub(super) fn quoted(out: &mut String, text: &str, quote: char) {
    out.push(quote);
    for character in text.chars() {
        if character == quote || character == '\\' {
            out.extend(['\\', character]);
        } else if let Some(letter) = letter(character) {
            out.extend(['\\', letter]);
        } else if is_invisible(character) {
            let _ = write!(out, "\\x{{{:X}}}", u32::from(character));
        } else {
            out.push(character);
        }
    }
    out.push(quote);
}
