//! Names and values of the protocol's headers.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{
    ACCEPT, ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE,
    EXPIRES, GetAll, PRAGMA,
};
use http::{HeaderMap, HeaderName, HeaderValue};

pub(crate) const DIGEST: HeaderName = HeaderName::from_static("digest");
pub(crate) const SIGNATURE: HeaderName = HeaderName::from_static("signature");
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Whom a request is for.
pub(crate) const AUDIENCE: HeaderName = HeaderName::from_static("x-backwater-audience");
/// Who has sent a request, as a hint; see [`crate::server::Callers`].
pub(crate) const CALLER: HeaderName = HeaderName::from_static("x-backwater-caller");
/// When a request was made; see [`crate::Timestamp`].
pub(crate) const CREATED: HeaderName = HeaderName::from_static("x-backwater-created");
/// What a refusal says beyond the text that the protocol has for it.
pub(crate) const DETAIL: HeaderName = HeaderName::from_static("x-backwater-detail");
/// The version and nonce of a stream; see [`crate::stream`].
pub(crate) const STREAM: HeaderName = HeaderName::from_static("x-backwater-stream");
/// How long the caller still waits; see [`crate::CallTimeout`].
pub(crate) const TIMEOUT: HeaderName = HeaderName::from_static("x-backwater-timeout");

pub(crate) const ETF: HeaderValue = HeaderValue::from_static("application/x-erlang-etf");
/// The type of the frames of a stream.
pub(crate) const STREAM_TYPE: HeaderValue =
    HeaderValue::from_static("application/x-backwater-stream");
/// What a client accepts that would rather have a stream than a whole answer.
pub(crate) const STREAM_OR_ETF: HeaderValue =
    HeaderValue::from_static("application/x-backwater-stream, application/x-erlang-etf");
pub(crate) const GZIP: HeaderValue = HeaderValue::from_static("gzip");
pub(crate) const IDENTITY: HeaderValue = HeaderValue::from_static("identity");

/// The identifier of a request as it stands in a header.
pub(crate) fn request_id_text(id: [u8; 16]) -> [u8; 24] {
    let mut text = [0; 24];
    // Never fails: sixteen bytes take 24 characters.
    let _ = STANDARD.encode_slice(id, &mut text);
    text
}

/// The values of a header. Names that nearly every message has are looked up several times as fast as
/// others, which have to be read as a name first.
pub(crate) fn get_all<'a>(headers: &'a HeaderMap, name: &str) -> GetAll<'a, HeaderValue> {
    static USUAL: [HeaderName; 11] = [
        ACCEPT,
        ACCEPT_ENCODING,
        CACHE_CONTROL,
        CONTENT_ENCODING,
        CONTENT_LENGTH,
        CONTENT_TYPE,
        DIGEST,
        EXPIRES,
        PRAGMA,
        REQUEST_ID,
        TIMEOUT,
    ];
    match USUAL.iter().find(|usual| usual.as_str() == name) {
        Some(usual) => headers.get_all(usual),
        None => headers.get_all(name),
    }
}

/// Headers of which a message has one at most: where readers would differ in which one they take, a
/// message is refused.
const UNIQUE: [&str; 15] = [
    "authorization",
    "digest",
    "content-encoding",
    "content-length",
    "content-type",
    "accept",
    "accept-encoding",
    "x-request-id",
    "x-backwater-audience",
    "x-backwater-caller",
    "x-backwater-created",
    "x-backwater-detail",
    "x-backwater-stream",
    "x-backwater-timeout",
    "signature",
];

/// The first header that stands twice and may not.
pub(crate) fn duplicate(headers: &HeaderMap) -> Option<&'static str> {
    // Without any repeated name there are as many names as values.
    if headers.keys_len() == headers.len() {
        return None;
    }
    UNIQUE.into_iter().find(|name| headers.get_all(*name).iter().nth(1).is_some())
}
