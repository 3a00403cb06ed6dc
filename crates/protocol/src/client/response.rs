use backwater_etf::{DecodeErrorKind, DecodeOptions, Decoder, ReplyForm, Tape};
use bytes::Bytes;
use http::header::CONNECTION;
use http::{HeaderMap, HeaderValue, StatusCode};

use super::{AuthenticationFailure, RemoteFailure, ResponseFailure};
use crate::content::{self, ContentType, Encoding};
use crate::gzip::{self, GzipError};
use crate::headers::{DETAIL, DIGEST, REQUEST_ID, SIGNATURE, request_id_text};
use crate::signature::{Demands, SignatureFailure, Signed, verify};
use crate::{Secrets, digest, headers};

const DEMANDS: Demands = Demands {
    mandatory: &["digest", "x-request-id"],
    if_present: &["content-type", "content-encoding", "content-length"],
};

/// A response whose head is signed with a known secret.
#[derive(Debug)]
pub struct AuthenticatedResponse {
    status: StatusCode,
    digest: HeaderValue,
    content_type: ContentType,
    encoding: Option<Encoding>,
    detail: Option<HeaderValue>,
}

/// Checks request id and signature.
pub fn authenticate(
    status: StatusCode,
    headers: &HeaderMap,
    secrets: &Secrets,
    request_id: [u8; 16],
) -> Result<AuthenticatedResponse, AuthenticationFailure> {
    let parameters = check_request_id(headers, request_id)?;
    let is_detail_signed = verify_behind_proxies(parameters, status, headers, secrets)
        .map_err(AuthenticationFailure::Signature)?;
    Ok(AuthenticatedResponse {
        status,
        digest: headers.get(DIGEST).cloned().unwrap_or(HeaderValue::from_static("")),
        content_type: content::content_type(headers),
        encoding: content::content_encoding(headers),
        detail: headers.get(DETAIL).filter(|_| is_detail_signed).cloned(),
    })
}

pub(super) fn check_request_id(
    headers: &HeaderMap,
    request_id: [u8; 16],
) -> Result<&HeaderValue, AuthenticationFailure> {
    if let Some(name) = headers::duplicate(headers) {
        let failure = SignatureFailure::DuplicateHeader(name);
        return Err(AuthenticationFailure::Signature(failure));
    }
    let id = headers.get(REQUEST_ID).ok_or(AuthenticationFailure::MissingRequestId)?;
    if id.as_bytes() != request_id_text(request_id) {
        return Err(AuthenticationFailure::MismatchedRequestId);
    }
    headers.get(SIGNATURE).ok_or(AuthenticationFailure::MissingSignatureHeader)
}

/// Erlang's server signs `connection: close` in refusals, but proxies remove or replace it.
/// Verifying it as sent is safe, because only a holder of the secret can have signed it. Returns
/// whether the detail is signed.
fn verify_behind_proxies(
    parameters: &HeaderValue,
    status: StatusCode,
    headers: &HeaderMap,
    secrets: &Secrets,
) -> Result<bool, SignatureFailure> {
    let verify = |replaced| {
        let response_status = [status.as_str()];
        let signed = Signed {
            pseudo_name: "(response-status)",
            pseudo_value: &response_status,
            headers,
            replaced,
        };
        let verified = verify(parameters, "", signed, &DEMANDS, |_| secrets.candidates())?;
        Ok(headers.contains_key(DETAIL) && verified.names.contains(DETAIL.as_str()))
    };
    let failure = match verify(None) {
        Ok(is_detail_signed) => return Ok(is_detail_signed),
        Err(failure) => failure,
    };
    let may_have_been_close = match &failure {
        SignatureFailure::MissingHeader(name) => name.eq_ignore_ascii_case(CONNECTION.as_str()),
        SignatureFailure::InvalidSignature => {
            headers.contains_key(CONNECTION) && headers.get_all(CONNECTION).iter().ne(["close"])
        }
        _ => false,
    };
    if !may_have_been_close {
        return Err(failure);
    }
    verify(Some(("connection", "close"))).map_err(|_: SignatureFailure| failure)
}

impl AuthenticatedResponse {
    pub fn is_compressed(&self) -> bool {
        self.encoding == Some(Encoding::Gzip)
    }

