//! Answers that may come in parts.

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

/// Proxies may buffer a stream and give its length: that is of no importance, and need not be signed.
const DEMANDS: Demands = Demands {
    mandatory: &["content-type", "x-request-id", "x-backwater-stream"],
    if_present: &["content-encoding"],
};

/// That a request takes a stream as its answer. The frames are bound to its signature.
#[derive(Clone, Debug)]
pub struct StreamOffer {
    pub(super) request: Tag,
}

/// The answer to a request that takes streams, with a head that is authentic.
#[derive(Debug)]
pub enum Answer {
    /// It is a stream.
    Stream(AuthenticatedStream),
    /// It is an answer as to any other request.
    Whole(AuthenticatedResponse),
}

/// [`authenticate`] for a request that was signed with an offer. `secrets` are those of the request.
///
/// # Errors
///
/// When nothing that the response says may be believed.
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
        // It is signed, so it is there.
        version: headers.get(STREAM).cloned().unwrap_or(HeaderValue::from_static("")),
    }))
}

/// A stream whose head is signed by somebody who knows the secret, and answers this request.
#[derive(Debug)]
pub struct AuthenticatedStream {
    key: hmac::Key,
    encoding: Option<Encoding>,
    version: HeaderValue,
}

impl AuthenticatedStream {
    /// What reads its frames. An item may have so many bytes.
    ///
    /// # Errors
    ///
    /// When the stream is of an unknown version, or compressed as a whole.
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

/// Whether a value is `1;nonce=` and 16 bytes.
fn is_version_1(value: &HeaderValue) -> bool {
    let nonce = value.as_bytes().strip_prefix(b"1;nonce=");
    nonce.and_then(|nonce| STANDARD.decode(nonce).ok()).is_some_and(|nonce| nonce.len() == 16)
}
