use http::header::CONTENT_LENGTH;
use http::{HeaderMap, HeaderValue};
use memchr::{memchr, memchr2};

/// NUL is invalid, and the empty line makes hyper parse it at once.
pub(crate) const REFUSED: &[u8] = b"\0\n\n";

/// Digits that always fit into 64 bits.
const DIGITS: usize = 19;

/// Follows the head that hyper reads. Unlike RFC 9112, hyper accepts a bare LF as a line end, a
/// fragment in the target, and repeated `content-length`. It also refuses lengths over 64 bits
/// before the request can be authenticated.
#[derive(Debug)]
pub(crate) struct RawHead {
    at: At,
    after_cr: bool,
    length: Option<u64>,
    has_digits: bool,
    /// Digits after leading zeros.
    significant: usize,
    /// Digits beyond 64 bits.
    surplus: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// Empty lines may precede a request (RFC 9112, 2.2).
    Start,
    Method,
    Target,
    LineStart,
    /// The number of bytes that match `content-length:`.
    Name(usize),
    Length,
    Line,
    /// After the CR of the empty line.
    End,
    Body(u64),
    Refused,
}

const NAME: &[u8] = b"content-length:";

fn is_another_header(line: &[u8]) -> bool {
    let colon = line.get(NAME.len() - 1);
    colon.is_some_and(|byte| *byte != b':') && !matches!(line[0], b'\r' | b'\n')
}

struct Refuse;

impl RawHead {
    pub(crate) fn new() -> Self {
        Self {
            at: At::Start,
            after_cr: false,
            length: None,
            has_digits: false,
            significant: 0,
            surplus: Vec::new(),
        }
    }

    /// Returns the index of a refused byte, where [`REFUSED`] goes. Replaces a length's digits
    /// beyond [`DIGITS`] with spaces.
    pub(crate) fn read(&mut self, bytes: &mut [u8]) -> Option<usize> {
        let mut next = 0;
        while next < bytes.len() {
            let in_body = matches!(self.at, At::Body(_));
            let skipped = self.skip(&bytes[next..]);
            if skipped == 0 && self.byte(&mut bytes[next]).is_err() {
                self.at = At::Refused;
                return Some(next);
            }
            next += skipped.max(1);
            self.after_cr = bytes[next - 1] == b'\r' && !in_body;
        }
        None
    }

    /// Restores the removed digits, because they were signed.
    pub(crate) fn restore_length(&self, headers: &mut HeaderMap) {
        let Some(length) = headers.get_mut(CONTENT_LENGTH) else { return };
        let digits = length.as_bytes();
        let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
        if digits.len() - zeros == DIGITS && !self.surplus.is_empty() {
            let whole = HeaderValue::from_bytes(&[digits, &self.surplus].concat());
            *length = whole.unwrap_or_else(|_| length.clone());
        }
    }

    pub(crate) fn is_in_message(&self) -> bool {
        self.at != At::Start
    }

    pub(crate) fn missing(&self) -> Option<u64> {
        match self.at {
            At::Start => Some(0),
            At::Body(missing) => Some(missing),
            _ => None,
        }
    }

    /// For a message whose end is unknown.
    pub(crate) fn refuse(&mut self) {
        self.at = At::Refused;
    }

    fn skip(&mut self, bytes: &[u8]) -> usize {
        let found = match &mut self.at {
            At::Method => memchr2(b' ', b'\n', bytes),
            At::Target => memchr2(b'#', b'\n', bytes),
            At::Line => memchr(b'\n', bytes),
            At::Body(missing) => {
                let length = bytes.len().min(usize::try_from(*missing).unwrap_or(usize::MAX));
                *missing -= length as u64;
                if *missing == 0 {
                    self.at = At::Start;
                }
                Some(length)
            }
            At::Refused => None,
            At::LineStart if is_another_header(bytes) => {
                self.at = At::Line;
                memchr(b'\n', bytes)
            }
            At::Start | At::LineStart | At::Name(_) | At::Length | At::End => Some(0),
        };
        found.unwrap_or(bytes.len())
    }