    /// How many bytes of the body to read if a result may have `limit` bytes.
    pub fn max_size(&self, limit: usize) -> usize {
        self.encoding.map_or(limit, |encoding| encoding.limit(limit))
    }

    pub fn verify(self, body: Bytes) -> Result<VerifiedResponse, AuthenticationFailure> {
        if digest::is_digest_of(&self.digest, &body) {
            Ok(VerifiedResponse { head: self, body })
        } else {
            Err(AuthenticationFailure::WrongBodyDigest)
        }
    }
}

#[derive(Debug)]
pub struct VerifiedResponse {
    head: AuthenticatedResponse,
    body: Bytes,
}

impl VerifiedResponse {
    pub fn check_status(self) -> Result<Self, RemoteFailure> {
        if self.head.status == StatusCode::OK {
            Ok(self)
        } else {
            let detail = self.head.detail.as_ref().and_then(|value| value.to_str().ok());
            let detail = detail.map(ToOwned::to_owned);
            Err(RemoteFailure { status: self.head.status, body: self.body, detail })
        }
    }

    pub fn accept(self) -> Result<AcceptedResponse, ResponseFailure> {
        if self.head.content_type != ContentType::Etf {
            return Err(ResponseFailure::InvalidContentType);
        }
        let encoding = self.head.encoding.ok_or(ResponseFailure::InvalidContentEncoding)?;
        Ok(AcceptedResponse { encoding, body: self.body })
    }
}

#[derive(Debug)]
pub struct AcceptedResponse {
    encoding: Encoding,
    body: Bytes,
}

impl AcceptedResponse {
    /// `limit`, in bytes, also applies to uncompressed results.
    pub fn inflate(self, limit: usize) -> Result<Payload, ResponseFailure> {
        match self.inflate_within(limit, limit)? {
            Inflated::Whole(payload) => Ok(payload),
            Inflated::Exceeds(_) => Err(ResponseFailure::Inflate(GzipError::TooLarge { limit })),
        }
    }

    /// Like [`inflate`](Self::inflate), but produces at most `room` bytes.
    pub fn inflate_within(self, room: usize, limit: usize) -> Result<Inflated, ResponseFailure> {
        if self.body.len() > self.encoding.limit(limit) {
            return Err(ResponseFailure::TooLarge { size: self.body.len(), limit });
        }
        let body = match self.encoding {
            Encoding::Identity => self.body,
            Encoding::Gzip => match gzip::inflate(&self.body, room.min(limit)) {
                Ok(inflated) => Bytes::from(inflated),
                Err(GzipError::TooLarge { .. }) if room < limit => {
                    return Ok(Inflated::Exceeds(self));
                }
                Err(error) => return Err(ResponseFailure::Inflate(error)),
            },
        };
        Ok(Inflated::Whole(Payload { body }))
    }
}

#[derive(Debug)]
pub enum Inflated {
    Whole(Payload),
    Exceeds(AcceptedResponse),
}

#[derive(Debug)]
pub struct Payload {
    body: Bytes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Return { word_offset: usize },
    Exception { word_offset: usize },
}

impl Payload {
    /// Returns the bytes that the tape refers to.
    pub fn decode(
        self,
        decoder: &mut Decoder,
        options: &DecodeOptions<'_>,
        tape: &mut Tape,
    ) -> Result<(Outcome, Bytes), ResponseFailure> {
        // The tuple around the value does not count.
        let inside = DecodeOptions { max_depth: options.max_depth.saturating_add(1), ..*options };
        decoder.decode(&self.body, &inside, tape).map_err(|mut error| {
            if let DecodeErrorKind::Depth(limit) = &mut error.kind {
                *limit = options.max_depth;
            }
            ResponseFailure::Decode(error)
        })?;
        let word_offset = ReplyForm::WORD_OFFSET;
        let outcome = match ReplyForm::of(&self.body).ok_or(ResponseFailure::Form)? {
            ReplyForm::Return => Outcome::Return { word_offset },
            ReplyForm::Exception => Outcome::Exception { word_offset },
        };
        Ok((outcome, self.body))
    }
}
