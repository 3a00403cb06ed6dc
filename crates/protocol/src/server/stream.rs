use backwater_etf::tape::MAX_DEPTH;
use backwater_etf::{EncodeOptions, Encoder, TapeRef};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, EXPIRES, PRAGMA};
use http::{HeaderName, HeaderValue, Response};

use super::Settings;
use super::response::{RETURN, RespondError, ResponseContext, answer, sign_head};
use crate::content::Encoding;
use crate::headers::{REQUEST_ID, STREAM, STREAM_TYPE};
use crate::stream::{FrameEncoder, key_of};

/// Sorted.
const SIGNED: [HeaderName; 6] = [CACHE_CONTROL, CONTENT_TYPE, EXPIRES, PRAGMA, STREAM, REQUEST_ID];

/// Makes nginx forward each frame at once. nginx removes the header, so it is not signed.
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// Returns the head of a stream and the encoder of its frames, or `None` if the caller does not
/// accept a stream. `nonce` must be random.
pub fn begin_stream(
    context: &ResponseContext,
    nonce: [u8; 16],
    settings: &Settings,
) -> Option<(Response<()>, FrameEncoder)> {
    let request = context.stream.as_deref()?;
    let mut response = Response::new(());
    let headers = response.headers_mut();
    headers.reserve(8);
    // Compressing proxies would delay frames.
    headers.insert(
        CACHE_CONTROL,
        HeaderValue::from_static("private, no-cache, no-store, must-revalidate, no-transform"),
    );
    headers.insert(CONTENT_TYPE, STREAM_TYPE);
    headers.insert(EXPIRES, HeaderValue::from_static("0"));
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    headers.insert(ACCEL_BUFFERING, HeaderValue::from_static("no"));
    let version = format!("1;nonce={}", STANDARD.encode(nonce));
    headers.insert(STREAM, HeaderValue::try_from(version).unwrap_or(HeaderValue::from_static("")));
    let signature = sign_head(&mut response, context, &SIGNED, settings);
    let key = key_of(settings.callers.key(context.secret), request, &signature);
    let accepts_gzip = context.encoding == Encoding::Gzip;
    Some((response, FrameEncoder::new(key, accepts_gzip, settings)))
}

/// Collects a stream into `{return, List}`.
pub struct ListCollector {
    body: Vec<u8>,
    count: u32,
    limit: usize,
}

const LIST: [u8; 5] = [108, 0, 0, 0, 0];
const NIL: u8 = 106;

impl ListCollector {
    pub fn new(settings: &Settings) -> Self {
        let body = [RETURN, &LIST].concat();
        Self { body, count: 0, limit: settings.max_encoded_result_size }
    }

    pub fn size(&self) -> usize {
        self.body.len()
    }

    /// After an error the collector is unusable.
    pub fn push(&mut self, list: TapeRef<'_>, encoder: &mut Encoder) -> Result<(), RespondError> {
        let Self { body, count, limit } = self;
        let options = EncodeOptions { max_size: *limit, max_depth: MAX_DEPTH };
        encoder
            .encode_items(list, &options, body, &mut |_| *count += 1)
            .map_err(|error| RespondError::of(error, *limit))?;
        // The end of the list needs a byte.
        if body.len() < *limit { Ok(()) } else { Err(RespondError::TooLarge { limit: *limit }) }
    }

    pub fn finish(self, context: &ResponseContext, settings: &Settings) -> Response<Bytes> {
        let Self { mut body, count, .. } = self;
        if count == 0 {
            body.truncate(RETURN.len());
        } else {
            let at = RETURN.len() + 1;
            body[at..at + 4].copy_from_slice(&count.to_be_bytes());
        }
        body.push(NIL);
        answer(body, context, settings)
    }
}
