//! The `digest` header: SHA-256 of the body as sent (RFC 3230, RFC 5843).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use ring::digest::{Context, SHA256};

use crate::pieces::pieces;

const PREFIX: &str = "SHA-256=";
const ENCODED: usize = 44;

pub(crate) fn digest_of(body: &[u8]) -> HeaderValue {
    HeaderValue::from_bytes(&text_of(body)).unwrap_or(HeaderValue::from_static(PREFIX))
}

/// The digest is not secret, so the comparison need not be in constant time.
pub(crate) fn is_digest_of(value: &HeaderValue, body: &[u8]) -> bool {
    value.as_bytes().trim_ascii() == text_of(body)
}

fn text_of(body: &[u8]) -> [u8; PREFIX.len() + ENCODED] {
    let mut context = Context::new(&SHA256);
    for piece in pieces(body) {
        context.update(piece);
    }
    let mut text = [0; PREFIX.len() + ENCODED];
    let (prefix, encoded) = text.split_at_mut(PREFIX.len());
    prefix.copy_from_slice(PREFIX.as_bytes());
    // 32 bytes fit.
    let _ = STANDARD.encode_slice(context.finish(), encoded);
    text
}
