use std::collections::HashSet;

use super::ParseError;
use super::bits::{self, Room};
use super::scanner::{Integer, Scanner, Token, is_reserved_in_text};
use crate::atoms::MAX_CHARS;
use crate::{tags, write};

/// Parses a term as `io:format("~p")` prints it. A dot and comments may follow. The encoding may be
/// longer than Erlang's, and contain equal keys in different forms, which decoding detects.
///
/// # Errors
///
/// The text is not a term, is nested deeper than `max_depth`, or contains a pid, port, reference or
/// closure, whose printed form is incomplete.
pub fn from_erlang(text: &str, max_depth: u32) -> Result<Vec<u8>, ParseError> {
    let mut parser = Parser {
        scanner: Scanner::new(text),
        room: Room::of(text),
        max_depth: max_depth as usize,
        out: vec![tags::VERSION],
        open: Vec::new(),
    };
    parser.run()?;
    Ok(parser.out)
}

struct Parser<'a> {
    scanner: Scanner<'a>,
    room: Room,
    max_depth: usize,
    out: Vec<u8>,
    open: Vec<Open>,
}

struct Open {
    kind: Container,
    token: usize,
    start: usize,
    count: u32,
}

enum Container {
    List {
        /// Two for `[1|[2]]`.
        closers: usize,
        tail: Option<usize>,
    },
    Tuple,
    Map {
        keys: HashSet<Vec<u8>>,
        key: Option<usize>,
    },
}

