use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Write;

use super::escape::{is_printable, is_printable_code};
use super::{elixir, erlang, integer};
use crate::error::{DecodeError, DecodeErrorKind as Kind};
use crate::reader::Reader;
use crate::tags;
use crate::term::{Term, children, read};

#[derive(Clone, Copy, Debug)]
pub struct PrintOptions {
    pub language: Language,
    /// Whether lists of printable ASCII become text.
    pub charlists: bool,
    pub structs: bool,
    /// Prints deeper terms as `...`, and cuts binaries to 32 bytes.
    pub max_depth: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// Like `io:format("~tp")`.
    Erlang,
    /// Like `inspect/1`.
    Elixir,
}

const SHOWN_BYTES: usize = 32;

/// Prints the term that follows the version byte.
pub fn print(encoded: &[u8], options: &PrintOptions) -> Result<String, DecodeError> {
    let mut reader = Reader { input: encoded, at: 0 };
    if reader.u8()? != tags::VERSION {
        reader.at = 0;
        return reader.fail(Kind::Version);
    }
    let ends = ends(reader)?;
    let mut printer =
        Printer { reader, options, ends, out: String::new(), open: Vec::new(), fields: Vec::new() };
    printer.run()?;
    Ok(printer.out)
}

fn ends(mut reader: Reader<'_>) -> Result<HashMap<usize, usize>, DecodeError> {
    let mut ends = HashMap::new();
    let mut open: Vec<(usize, u64)> = Vec::new();
    loop {
        let begin = reader.at;
        match children(&read(&mut reader)?) {
            0 => {}
            count => {
                open.push((begin, count));
                continue;
            }
        }
        loop {
            let Some((begin, left)) = open.last_mut() else { return Ok(ends) };
            *left -= 1;
            if *left > 0 {
                break;
            }
            ends.insert(*begin, reader.at);
            open.pop();
        }
    }
}

struct Printer<'a> {
    reader: Reader<'a>,
    options: &'a PrintOptions,
    ends: HashMap<usize, usize>,
    out: String,
    open: Vec<Open>,
    fields: Vec<std::vec::IntoIter<Cow<'a, str>>>,
}

struct Open {
    kind: Container,
    left: u64,
    is_first: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Container {
    List,
    Tail,
    Tuple,
    /// A tuple without its braces.
    Pair,
    KeywordList,
    Map,
    /// A map with keywords.
    Fields,
    /// A map without its key `__struct__`.
    Struct,
    Record,
}

impl<'a> Printer<'a> {
    fn run(&mut self) -> Result<(), DecodeError> {
        self.term()?;
        while let Some(open) = self.open.last() {
            if open.left > 0 { self.next()? } else { self.close()? }
        }
        Ok(())
    }

    fn is_elixir(&self) -> bool {
        self.options.language == Language::Elixir
    }

    fn separate(&mut self) {
        self.out.push_str(if self.is_elixir() { ", " } else { "," });
    }

    fn next(&mut self) -> Result<(), DecodeError> {
        let Some(open) = self.open.last_mut() else { return Ok(()) };
        open.left -= 1;
        let (kind, left) = (open.kind, open.left);
        let is_first = std::mem::replace(&mut open.is_first, false);
        let is_value = matches!(kind, Container::Map | Container::Fields | Container::Struct)
            && left.is_multiple_of(2);
        if is_value {
            if kind == Container::Map {
                self.out.push_str(" => ");
            }
            return self.term();
        }
        if kind == Container::Struct && self.skip_struct_key()? {
            if let Some(open) = self.open.last_mut() {
                open.left -= 1;
                open.is_first = is_first;
            }
            return Ok(());
        }
        if !is_first && kind != Container::Pair {
            self.separate();
        }
        match kind {
            Container::Fields | Container::Struct => self.keyword(),
            Container::Pair if is_first => self.keyword(),
            Container::Record => {
                if let Some(name) = self.fields.last_mut().and_then(Iterator::next) {
                    erlang::atom(&mut self.out, &name);
                    self.out.push_str(" = ");
                }
                self.term()
            }
            Container::KeywordList => {
                read(&mut self.reader)?;
                self.open.push(Open { kind: Container::Pair, left: 2, is_first: true });
                Ok(())
            }
            _ => self.term(),
        }
    }

    fn keyword(&mut self) -> Result<(), DecodeError> {
        if let Term::Atom(name) = read(&mut self.reader)? {
            elixir::keyword(&mut self.out, &name);
            self.out.push_str(": ");
        }
        Ok(())
    }

    fn skip_struct_key(&mut self) -> Result<bool, DecodeError> {
        let start = self.reader.at;
        if matches!(read(&mut self.reader)?, Term::Atom(name) if name == "__struct__") {
            self.skip()?;
            return Ok(true);
        }
        self.reader.at = start;
        Ok(false)
    }

    fn skip(&mut self) -> Result<(), DecodeError> {
        let begin = self.reader.at;
        read(&mut self.reader)?;
        self.reader.at = self.ends.get(&begin).copied().unwrap_or(self.reader.at);
        Ok(())
    }

