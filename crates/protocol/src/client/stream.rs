use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderValue, StatusCode};
use ring::hmac;

use super::response::{AuthenticatedResponse, authenticate, check_request_id};
use super::{AuthenticationFailure, ResponseFailure};
use crate::Secrets;
use crate::content::{self, ContentType, Encoding};
use crate::headers::STREAM;
use crate::signature::{Demands, Signed, Tag, verify};
use crate::stream::{FrameDecoder, key_of};

/// `content-length` need not be signed, because buffering proxies may add it.
const DEMANDS: Demands = Demands {
    mandatory: &["content-type", "x-request-id", "x-backwater-stream"],
    if_present: &["content-encoding"],
};

/// The signature of a request that accepts a stream. It binds the frames to the request.
#[derive(Clone, Debug)]
pub struct StreamOffer {
    pub(super) request: Tag,
}

#[derive(Debug)]
pub enum Answer {
    Stream(AuthenticatedStream),
    Whole(AuthenticatedResponse),
}

/// Like [`authenticate`], for a request with an offer.
pub fn authenticate_offered(
    status: StatusCode,
    headers: &HeaderMap,
    secrets: &Secrets,
    request_id: [u8; 16],
    offer: &StreamOffer,
) -> Result<Answer, AuthenticationFailure> {
    let is_stream =
        status == StatusCode::OK && content::content_type(headers) == ContentType::Stream;
    if !is_stream {
        return authenticate(status, headers, secrets, request_id).map(Answer::Whole);
    }
    let parameters = check_request_id(headers, request_id)?;
    let signed = Signed {
        pseudo_name: "(response-status)",
        pseudo_value: &[status.as_str()],
        headers,
        replaced: None,
    };
    let verified = verify(parameters, "", signed, &DEMANDS, |_| secrets.candidates())
        .map_err(AuthenticationFailure::Signature)?;
    let secret = &secrets.keys()[verified.secret];
    Ok(Answer::Stream(AuthenticatedStream {
        key: key_of(secret, &offer.request, &verified.tag),
        encoding: content::content_encoding(headers),
        // A signed header is always present.
        version: headers.get(STREAM).cloned().unwrap_or(HeaderValue::from_static("")),
    }))
}

/// A stream with an authentic head.
#[derive(Debug)]
pub struct AuthenticatedStream {
    key: hmac::Key,
    encoding: Option<Encoding>,
    version: HeaderValue,
}

impl AuthenticatedStream {
    /// `max_encoded_result_size` limits each item.
    pub fn decoder(self, max_encoded_result_size: usize) -> Result<FrameDecoder, ResponseFailure> {
        if self.encoding != Some(Encoding::Identity) {
            return Err(ResponseFailure::InvalidContentEncoding);
        }
        if !is_version_1(&self.version) {
            let value = String::from_utf8_lossy(self.version.as_bytes()).into_owned();
            return Err(ResponseFailure::InvalidStreamHead(value));
        }
        Ok(FrameDecoder::new(self.key, max_encoded_result_size))
    }
}

/// `1;nonce=` and 16 bytes in base64.
fn is_version_1(value: &HeaderValue) -> bool {
    let nonce = value.as_bytes().strip_prefix(b"1;nonce=");
    nonce.and_then(|nonce| STANDARD.decode(nonce).ok()).is_some_and(|nonce| nonce.len() == 16)
}
