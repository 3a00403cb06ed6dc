use std::fmt::Write;

use super::escape::{is_invisible, letter};

pub(super) fn atom(out: &mut String, name: &str) {
    if matches!(name, "nil" | "true" | "false") {
        out.push_str(name);
    } else if let Some(alias) = alias(name) {
        out.push_str(alias);
    } else {
        out.push(':');
        keyword(out, name);
    }
}

pub(super) fn keyword(out: &mut String, name: &str) {
    if is_plain(name) { out.push_str(name) } else { quoted(out, name) }
}

pub(super) fn capture(out: &mut String, module: &str, function: &str, arity: u8) {
    let start = out.len();
    out.push('&');
    atom(out, module);
    // Elixir 1.14 cannot capture other names.
    let is_ascii = function.bytes().all(|byte| matches!(byte, 0x20..=0x7e));
    let needs_escapes = function.contains(['"', '\\']) || function.contains("#{");
    if matches!(function, "__aliases__" | "__block__") || !is_ascii || needs_escapes {
        out.truncate(start);
        out.push_str("Function.capture(");
        atom(out, module);
        out.push_str(", ");
        atom(out, function);
        let _ = write!(out, ", {arity})");
        return;
    }
    out.push('.');
    let mut characters = function.strip_suffix(['?', '!']).unwrap_or(function).chars();
    let is_name = characters.next().is_some_and(|first| first.is_ascii_lowercase() || first == '_')
        && characters.all(|each| each.is_ascii_alphanumeric() || each == '_');
    if is_name {
        out.push_str(function)
    } else {
        quoted(out, function)
    }
    let _ = write!(out, "/{arity}");
}

pub(super) fn alias(name: &str) -> Option<&str> {
    if name == "Elixir" {
        return Some(name);
    }
    let alias = name.strip_prefix("Elixir.")?;
    let is_segment = |segment: &str| {
        let mut characters = segment.chars();
        characters.next().is_some_and(|first| first.is_ascii_uppercase())
            && characters.all(|each| each.is_ascii_alphanumeric() || each == '_')
    };
    // `Elixir.Foo` already means the module `Foo`.
    let first = alias.split('.').next();
    (alias.split('.').all(is_segment) && first != Some("Elixir")).then_some(alias)
}

/// `inspect` does not print aliases as keywords.
pub(super) fn is_keyword(name: &str) -> bool {
    name != "Elixir" && !name.starts_with("Elixir.")
}

fn is_plain(name: &str) -> bool {
    let mut characters = name.strip_suffix(['?', '!']).unwrap_or(name).chars();
    characters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && characters.all(|each| each.is_ascii_alphanumeric() || each == '_' || each == '@')
}

pub(super) fn quoted(out: &mut String, text: &str) {
    out.push('"');
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        // `#{` begins an interpolation.
        let is_interpolation = character == '#' && characters.peek() == Some(&'{');
        if matches!(character, '"' | '\\') || is_interpolation {
            out.extend(['\\', character]);
        } else if let Some(letter) = letter(character) {
            out.extend(['\\', letter]);
        } else if is_invisible(character) {
            let _ = write!(out, "\\u{{{:X}}}", u32::from(character));
        } else {
            out.push(character);
        }
    }
    out.push('"');
}
