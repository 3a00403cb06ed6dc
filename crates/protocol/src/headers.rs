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
pub(crate) const AUDIENCE: HeaderName = HeaderName::from_static("x-backwater-audience");
pub(crate) const CALLER: HeaderName = HeaderName::from_static("x-backwater-caller");
pub(crate) const CREATED: HeaderName = HeaderName::from_static("x-backwater-created");
pub(crate) const DETAIL: HeaderName = HeaderName::from_static("x-backwater-detail");
pub(crate) const STREAM: HeaderName = HeaderName::from_static("x-backwater-stream");
pub(crate) const TIMEOUT: HeaderName = HeaderName::from_static("x-backwater-timeout");

pub(crate) const ETF: HeaderValue = HeaderValue::from_static("application/x-erlang-etf");
pub(crate) const STREAM_TYPE: HeaderValue =
    HeaderValue::from_static("application/x-backwater-stream");
pub(crate) const STREAM_OR_ETF: HeaderValue =
    HeaderValue::from_static("application/x-backwater-stream, application/x-erlang-etf");
pub(crate) const GZIP: HeaderValue = HeaderValue::from_static("gzip");
pub(crate) const IDENTITY: HeaderValue = HeaderValue::from_static("identity");

pub(crate) fn request_id_text(id: [u8; 16]) -> [u8; 24] {
    let mut text = [0; 24];
    // 16 bytes take 24 characters.
    let _ = STANDARD.encode_slice(id, &mut text);
    text
}

/// Common names need no parsing.
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

/// Headers that must not be repeated, because readers disagree about which value to use.
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

pub(crate) fn duplicate(headers: &HeaderMap) -> Option<&'static str> {
    if headers.keys_len() == headers.len() {
        return None;
    }
    UNIQUE.into_iter().find(|name| headers.get_all(*name).iter().nth(1).is_some())
}