    fn byte(&mut self, byte: &mut u8) -> Result<(), Refuse> {
        self.at = match (self.at, *byte) {
            // Only CR and LF together end a line.
            (At::Start | At::Method | At::Target | At::Line | At::End, b'\n') if !self.after_cr => {
                return Err(Refuse);
            }
            (At::LineStart, b'\n') | (At::Target, b'#') => return Err(Refuse),
            (At::Start, b'\r' | b'\n') => At::Start,
            (At::Start, _) => At::Method,
            (At::Method, b' ') => At::Target,
            (At::Method | At::Target | At::Line, b'\n') => At::LineStart,
            (At::LineStart, b'\r') => At::End,
            (At::LineStart, _) => {
                self.at = At::Name(0);
                return self.byte(byte);
            }
            (At::End, b'\n') => self.head_end(),
            (At::Name(matched), _) if byte.eq_ignore_ascii_case(&NAME[matched]) => {
                if matched + 1 == NAME.len() {
                    self.length_begins()?
                } else {
                    At::Name(matched + 1)
                }
            }
            (At::Length, b'0'..=b'9') => {
                self.digit(byte);
                At::Length
            }
            (At::Length, b' ' | b'\t') if !self.has_digits => At::Length,
            (At::Name(_) | At::Length, _) => {
                self.at = At::Line;
                return self.byte(byte);
            }
            // hyper refuses this byte.
            (At::End, _) => At::Line,
            (at, _) => at,
        };
        Ok(())
    }

    fn length_begins(&mut self) -> Result<At, Refuse> {
        if self.length.is_some() {
            return Err(Refuse);
        }
        self.length = Some(0);
        self.has_digits = false;
        self.significant = 0;
        self.surplus.clear();
        Ok(At::Length)
    }

    fn digit(&mut self, byte: &mut u8) {
        let digit = *byte - b'0';
        self.has_digits = true;
        if digit == 0 && self.significant == 0 {
            return;
        }
        self.significant += 1;
        if self.significant > DIGITS {
            self.surplus.push(*byte);
            *byte = b' ';
        } else {
            self.length = self.length.map(|length| length * 10 + u64::from(digit));
        }
    }