    fn close(&mut self) -> Result<(), DecodeError> {
        let Some(open) = self.open.pop() else { return Ok(()) };
        match open.kind {
            Container::Pair => {}
            Container::Tuple | Container::Map | Container::Fields | Container::Struct => {
                self.out.push('}');
            }
            Container::Record => {
                self.fields.pop();
                self.out.push('}');
            }
            Container::KeywordList => {
                read(&mut self.reader)?;
                self.out.push(']');
            }
            Container::List => {
                let start = self.reader.at;
                if matches!(read(&mut self.reader)?, Term::Nil) {
                    self.out.push(']');
                    return Ok(());
                }
                self.reader.at = start;
                self.out.push_str(if self.is_elixir() { " | " } else { "|" });
                self.open.push(Open { kind: Container::Tail, left: 1, is_first: true });
            }
            Container::Tail => self.out.push(']'),
        }
        Ok(())
    }

    fn open(&mut self, kind: Container, text: &str, left: u64) {
        self.out.push_str(text);
        self.open.push(Open { kind, left, is_first: true });
    }

    fn term(&mut self) -> Result<(), DecodeError> {
        if self.options.max_depth.is_some_and(|depth| self.open.len() > depth) {
            self.out.push_str("...");
            return self.skip();
        }
        let term = read(&mut self.reader)?;
        match term {
            Term::Integer(value) => {
                let _ = write!(self.out, "{value}");
            }
            Term::Big { negative, magnitude } => {
                let prefix = if self.is_elixir() { "0x" } else { "16#" };
                integer::write(&mut self.out, negative, magnitude, prefix);
            }
            Term::Float(value) => float(&mut self.out, value),
            Term::Atom(name) => self.atom(&name),
            Term::Nil => self.out.push_str("[]"),
            Term::String(bytes) => self.string(bytes),
            Term::Binary(bytes) => self.binary(bytes),
            Term::Bits { bytes, bits } => {
                if let [rest @ .., last] = bytes {
                    self.bytes(rest, Some((last >> (8 - bits), bits)));
                }
            }
            Term::List(count) => self.list(count)?,
            Term::Tuple(count) => self.open(Container::Tuple, "{", count.into()),
            Term::Map(count) => self.map(count)?,
            Term::NativeRecord { module, name, fields } => {
                self.out.push('#');
                erlang::atom(&mut self.out, &module);
                self.out.push(':');
                erlang::atom(&mut self.out, &name);
                self.open(Container::Record, "{", fields.len() as u64);
                self.fields.push(fields.into_iter());
            }
            Term::Pid { id, serial } => {
                let prefix = if self.is_elixir() { "#PID" } else { "" };
                let _ = write!(self.out, "{prefix}<0.{id}.{serial}>");
            }
            Term::Port(id) => {
                let _ = write!(self.out, "#Port<0.{id}>");
            }
            Term::Reference(ids) => {
                self.out.push_str(if self.is_elixir() { "#Reference<0" } else { "#Ref<0" });
                for id in ids.iter().rev() {
                    let _ = write!(self.out, ".{id}");
                }
                self.out.push('>');
            }
            Term::ExternalFunction { module, function, arity } if self.is_elixir() => {
                elixir::capture(&mut self.out, &module, &function, arity);
            }
            Term::ExternalFunction { module, function, arity } => {
                self.out.push_str("fun ");
                erlang::atom(&mut self.out, &module);
                self.out.push(':');
                erlang::atom(&mut self.out, &function);
                let _ = write!(self.out, "/{arity}");
            }
            Term::Fun { module, arity, old_index, old_uniq } if self.is_elixir() => {
                let _ = write!(self.out, "#Function<{old_index}.{old_uniq}/{arity} in ");
                elixir::atom(&mut self.out, &module);
                self.out.push('>');
            }
            Term::Fun { module, old_index, old_uniq, .. } => {
                self.out.push_str("#Fun<");
                erlang::atom(&mut self.out, &module);
                let _ = write!(self.out, ".{old_index}.{old_uniq}>");
            }
        }
        Ok(())
    }

    fn atom(&mut self, name: &str) {
        if self.is_elixir() {
            elixir::atom(&mut self.out, name)
        } else {
            erlang::atom(&mut self.out, name)
        }
    }

    fn list(&mut self, count: u32) -> Result<(), DecodeError> {
        if self.options.charlists
            && let Some(text) = self.charlist(count)?
        {
            self.text_of_list(&text);
            return Ok(());
        }
        let keywords = self.is_elixir() && self.is_keyword_list(count)?;
        let kind = if keywords { Container::KeywordList } else { Container::List };
        self.open(kind, "[", count.into());
        Ok(())
    }

    fn is_keyword_list(&mut self, count: u32) -> Result<bool, DecodeError> {
        let start = self.reader.at;
        let mut fits = true;
        for _ in 0..count {
            let begin = self.reader.at;
            fits = matches!(read(&mut self.reader)?, Term::Tuple(2))
                && is_keyword(&read(&mut self.reader)?);
            if !fits {
                break;
            }
            self.reader.at = self.ends[&begin];
        }
        fits = fits && matches!(read(&mut self.reader)?, Term::Nil);
        self.reader.at = start;
        Ok(fits)
    }