impl Parser<'_> {
    fn run(&mut self) -> Result<(), ParseError> {
        loop {
            let mut is_complete = self.begin()?;
            while is_complete {
                if self.open.is_empty() {
                    return self.end();
                }
                is_complete = self.add()?;
            }
        }
    }

    fn end(&mut self) -> Result<(), ParseError> {
        self.scanner.skip(".")?;
        match self.scanner.peek()? {
            (Token::End, _) => Ok(()),
            _ => self.scanner.unexpected_next("the end of the term"),
        }
    }

    fn begin(&mut self) -> Result<bool, ParseError> {
        let (token, start) = self.scanner.take()?;
        match token {
            Token::Integer(integer) => self.integer(&integer, false),
            Token::Float(value) => write::float(&mut self.out, value),
            Token::String(text) => self.string(&text),
            Token::Atom { name, quoted } if quoted || !is_reserved_in_text(&name) => {
                self.atom(&name, start)?;
            }
            Token::Atom { name, .. } => self.external_function(&name, start)?,
            Token::Mark(mark) => return self.begin_mark(mark, start),
            Token::End => return Err(self.missing(start, "a term")),
        }
        Ok(true)
    }

    fn begin_mark(&mut self, mark: &str, start: usize) -> Result<bool, ParseError> {
        match mark {
            "[" => {
                if self.scanner.skip("]")? {
                    self.out.push(tags::NIL);
                    return Ok(true);
                }
                self.push(Container::List { closers: 1, tail: None }, tags::LIST, start)
            }
            "{" => {
                if self.scanner.skip("}")? {
                    self.out.extend([tags::SMALL_TUPLE, 0]);
                    return Ok(true);
                }
                self.push(Container::Tuple, tags::LARGE_TUPLE, start)
            }
            "#{" => {
                if self.scanner.skip("}")? {
                    self.out.extend([tags::MAP, 0, 0, 0, 0]);
                    return Ok(true);
                }
                let key = Some(self.out.len() + 5);
                self.push(Container::Map { keys: HashSet::new(), key }, tags::MAP, start)
            }
            "<<" => {
                let bits = bits::read(&mut self.scanner, &mut self.room)?;
                let tag = if bits.partial == 0 { tags::BINARY } else { tags::BIT_BINARY };
                write::header(&mut self.out, tag, bits.bytes.len() as u32);
                self.out.extend((bits.partial > 0).then_some(bits.partial));
                self.out.extend(bits.bytes);
                Ok(true)
            }
            "-" | "+" => self.signed(mark == "-").map(|()| true),
            _ => Err(self.scanner.unexpected(start, "a term")),
        }
    }

    fn push(&mut self, kind: Container, tag: u8, token: usize) -> Result<bool, ParseError> {
        if self.open.len() >= self.max_depth {
            let limit = format!("deeper than {} levels (option maxDepth)", self.max_depth);
            return Err(self.scanner.error(format!("the term is nested {limit}"), token));
        }
        let start = self.out.len();
        self.out.extend([tag, 0, 0, 0, 0]);
        self.open.push(Open { kind, token, start, count: 0 });
        Ok(false)
    }

    fn integer(&mut self, integer: &Integer, negative: bool) {
        let value = integer.small().and_then(|value| i64::try_from(value).ok());
        match value.map(|value| if negative { -value } else { value }) {
            Some(value) => write::integer(&mut self.out, value),
            None => write::big(&mut self.out, &integer.magnitude, negative),
        }
    }

    fn string(&mut self, text: &str) {
        if text.is_empty() {
            self.out.push(tags::NIL);
            return;
        }
        write::header(&mut self.out, tags::LIST, text.chars().count() as u32);
        for character in text.chars() {
            write::integer(&mut self.out, u32::from(character).into());
        }
        self.out.push(tags::NIL);
    }

    fn atom(&mut self, name: &str, start: usize) -> Result<(), ParseError> {
        if name.len() > MAX_CHARS && name.chars().count() > MAX_CHARS {
            let message = format!("an atom can have at most {MAX_CHARS} characters");
            return Err(self.scanner.error(message, start));
        }
        write::atom(&mut self.out, name.as_bytes());
        Ok(())
    }

    fn signed(&mut self, negative: bool) -> Result<(), ParseError> {
        let (token, start) = self.scanner.take()?;
        match token {
            Token::Float(value) => {
                write::float(&mut self.out, if negative { -value } else { value })
            }
            Token::Integer(integer) => self.integer(&integer, negative),
            _ => return Err(self.scanner.unexpected(start, "a number after the sign")),
        }
        Ok(())
    }

    /// `fun Module:Function/Arity`.
    fn external_function(&mut self, word: &str, start: usize) -> Result<(), ParseError> {
        if word != "fun" {
            let expected = format!("a term (the atom '{word}' needs quotes)");
            return Err(self.scanner.unexpected(start, &expected));
        }
        self.out.push(tags::EXPORT);
        self.name("the module after fun")?;
        if !self.scanner.skip(":")? {
            return self.scanner.unexpected_next("':' after the module");
        }
        self.name("the name of the function")?;
        if !self.scanner.skip("/")? {
            return self.scanner.unexpected_next("'/' and the arity");
        }
        let (token, start) = self.scanner.take()?;
        match token {
            Token::Integer(integer) if !integer.is_character => {
                if let Some(arity) = integer.small().and_then(|value| u8::try_from(value).ok()) {
                    self.out.extend([tags::SMALL_INTEGER, arity]);
                    return Ok(());
                }
            }
            _ => {}
        }
        Err(self.scanner.unexpected(start, "an arity from 0 to 255"))
    }

    /// OTP prints reserved words here without quotes.
    fn name(&mut self, what: &str) -> Result<(), ParseError> {
        let (token, start) = self.scanner.take()?;
        match token {
            Token::Atom { name, .. } => self.atom(&name, start),
            _ => Err(self.scanner.unexpected(start, &format!("an atom as {what}"))),
        }
    }

    fn add(&mut self) -> Result<bool, ParseError> {
        let Some(open) = self.open.last_mut() else { return Ok(true) };
        match &mut open.kind {
            Container::List { tail: Some(_), .. } => self.close_list(),
            Container::List { tail: None, closers } => {
                open.count += 1;
                if self.scanner.skip(",")? {
                    return Ok(false);
                }
                if !self.scanner.skip("|")? {
                    return self.close_list();
                }
                if !self.scanner.skip("[")? {
                    let end = self.out.len();
                    open.kind = Container::List { tail: Some(end), closers: *closers };
                    return Ok(false);
                }
                // A tail that is a list continues this list.
                *closers += 1;
                if matches!(self.scanner.peek()?, (Token::Mark("]"), _)) {
                    return self.close_list();
                }
                Ok(false)
            }
            Container::Tuple => {
                open.count += 1;
                if self.scanner.skip(",")? {
                    return Ok(false);
                }
                self.close("}", "',' or '}'")
            }
            Container::Map { .. } => self.add_to_map(),
        }
    }

    fn add_to_map(&mut self) -> Result<bool, ParseError> {
        let end = self.out.len();
        let Some(open) = self.open.last_mut() else { return Ok(true) };
        let Container::Map { keys, key } = &mut open.kind else { return Ok(true) };
        if let Some(start) = key.take() {
            let encoded = &self.out[start..];
            if !keys.insert(encoded.to_vec()) {
                let (_, start) = *self.scanner.peek()?;
                return Err(self.scanner.error("the map already has this key", start));
            }
            if !self.scanner.skip("=>")? {
                let (_, start) = *self.scanner.peek()?;
                return Err(self.missing(start, "'=>' after a key"));
            }
            return Ok(false);
        }
        open.count += 1;
        *key = Some(end);
        if self.scanner.skip(",")? {
            return Ok(false);
        }
        self.close("}", "',' or '}'")
    }

    fn close_list(&mut self) -> Result<bool, ParseError> {
        let Some(Open { kind: Container::List { closers, tail }, .. }) = self.open.last() else {
            return Ok(true);
        };
        let (closers, tail) = (*closers, *tail);
        let expected = if tail.is_some() { "']'" } else { "',', '|' or ']'" };
        for _ in 1..closers {
            if !self.scanner.skip("]")? {
                let (_, start) = *self.scanner.peek()?;
                return Err(self.missing(start, expected));
            }
        }
        match tail {
            None => self.out.push(tags::NIL),
            // A tail that is a string continues this list with its items.
            Some(at) if self.out.get(at) == Some(&tags::LIST) => {
                let header: Vec<u8> = self.out.drain(at..at + 5).collect();
                if let (Some(open), Some(count)) = (self.open.last_mut(), header.last_chunk()) {
                    open.count += u32::from_be_bytes(*count);
                }
            }
            Some(_) => {}
        }
        self.close("]", expected)
    }

    fn close(&mut self, mark: &str, expected: &str) -> Result<bool, ParseError> {
        if !self.scanner.skip(mark)? {
            let (_, start) = *self.scanner.peek()?;
            return Err(self.missing(start, expected));
        }
        if let Some(Open { start, count, .. }) = self.open.pop() {
            self.out[start + 1..start + 5].copy_from_slice(&count.to_be_bytes());
        }
        Ok(true)
    }

    /// At the end of the text, the error names the open container.
    fn missing(&self, start: usize, expected: &str) -> ParseError {
        let is_end = self.scanner.is_end(start);
        let Some(open) = self.open.last().filter(|_| is_end) else {
            return self.scanner.unexpected(start, expected);
        };
        let kind = match open.kind {
            Container::List { .. } => "list",
            Container::Tuple => "tuple",
            Container::Map { .. } => "map",
        };
        let (line, column) = self.scanner.place(open.token);
        let begin = format!("the {kind} that begins in line {line}, column {column}");
        self.scanner.unexpected(start, &format!("{expected} in {begin}"))
    }
}
