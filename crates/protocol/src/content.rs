//! Types and encodings, and their negotiation (RFC 9110, sections 8 and 12).

use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};

use crate::gzip;
use crate::headers::{ETF, GZIP};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Identity,
    Gzip,
}

impl Encoding {
    /// Gzip from some peers is longer than its content.
    pub(crate) fn limit(self, limit: usize) -> usize {
        match self {
            Self::Identity => limit,
            Self::Gzip => gzip::bound(limit),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ContentType {
    Etf,
    Stream,
    Other,
    /// Missing, or not `type/subtype`.
    Malformed,
}

pub(crate) fn content_type(headers: &HeaderMap) -> ContentType {
    let value = headers.get(CONTENT_TYPE);
    if value == Some(&ETF) {
        return ContentType::Etf;
    }
    let Some(value) = value.and_then(|value| value.to_str().ok()) else {
        return ContentType::Malformed;
    };
    let media_type = value.split(';').next().unwrap_or_default().trim();
    match media_type.split_once('/') {
        Some((kind, subtype)) if is_token(kind) && is_token(subtype) => {
            if is_etf(media_type) {
                ContentType::Etf
            } else if is_stream(media_type) {
                ContentType::Stream
            } else {
                ContentType::Other
            }
        }
        _ => ContentType::Malformed,
    }
}

/// `None` if unsupported. Case-sensitive.
pub(crate) fn content_encoding(headers: &HeaderMap) -> Option<Encoding> {
    match headers.get(CONTENT_ENCODING).map(HeaderValue::as_bytes) {
        None | Some(b"identity") => Some(Encoding::Identity),
        Some(b"gzip") => Some(Encoding::Gzip),
        Some(_) => None,
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Accepted {
    Streams,
    Terms,
    Neither,
}

/// Prefers a stream if it is listed before terms.
pub(crate) fn accepted(headers: &HeaderMap) -> Accepted {
    let value = headers.get(ACCEPT);
    if value == Some(&ETF) {
        return Accepted::Terms;
    }
    let Some(value) = value.and_then(|value| value.to_str().ok()) else {
        return Accepted::Neither;
    };
    let mut accepted = Accepted::Terms;
    for (name, _) in choices(value).filter(|(_, quality)| *quality > 0) {
        if is_etf(name) {
            return accepted;
        }
        if is_stream(name) {
            accepted = Accepted::Streams;
        }
    }
    Accepted::Neither
}

pub(crate) fn accepted_encoding(headers: &HeaderMap) -> Encoding {
    let value = headers.get(ACCEPT_ENCODING);
    if value == Some(&GZIP) {
        return Encoding::Gzip;
    }
    let Some(value) = value.and_then(|value| value.to_str().ok()) else {
        return Encoding::Identity;
    };
    let mut best = (0, Encoding::Identity);
    for (name, quality) in choices(value) {
        let encoding = match name {
            _ if name.eq_ignore_ascii_case("gzip") => Encoding::Gzip,
            _ if name.eq_ignore_ascii_case("identity") => Encoding::Identity,
            _ => continue,
        };
        if quality > best.0 {
            best = (quality, encoding);
        }
    }
    best.1
}

fn choices(value: &str) -> impl Iterator<Item = (&str, u32)> {
    value.split(',').map(|item| {
        let mut parts = item.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let quality = parts.find_map(|part| {
            let (key, value) = part.split_once('=')?;
            key.trim().eq_ignore_ascii_case("q").then(|| thousandths(value.trim()))
        });
        (name, quality.unwrap_or(1000))
    })
}

/// RFC 9110, 12.4.2; 0 if malformed.
fn thousandths(text: &str) -> u32 {
    match text.parse::<f64>() {
        Ok(quality) if (0.0..=1.0).contains(&quality) => (quality * 1000.0).round() as u32,
        _ => 0,
    }
}

fn is_etf(media_type: &str) -> bool {
    media_type.eq_ignore_ascii_case("application/x-erlang-etf")
}

fn is_stream(media_type: &str) -> bool {
    media_type.eq_ignore_ascii_case("application/x-backwater-stream")
}

fn is_token(text: &str) -> bool {
    let is_special = |byte| b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || is_special(byte))
}
