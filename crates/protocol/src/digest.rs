//! The `digest` header: SHA-256 over the body as sent (RFC 3230, RFC 5843).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::HeaderValue;
use ring::digest::{Context, SHA256};

use crate::pieces::pieces;

const PREFIX: &str = "SHA-256=";
/// 32 bytes in base64.
const ENCODED: usize = 44;

/// The header's value for a body.
pub(crate) fn digest_of(body: &[u8]) -> HeaderValue {
    let text = Bytes::from(text_of(body));
    HeaderValue::from_maybe_shared(text).unwrap_or(HeaderValue::from_static(PREFIX))
}

/// Whether a header's value is the digest of a body. It is signed and not secret, so any comparison
/// will do.
pub(crate) fn is_digest_of(value: &HeaderValue, body: &[u8]) -> bool {
    value.as_bytes().trim_ascii() == text_of(body).as_bytes()
}

fn text_of(body: &[u8]) -> String {
    let mut text = String::with_capacity(PREFIX.len() + ENCODED);
    text.push_str(PREFIX);
    let mut context = Context::new(&SHA256);
    for piece in pieces(body) {
        context.update(piece);
    }
    STANDARD.encode_string(context.finish(), &mut text);
    text
}