    fn keywords_of_map(&mut self, count: u32) -> Result<(bool, Option<Cow<'a, str>>), DecodeError> {
        let start = self.reader.at;
        let (mut keywords, mut module) = (count > 0, None);
        for _ in 0..count {
            let key = read(&mut self.reader)?;
            if !is_keyword(&key) {
                keywords = false;
                break;
            }
            let value = self.reader.at;
            if matches!(key, Term::Atom(name) if name == "__struct__")
                && let Term::Atom(name) = read(&mut self.reader)?
            {
                let is_module = elixir::alias(&name).is_some_and(|alias| alias != "Elixir");
                module = is_module.then_some(name);
            }
            self.reader.at = value;
            self.skip()?;
        }
        self.reader.at = start;
        Ok((keywords, module))
    }

    fn charlist(&mut self, count: u32) -> Result<Option<Vec<u8>>, DecodeError> {
        let start = self.reader.at;
        let mut text = Vec::new();
        for _ in 0..count {
            match read(&mut self.reader)? {
                Term::Integer(code @ 0..=255) if is_printable_code(code as u8) => {
                    text.push(code as u8);
                }
                _ => {
                    self.reader.at = start;
                    return Ok(None);
                }
            }
        }
        if matches!(read(&mut self.reader)?, Term::Nil) {
            return Ok(Some(text));
        }
        self.reader.at = start;
        Ok(None)
    }

    fn string(&mut self, bytes: &[u8]) {
        if self.options.charlists && bytes.iter().all(|byte| is_printable_code(*byte)) {
            return self.text_of_list(bytes);
        }
        self.out.push('[');
        self.numbers(bytes);
        self.out.push(']');
    }

    fn text_of_list(&mut self, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes);
        if self.is_elixir() {
            self.out.push_str("~c");
            elixir::quoted(&mut self.out, &text);
        } else {
            erlang::quoted(&mut self.out, &text, '"');
        }
    }

    fn binary(&mut self, bytes: &[u8]) {
        match std::str::from_utf8(bytes) {
            Ok("") if !self.is_elixir() => self.out.push_str("<<>>"),
            // Erlang has no syntax for these two characters.
            Ok(text)
                if text.chars().all(is_printable)
                    && (self.is_elixir() || !text.contains(['\u{fffe}', '\u{ffff}'])) =>
            {
                self.text(text);
            }
            _ => self.bytes(bytes, None),
        }
    }

    fn text(&mut self, text: &str) {
        if self.is_elixir() {
            elixir::quoted(&mut self.out, text);
            return;
        }
        self.out.push_str("<<");
        erlang::quoted(&mut self.out, text, '"');
        self.out.push_str(if text.is_ascii() { ">>" } else { "/utf8>>" });
    }

    fn bytes(&mut self, bytes: &[u8], rest: Option<(u8, u8)>) {
        let is_cut = self.options.max_depth.is_some() && bytes.len() > SHOWN_BYTES;
        let shown = if is_cut { &bytes[..SHOWN_BYTES] } else { bytes };
        self.out.push_str("<<");
        self.numbers(shown);
        if !shown.is_empty() && (is_cut || rest.is_some()) {
            self.separate();
        }
        match rest {
            _ if is_cut => self.out.push_str("..."),
            Some((value, bits)) if self.is_elixir() => {
                let _ = write!(self.out, "{value}::size({bits})");
            }
            Some((value, bits)) => {
                let _ = write!(self.out, "{value}:{bits}");
            }
            None => {}
        }
        self.out.push_str(">>");
    }

    fn numbers(&mut self, bytes: &[u8]) {
        for (index, byte) in bytes.iter().enumerate() {
            if index > 0 {
                self.separate();
            }
            let _ = write!(self.out, "{byte}");
        }
    }

    fn map(&mut self, count: u32) -> Result<(), DecodeError> {
        let left = 2 * u64::from(count);
        if !self.is_elixir() {
            self.open(Container::Map, "#{", left);
            return Ok(());
        }
        match self.keywords_of_map(count)? {
            (true, Some(module)) if self.options.structs => {
                self.out.push('%');
                elixir::atom(&mut self.out, &module);
                self.open(Container::Struct, "{", left);
            }
            (true, _) => self.open(Container::Fields, "%{", left),
            (false, _) => self.open(Container::Map, "%{", left),
        }
        Ok(())
    }
}

fn is_keyword(term: &Term<'_>) -> bool {
    matches!(term, Term::Atom(name) if elixir::is_keyword(name))
}

/// The shortest decimal that reads back as the same double.
fn float(out: &mut String, value: f64) {
    let text = format!("{value:e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-6..21).contains(&exponent) {
        let plain = format!("{value}");
        out.push_str(&plain);
        if !plain.contains('.') {
            out.push_str(".0");
        }
        return;
    }
    out.push_str(mantissa);
    if !mantissa.contains('.') {
        out.push_str(".0");
    }
    let _ = write!(out, "e{exponent}");
}
