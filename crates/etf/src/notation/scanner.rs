use super::ParseError;
use super::erlang::is_reserved;
use super::escape::is_invisible;
use super::integer;

/// The digits of OTP 27's largest integer, which has 4,194,303 bits.
const MOST_DIGITS: usize = 1_262_611;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Integer(Integer),
    Float(f64),
    String(String),
    Atom { name: String, quoted: bool },
    Mark(&'static str),
    End,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Integer {
    /// Lowest byte first, without leading zeros.
    pub(super) magnitude: Vec<u8>,
    /// Written like `$a`.
    pub(super) is_character: bool,
}

impl Integer {
    pub(super) fn small(&self) -> Option<u64> {
        let mut bytes = [0; 8];
        bytes.get_mut(..self.magnitude.len())?.copy_from_slice(&self.magnitude);
        Some(u64::from_le_bytes(bytes))
    }
}

/// Longer marks come first.
const MARKS: [&str; 18] =
    ["<<", ">>", "=>", ":=", "{", "}", "[", "]", "(", ")", ",", "|", "/", ":", "-", "+", ".", ";"];

const HASH: &str = "#{";

pub(super) struct Scanner<'a> {
    text: &'a str,
    at: usize,
    next: Option<(Token, usize)>,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0, next: None }
    }

    pub(super) fn peek(&mut self) -> Result<&(Token, usize), ParseError> {
        if self.next.is_none() {
            self.next = Some(self.scan()?);
        }
        Ok(self.next.get_or_insert((Token::End, self.at)))
    }

    pub(super) fn take(&mut self) -> Result<(Token, usize), ParseError> {
        match self.next.take() {
            Some(token) => Ok(token),
            None => self.scan(),
        }
    }

    pub(super) fn skip(&mut self, mark: &str) -> Result<bool, ParseError> {
        let found = matches!(self.peek()?, (Token::Mark(next), _) if *next == mark);
        if found {
            self.next = None;
        }
        Ok(found)
    }

    pub(super) fn unexpected(&self, start: usize, expected: &str) -> ParseError {
        let found = match self.excerpt(start) {
            None => "the text ends".to_owned(),
            Some(excerpt) => format!("found '{excerpt}'"),
        };
        self.error(format!("expected {expected}, but {found}"), start)
    }

    pub(super) fn unexpected_next<T>(&mut self, expected: &str) -> Result<T, ParseError> {
        let (_, start) = *self.peek()?;
        Err(self.unexpected(start, expected))
    }

    pub(super) fn error(&self, message: impl Into<String>, start: usize) -> ParseError {
        ParseError::after(&self.text[..start], message)
    }

    pub(super) fn place(&self, start: usize) -> (usize, usize) {
        super::place(&self.text[..start])
    }

    pub(super) fn is_end(&self, start: usize) -> bool {
        start == self.text.len()
    }

    fn excerpt(&self, start: usize) -> Option<String> {
        let rest = &self.text[start..];
        if let Some(mark) =
            ["<<", ">>", "=>", ":=", "#{"].iter().find(|mark| rest.starts_with(**mark))
        {
            return Some((*mark).to_owned());
        }
        let is_word = |each: &char| each.is_alphanumeric() || matches!(each, '_' | '@');
        let word: String = rest.chars().take_while(is_word).take(37).collect();
        if word.chars().count() == 37 {
            return Some(format!("{}…", word.chars().take(36).collect::<String>()));
        }
        if !word.is_empty() {
            return Some(word);
        }
        let first = rest.chars().next()?;
        Some(match first {
            '\'' | '\\' => format!("\\{first}"),
            first if is_invisible(first) => first.escape_default().to_string(),
            first => first.to_string(),
        })
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn scan(&mut self) -> Result<(Token, usize), ParseError> {
        self.skip_blanks();
        let start = self.at;
        let Some(first) = self.rest().chars().next() else { return Ok((Token::End, start)) };
        if let Some(what) = opaque(self.rest()) {
            let message =
                format!("a {what} cannot be read back because its printed form is incomplete");
            return Err(self.error(message, start));
        }
        let token = match first {
            '0'..='9' => self.number()?,
            '"' => self.string()?,
            '\'' => Token::Atom { name: self.quoted('\'', "atom")?, quoted: true },
            '$' => self.character()?,
            '#' => self.hash()?,
            _ if is_atom_start(first) => {
                let name = self.word();
                Token::Atom { name: name.to_owned(), quoted: false }
            }
            _ if is_variable_start(first) => {
                let message = match self.excerpt(start) {
                    Some(name) => format!("'{name}' is a variable, not a term"),
                    None => "found a variable, not a term".to_owned(),
                };
                return Err(self.error(message, start));
            }
            _ => {
                let rest = self.rest();
                let mark = MARKS.iter().find(|mark| rest.starts_with(**mark));
                let Some(mark) = mark else { return Err(self.unexpected(start, "a term")) };
                self.at += mark.len();
                Token::Mark(mark)
            }
        };
        Ok((token, start))
    }

    fn word(&mut self) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|each| !is_word_character(each)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    fn skip_blanks(&mut self) {
        loop {
            let rest = self.rest();
            let blank = rest.len() - rest.trim_start_matches(is_blank).len();
            self.at += blank;
            if self.byte() != Some(b'%') {
                return;
            }
            let rest = self.rest();
            self.at += rest.find('\n').unwrap_or(rest.len());
        }
    }

    /// Blanks may separate `#` and `{`.
    fn hash(&mut self) -> Result<Token, ParseError> {
        let start = self.at;
        let rest = self.rest()[1..].trim_start_matches(is_blank);
        if !rest.starts_with('{') {
            return Err(self.unexpected(start, "a term"));
        }
        self.at = self.text.len() - rest.len() + 1;
        Ok(Token::Mark(HASH))
    }

    fn number(&mut self) -> Result<Token, ParseError> {
        let start = self.at;
        let digits = self.digits(|byte| byte.is_ascii_digit(), start)?;
        if self.byte() == Some(b'#') {
            return self.number_in_base(&digits, start);
        }
        let is_digit = |at: usize| self.text.as_bytes().get(at).is_some_and(u8::is_ascii_digit);
        if self.byte() != Some(b'.') || !is_digit(self.at + 1) {
            return Ok(integer(integer::parse(&digits, 10)));
        }
        let mut text = digits;
        self.at += 1;
        text.push(b'.');
        text.extend(self.digits(|byte| byte.is_ascii_digit(), start)?);
        if matches!(self.byte(), Some(b'e' | b'E')) {
            let sign = self.text.as_bytes().get(self.at + 1).copied();
            let signed = matches!(sign, Some(b'+' | b'-'));
            if self
                .text
                .as_bytes()
                .get(self.at + 1 + usize::from(signed))
                .is_some_and(u8::is_ascii_digit)
            {
                self.at += 1 + usize::from(signed);
                text.push(b'e');
                text.extend(sign.filter(|sign| *sign == b'-'));
                text.extend(self.digits(|byte| byte.is_ascii_digit(), start)?);
            }
        }
        let value = String::from_utf8_lossy(&text).parse().unwrap_or(f64::INFINITY);
        if !f64::is_finite(value) {
            return Err(self.error("a float is out of range", start));
        }
        Ok(Token::Float(value))
    }

    fn digits(
        &mut self,
        is_digit: impl Fn(u8) -> bool,
        start: usize,
    ) -> Result<Vec<u8>, ParseError> {
        let rest = self.rest().as_bytes();
        let is_part = |(index, byte): (usize, &u8)| is_digit(*byte) || index > 0 && *byte == b'_';
        let end = rest.iter().enumerate().position(|each| !is_part(each)).unwrap_or(rest.len());
        let text = &rest[..end];
        self.at += end;
        if text.ends_with(b"_") || text.windows(2).any(|pair| pair == b"__") {
            return Err(self.error("an underscore must be between two digits", start));
        }
        let digits: Vec<u8> = text.iter().copied().filter(|byte| *byte != b'_').collect();
        if digits.len() > MOST_DIGITS {
            return Err(
                self.error(format!("a number can have at most {MOST_DIGITS} digits"), start)
            );
        }
        Ok(digits)
    }

    fn number_in_base(&mut self, base: &[u8], start: usize) -> Result<Token, ParseError> {
        let radix = String::from_utf8_lossy(base).parse::<u32>();
        let Some(radix) = radix.ok().filter(|radix| (2..=36).contains(radix)) else {
            return Err(self.error("the base of a number must be from 2 to 36", start));
        };
        self.at += 1;
        let digits = self.digits(|byte| byte.is_ascii_alphanumeric(), start)?;
        let wrong =
            digits.iter().map(|byte| char::from(*byte)).find(|digit| !digit.is_digit(radix));
        if digits.is_empty() || wrong.is_some() {
            let found = wrong.map_or("none".to_owned(), |digit| format!("'{digit}'"));
            let message = format!("expected digits of base {radix}, but found {found}");
            return Err(self.error(message, start));
        }
        Ok(integer(integer::parse(&digits, radix)))
    }

    fn character(&mut self) -> Result<Token, ParseError> {
        let start = self.at;
        self.at += 1;
        let code = match self.rest().chars().next() {
            None => return Err(self.error("expected a character, but the text ends", start)),
            Some('\\') => self.escape()?,
            Some(character) => {
                self.at += character.len_utf8();
                character
            }
        };
        let magnitude = integer::parse(u32::from(code).to_string().as_bytes(), 10);
        Ok(Token::Integer(Integer { magnitude, is_character: true }))
    }

    /// Joins adjacent strings.
    fn string(&mut self) -> Result<Token, ParseError> {
        let mut text = self.quoted('"', "string")?;
        loop {
            self.skip_blanks();
            if self.byte() != Some(b'"') {
                return Ok(Token::String(text));
            }
            text.push_str(&self.quoted('"', "string")?);
        }
    }

    fn quoted(&mut self, quote: char, what: &str) -> Result<String, ParseError> {
        let start = self.at;
        self.at += 1;
        if quote == '"'
            && let Some(rest) = self.rest().strip_prefix("\"\"")
        {
            let line = rest.split('\n').next().unwrap_or_default();
            if line.len() < rest.len() && line.chars().all(is_blank) {
                return Err(self.error("triple-quoted strings are not supported", start));
            }
        }
        let mut text = String::new();
        loop {
            let rest = self.rest();
            let Some(stop) = rest.find([quote, '\\']) else {
                let message =
                    format!("expected {quote} at the end of the {what}, but the text ends");
                return Err(self.error(message, start));
            };
            text.push_str(&rest[..stop]);
            self.at += stop;
            if rest[stop..].starts_with(quote) {
                self.at += 1;
                return Ok(text);
            }
            text.push(self.escape()?);
        }
    }

    /// OTP reference manual, "Data Types", Escape Sequences.
    fn escape(&mut self) -> Result<char, ParseError> {
        let start = self.at;
        self.at += 1;
        let rest = self.rest();
        let Some(first) = rest.chars().next() else {
            let message = "expected a character after the backslash, but the text ends";
            return Err(self.error(message, start));
        };
        match first {
            'x' => {
                let (digits, length) = match rest[1..].strip_prefix('{') {
                    Some(braced) => {
                        let digits = braced.split('}').next().unwrap_or_default();
                        let is_closed = digits.len() < braced.len();
                        let fits = is_closed && (1..=6).contains(&digits.len());
                        (fits.then_some(digits), digits.len() + 3)
                    }
                    None => (rest.get(1..3), 3),
                };
                let is_hexadecimal =
                    |digits: &&str| digits.bytes().all(|byte| byte.is_ascii_hexdigit());
                let code = digits.filter(is_hexadecimal).and_then(|digits| {
                    u32::from_str_radix(digits, 16).ok().and_then(char::from_u32)
                });
                let Some(code) = code else {
                    let message = "expected two hexadecimal digits, or a character in braces";
                    return Err(self.error(message, start));
                };
                self.at += length;
                Ok(code)
            }
            '0'..='7' => {
                let count = rest.bytes().take(3).take_while(|byte| matches!(byte, b'0'..=b'7'));
                let code = count.fold(0, |code, digit| {
                    self.at += 1;
                    code * 8 + u32::from(digit - b'0')
                });
                Ok(char::from_u32(code).unwrap_or_default())
            }
            '^' => match rest.as_bytes().get(1) {
                Some(b'?') => {
                    self.at += 2;
                    Ok('\x7f')
                }
                Some(control @ (b'@'..=b'_' | b'a'..=b'z')) => {
                    self.at += 2;
                    Ok(char::from(control & 31))
                }
                _ => Err(self.error("expected a letter after '\\^'", start)),
            },
            _ => {
                self.at += first.len_utf8();
                Ok(match first {
                    'b' => '\x08',
                    'd' => '\x7f',
                    'e' => '\x1b',
                    'f' => '\x0c',
                    'n' => '\n',
                    'r' => '\r',
                    's' => ' ',
                    't' => '\t',
                    'v' => '\x0b',
                    other => other,
                })
            }
        }
    }
}

