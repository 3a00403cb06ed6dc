use std::fmt;
use std::sync::Arc;

use backwater_etf::tape::MAX_DEPTH;
use backwater_etf::{EncodeError, EncodeErrorKind, EncodeOptions, Encoder, TapeRef};
use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, EXPIRES, PRAGMA,
};
use http::{HeaderName, HeaderValue, Response};

use super::Settings;
use crate::content::Encoding;
use crate::headers::{DIGEST, ETF, GZIP, REQUEST_ID, SIGNATURE};
use crate::signature::{Signed, Tag, sign};
use crate::{digest, gzip};

/// Sorted.
const SIGNED: [HeaderName; 8] = [
    CACHE_CONTROL,
    CONTENT_ENCODING,
    CONTENT_LENGTH,
    CONTENT_TYPE,
    DIGEST,
    EXPIRES,
    PRAGMA,
    REQUEST_ID,
];

/// The encoding up to the value.
pub(super) const RETURN: &[u8] = b"\x83h\x02w\x06return";
const EXCEPTION: &[u8] = b"\x83h\x02w\x09exception";

#[derive(Clone, Debug)]
pub struct ResponseContext {
    pub(crate) request_id: HeaderValue,
    pub(crate) encoding: Encoding,
    /// The secret that signed the request also signs the response.
    pub(crate) secret: usize,
    pub(crate) caller: Option<Arc<str>>,
    /// The request's signature if the caller accepts a stream.
    pub(crate) stream: Option<Box<Tag>>,
}

impl ResponseContext {
    pub fn request_id(&self) -> &HeaderValue {
        &self.request_id
    }

    pub fn caller(&self) -> Option<&Arc<str>> {
        self.caller.as_ref()
    }

    /// See [`super::begin_stream`].
    pub fn accepts_stream(&self) -> bool {
        self.stream.is_some()
    }
}

#[derive(Clone, Copy, Debug)]
pub enum ResponseTerm<'a> {
    Return(TapeRef<'a>),
    /// `{Class, Reason, Stacktrace}`.
    Exception(TapeRef<'a>),
}

#[derive(Clone, Debug, PartialEq)]
pub enum RespondError {
    Encode(EncodeError),
    TooLarge { limit: usize },
}

impl RespondError {
    pub(crate) fn of(error: EncodeError, limit: usize) -> Self {
        match error.kind {
            EncodeErrorKind::TooLarge(_) => Self::TooLarge { limit },
            _ => Self::Encode(error),
        }
    }
}

impl fmt::Display for RespondError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Encode(error) => write!(formatter, "{error}"),
            Self::TooLarge { limit } => write!(
                formatter,
                "the encoded result is larger than maxEncodedResultSize, {limit} bytes"
            ),
        }
    }
}

impl std::error::Error for RespondError {}

pub fn respond(
    context: &ResponseContext,
    term: ResponseTerm<'_>,
    encoder: &mut Encoder,
    settings: &Settings,
) -> Result<Response<Bytes>, RespondError> {
    let limit = settings.max_encoded_result_size;
    let (prefix, tape) = match term {
        ResponseTerm::Return(tape) => (RETURN, tape),
        ResponseTerm::Exception(tape) => (EXCEPTION, tape),
    };
    let mut body = Vec::with_capacity(256);
    body.extend_from_slice(prefix);
    // JavaScript has already checked the depth against its option.
    let options = EncodeOptions { max_size: limit, max_depth: MAX_DEPTH };
    encoder
        .encode_term(tape, &options, &mut body)
        .map_err(|error| RespondError::of(error, limit))?;
    Ok(answer(body, context, settings))
}

pub(super) fn answer(
    body: Vec<u8>,
    context: &ResponseContext,
    settings: &Settings,
) -> Response<Bytes> {
    let wanted = context.encoding == Encoding::Gzip && body.len() >= settings.compression_threshold;
    let packed = if wanted { gzip::deflate(&body, settings.gzip_level) } else { None };
    let is_packed = packed.is_some();
    let mut response = Response::new(Bytes::from(packed.unwrap_or(body)));
    let headers = response.headers_mut();
    headers.reserve(10);
    let no_cache = HeaderValue::from_static("private, no-cache, no-store, must-revalidate");
    headers.insert(CACHE_CONTROL, no_cache);
    headers.insert(CONTENT_TYPE, ETF);
    headers.insert(EXPIRES, HeaderValue::from_static("0"));
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    if is_packed {
        headers.insert(CONTENT_ENCODING, GZIP);
    }
    seal(&mut response, context, &SIGNED, settings);
    response
}

/// Adds length, digest, request id and a signature over `signed`.
pub(crate) fn seal(
    response: &mut Response<Bytes>,
    context: &ResponseContext,
    signed: &[HeaderName],
    settings: &Settings,
) {
    let length = HeaderValue::from(response.body().len());
    let body_digest = digest::digest_of(response.body());
    let headers = response.headers_mut();
    headers.insert(CONTENT_LENGTH, length);
    headers.insert(DIGEST, body_digest);
    sign_head(response, context, signed, settings);
}

/// Like `seal`, without length and digest.
pub(super) fn sign_head<B>(
    response: &mut Response<B>,
    context: &ResponseContext,
    signed: &[HeaderName],
    settings: &Settings,
) -> Tag {
    let status = response.status();
    let headers = response.headers_mut();
    headers.insert(REQUEST_ID, context.request_id.clone());
    let response_status = [status.as_str()];
    let message = Signed {
        pseudo_name: "(response-status)",
        pseudo_value: &response_status,
        headers,
        replaced: None,
    };
    let signature = sign(message, signed, settings.callers.key(context.secret), "");
    headers.insert(SIGNATURE, signature.parameters);
    signature.tag
}
