//! How calls fail, as far as the protocol is concerned.

use std::fmt;

use backwater_etf::{DecodeError, EncodeError};
use bytes::Bytes;
use http::StatusCode;

use crate::SignatureFailure;
use crate::gzip::GzipError;

/// Arguments cannot be sent.
#[derive(Clone, Debug, PartialEq)]
pub enum EncodeFailure {
    /// They are no term.
    Encode(EncodeError),
    /// They are larger than `max_encoded_args_size`.
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// The path or authority cannot stand in a request.
    Target(String),
}

impl fmt::Display for EncodeFailure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Encode(error) => write!(formatter, "{error}"),
            Self::TooLarge { limit } => write!(
                formatter,
                "the encoded arguments are larger than maxEncodedArgsSize, {limit} bytes"
            ),
            Self::Target(text) => write!(formatter, "no request can be made to {text}"),
        }
    }
}

impl std::error::Error for EncodeFailure {}

/// Why a response is not believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthenticationFailure {
    /// It has no request id.
    MissingRequestId,
    /// It has the id of another request.
    MismatchedRequestId,
    /// It is not signed.
    MissingSignatureHeader,
    /// Its signature does not hold.
    Signature(SignatureFailure),
    /// Its body is not the one that was signed.
    WrongBodyDigest,
}

impl AuthenticationFailure {
    /// The protocol's name for it.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::MissingRequestId => "missing_request_id",
            Self::MismatchedRequestId => "mismatched_request_id",
            Self::MissingSignatureHeader => "missing_signature_header",
            Self::Signature(failure) => failure.reason(),
            Self::WrongBodyDigest => "wrong_body_digest",
        }
    }

    /// The header that it speaks of.
    pub fn header(&self) -> Option<&str> {
        match self {
            Self::Signature(failure) => failure.header(),
            _ => None,
        }
    }
}

impl fmt::Display for AuthenticationFailure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signature(failure) => write!(formatter, "{failure}"),
            _ => formatter.write_str(self.reason()),
        }
    }
}

impl std::error::Error for AuthenticationFailure {}

/// The server has refused the call, in an answer that is authentic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteFailure {
    /// The status, not 200.
    pub status: StatusCode,
    /// The body as it was sent.
    pub body: Bytes,
    /// What it says beyond that, in words.
    pub detail: Option<String>,
}

impl fmt::Display for RemoteFailure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = String::from_utf8_lossy(&self.body[..self.body.len().min(200)]);
        write!(formatter, "the server answered {}: {text:?}", self.status.as_u16())
    }
}

impl std::error::Error for RemoteFailure {}

/// An answer that is authentic cannot be understood.
#[derive(Clone, Debug, PartialEq)]
pub enum ResponseFailure {
    /// It is not of the type of terms.
    InvalidContentType,
    /// It is encoded in an unknown way.
    InvalidContentEncoding,
    /// Its body cannot be inflated, or not within the limit.
    Inflate(GzipError),
    /// It is a stream of a version that is not known, or without a nonce: the value of its header.
    InvalidStreamHead(String),
    /// It is larger than the limit.
    TooLarge {
        /// Its size in bytes.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// It is no term.
    Decode(DecodeError),
    /// It is neither a value nor an exception.
    Form,
}

impl ResponseFailure {
    /// The protocol's name for it.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::InvalidContentType => "invalid_content_type",
            Self::InvalidContentEncoding => "invalid_content_encoding",
            Self::InvalidStreamHead(_) => "invalid_stream_head",
            _ => "invalid_body",
        }
    }
}

impl fmt::Display for ResponseFailure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidContentType => {
                formatter.write_str("its content-type is not application/x-erlang-etf")
            }
            Self::InvalidContentEncoding => {
                formatter.write_str("its content-encoding is neither gzip nor identity")
            }
            Self::InvalidStreamHead(value) => write!(
                formatter,
                "its x-backwater-stream is {value:?}, not 1;nonce= and 16 bytes in base64"
            ),
            Self::Inflate(error) => write!(formatter, "{error}"),
            Self::TooLarge { size, limit } => write!(
                formatter,
                "the result of {size} bytes is larger than maxEncodedResultSize, {limit} bytes"
            ),
            Self::Decode(error) => write!(formatter, "{error}"),
            Self::Form => formatter.write_str("it is neither a value nor an exception"),
        }
    }
}

impl std::error::Error for ResponseFailure {}