fn integer(magnitude: Vec<u8>) -> Token {
    Token::Integer(Integer { magnitude, is_character: false })
}

fn opaque(text: &str) -> Option<&'static str> {
    for (prefix, what) in [("#Ref<", "reference"), ("#Port<", "port"), ("#Fun<", "closure")] {
        if text.starts_with(prefix) {
            return Some(what);
        }
    }
    let mut rest = text.strip_prefix('<')?;
    for end in ['.', '.', '>'] {
        let after = rest.trim_start_matches(|each: char| each.is_ascii_digit());
        if after.len() == rest.len() {
            return None;
        }
        rest = after.strip_prefix(end)?;
    }
    Some("pid")
}

/// JavaScript's `\s`, a superset of Erlang's white space.
fn is_blank(character: char) -> bool {
    matches!(character, '\u{feff}') || character.is_whitespace() && character != '\u{85}'
}

fn is_atom_start(character: char) -> bool {
    matches!(character, 'a'..='z' | 'ß'..='ö' | 'ø'..='ÿ')
}

fn is_variable_start(character: char) -> bool {
    matches!(character, 'A'..='Z' | '_' | 'À'..='Ö' | 'Ø'..='Þ')
}

fn is_word_character(character: char) -> bool {
    is_atom_start(character) || is_variable_start(character) || matches!(character, '0'..='9' | '@')
}

/// OTP before 27 prints `maybe` and `else` without quotes.
pub(super) fn is_reserved_in_text(name: &str) -> bool {
    is_reserved(name) && !matches!(name, "maybe" | "else")
}