    fn head_end(&mut self) -> At {
        match self.length.take() {
            None | Some(0) => At::Start,
            Some(length) => At::Body(length),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn pass(bytes: &[u8], size: usize) -> (Vec<u8>, RawHead) {
        let mut head = RawHead::new();
        let mut passed = Vec::new();
        for piece in bytes.chunks(size) {
            let mut piece = piece.to_vec();
            if let Some(at) = head.read(&mut piece) {
                passed.extend_from_slice(&piece[..at]);
                passed.extend_from_slice(REFUSED);
                break;
            }
            passed.extend_from_slice(&piece);
        }
        (passed, head)
    }

    fn refused_at(bytes: &str) -> Option<usize> {
        let whole = pass(bytes.as_bytes(), bytes.len()).0;
        for size in 1..bytes.len() {
            assert_eq!(pass(bytes.as_bytes(), size).0, whole, "{bytes:?} in pieces of {size}");
        }
        whole.strip_suffix(REFUSED).map(<[u8]>::len)
    }

    const HEAD: &str = "POST /a HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\n";

    #[test]
    fn well_formed_requests_pass() {
        for bytes in [
            HEAD,
            &format!("{HEAD}a\nb{HEAD}\n\n\n"),
            &format!("{HEAD}a\r\n{HEAD}"),
            &format!("\r\n\r\n{HEAD}"),
            "GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\ncontent-lengths: 1\r\ncontent: 2\r\n\r\n",
            "P#T /a HTTP/1.1\r\nx: #\r\n\r\n",
            "GET / HTTP/1.1\r\nContent-Length:0\r\n\r\nGET / HTTP/1.1\r\nCONTENT-LENGTH: 0\r\n\r\n",
        ] {
            assert_eq!(refused_at(bytes), None, "{bytes:?}");
        }
    }

    #[test]
    fn faults_hidden_by_hyper_are_refused() {
        for marked in [
            "|\nGET / HTTP/1.1\r\n\r\n",
            "\r\n|\nGET / HTTP/1.1\r\n\r\n",
            "GET|\n / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1|\n\r\n",
            "GET / HTTP/1.1\r\nx: y|\nz: y\r\n\r\n",
            "GET / HTTP/1.1\r\nx: y\r\n|\n",
            "GET / HTTP/1.1\r\ncon|\nz: y\r\n\r\n",
            "GET / HTTP/1.1\r\ncontent-length: 1|\nz: y\r\n\r\n",
            "GET /|#a HTTP/1.1\r\n\r\n",
            "GET http://x|#a HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\ncontent-length: 3\r\nContent-Length|: 3\r\n\r\n",
            "GET / HTTP/1.1\r\ncontent-length:\r\ncontent-length|:\r\n\r\n",
        ] {
            let at = marked.find('|').unwrap();
            let bytes = marked.replace('|', "");
            assert_eq!(refused_at(&bytes), Some(at), "{bytes:?}");
            let behind = format!("{HEAD}ab\r{bytes}");
            assert_eq!(refused_at(&behind), Some(HEAD.len() + 3 + at), "{behind:?}");
        }
    }

    #[test]
    fn lengths_beyond_64_bits_are_shortened_and_restored() {
        for digits in [
            "0",
            "9",
            "007",
            "9999999999999999999",
            "18446744073709551615",
            "18446744073709551616",
            "00000000000000000000000000000000009",
            "000018446744073709551616",
            &"9".repeat(1000),
        ] {
            let bytes = format!("GET / HTTP/1.1\r\ncontent-length:  {digits} \r\nx: y\r\n\r\n");
            for size in [1, 2, 7, 40, bytes.len()] {
                let (passed, head) = pass(bytes.as_bytes(), size);
                assert_eq!(passed.len(), bytes.len());
                let mut headers = [httparse::EMPTY_HEADER; 4];
                let mut request = httparse::Request::new(&mut headers);
                assert!(request.parse(&passed).unwrap().is_complete());
                let value = HeaderValue::from_bytes(request.headers[0].value).unwrap();
                assert!(value.to_str().unwrap().parse::<u64>().is_ok(), "{value:?}");
                let mut headers = HeaderMap::from_iter([(CONTENT_LENGTH, value)]);
                head.restore_length(&mut headers);
                assert_eq!(headers[CONTENT_LENGTH], digits);
            }
        }
        for digits in ["99999999999999999999x", "99999999999999999999 9", "99999999999999999999,9"]
        {
            let bytes = format!("GET / HTTP/1.1\r\ncontent-length: {digits}\r\n\r\n");
            let (passed, _) = pass(bytes.as_bytes(), bytes.len());
            let mut headers = [httparse::EMPTY_HEADER; 4];
            let mut request = httparse::Request::new(&mut headers);
            assert!(request.parse(&passed).unwrap().is_complete());
            let value = std::str::from_utf8(request.headers[0].value).unwrap();
            assert!(value.parse::<u64>().is_err(), "{value:?}");
        }
    }

    #[test]
    fn heads_end_where_hypers_parser_ends_them() {
        const PARTS: [&str; 22] = [
            "\r\n",
            "\r",
            "\n",
            "\r\n\r\n",
            "GET ",
            "/",
            "/a",
            " ",
            " HTTP/1.1",
            " HTTP/1.1\r\n",
            "#",
            "host: x",
            "content-length: ",
            "Content-Length:",
            "12",
            "0",
            "\t",
            "x: y",
            ":",
            "x",
            "\0",
            ",",
        ];
        let mut random = 0x9e37_79b9_7f4a_7c15_u64;
        let mut below = |limit: usize| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            (random >> 16) as usize % limit
        };
        let mut complete = 0;
        for _ in 0..200_000 {
            let mut text = String::from("GET / HTTP/1.1\r\n");
            (0..below(9)).for_each(|_| text.push_str(PARTS[below(PARTS.len())]));
            let mut bytes = format!("{text}\r\n\r\n").into_bytes();
            let mut head = RawHead::new();
            let refused = head.read(&mut bytes);
            let mut headers = [httparse::EMPTY_HEADER; 16];
            let mut request = httparse::Request::new(&mut headers);
            let Ok(httparse::Status::Complete(end)) = request.parse(&bytes) else { continue };
            if refused.is_some_and(|at| at < end) {
                continue;
            }
            let mut head = RawHead::new();
            assert_eq!(head.read(&mut bytes.clone()[..end]), None);
            let mut lengths = request
                .headers
                .iter()
                .filter(|header| header.name.eq_ignore_ascii_case("content-length"));
            let length = lengths.next().map(|header| {
                std::str::from_utf8(header.value).ok().and_then(|value| value.parse::<u64>().ok())
            });
            assert!(lengths.next().is_none());
            match length {
                None | Some(Some(0)) => assert_eq!(head.at, At::Start, "{text:?}"),
                Some(Some(length)) => assert_eq!(head.at, At::Body(length), "{text:?}"),
                Some(None) => continue,
            }
            complete += 1;
        }
        assert!(complete > 1000, "{complete}");
    }
}
