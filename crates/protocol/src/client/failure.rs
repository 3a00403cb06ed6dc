use std::fmt;

use backwater_etf::{DecodeError, EncodeError};
use bytes::Bytes;
use http::StatusCode;

use crate::SignatureFailure;
use crate::gzip::GzipError;

#[derive(Clone, Debug, PartialEq)]
pub enum EncodeFailure {
    Encode(EncodeError),
    TooLarge { limit: usize },
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
            Self::Target(text) => write!(formatter, "cannot make a request to {text}"),
        }
    }
}

impl std::error::Error for EncodeFailure {}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthenticationFailure {
    MissingRequestId,
    MismatchedRequestId,
    MissingSignatureHeader,
    Signature(SignatureFailure),
    WrongBodyDigest,
}

impl AuthenticationFailure {
    pub fn reason(&self) -> &'static str {
        match self {
            Self::MissingRequestId => "missing_request_id",
            Self::MismatchedRequestId => "mismatched_request_id",
            Self::MissingSignatureHeader => "missing_signature_header",
            Self::Signature(failure) => failure.reason(),
            Self::WrongBodyDigest => "wrong_body_digest",
        }
    }

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

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteFailure {
    pub status: StatusCode,
    pub body: Bytes,
    /// A signed explanation.
    pub detail: Option<String>,
}

impl fmt::Display for RemoteFailure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = String::from_utf8_lossy(&self.body[..self.body.len().min(200)]);
        write!(formatter, "the server answered {}: {text:?}", self.status.as_u16())
    }
}

impl std::error::Error for RemoteFailure {}

#[derive(Clone, Debug, PartialEq)]
pub enum ResponseFailure {
    InvalidContentType,
    InvalidContentEncoding,
    Inflate(GzipError),
    /// The stream's header has an unknown version or no nonce.
    InvalidStreamHead(String),
    TooLarge {
        size: usize,
        limit: usize,
    },
    Decode(DecodeError),
    Form,
}

impl ResponseFailure {
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
