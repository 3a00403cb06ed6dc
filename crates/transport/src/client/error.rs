use std::error::Error;
use std::fmt;
use std::io;
use std::time::Duration;

use backwater_protocol::client::{
    AuthenticationFailure, EncodeFailure, RemoteFailure, ResponseFailure,
};
use backwater_protocol::stream::FrameError;
use bytes::Bytes;
use http::StatusCode;

use super::endpoints::ResolveFailure;
use super::options::EndpointAddress;
use super::times::{CallTimes, Phase, TimeLimit};
use crate::tls::TlsFailure;

#[derive(Debug)]
#[non_exhaustive]
pub enum CallError {
    Encode(EncodeFailure),
    Resolve(ResolveFailure),
    Connect {
        endpoint: EndpointAddress,
        source: io::Error,
    },
    /// The server has not acted on the request.
    Tls {
        endpoint: EndpointAddress,
        failure: TlsFailure,
    },
    /// From [`Phase::Send`] on, the server may have received the request.
    Timeout {
        phase: Phase,
        limit: Duration,
        option: TimeLimit,
        times: Box<CallTimes>,
        endpoint: Option<EndpointAddress>,
    },
    /// The function may have been called.
    ConnectionLost {
        source: Box<dyn Error + Send + Sync>,
        /// The request was not written in full, so the function was certainly not called.
        unsent: bool,
    },
    Truncated {
        items: u64,
        /// `None` if only the body ended.
        source: Option<Box<dyn Error + Send + Sync>>,
    },
    /// A frame is not authentic or not understood.
    Frame(FrameError),
    MalformedHttp {
        source: Box<dyn Error + Send + Sync>,
    },
    Authentication {
        failure: AuthenticationFailure,
        unverified_status: StatusCode,
        /// At most 4096 bytes of the claimed body.
        unverified_body: Bytes,
    },
    Remote(RemoteFailure),
    Response(ResponseFailure),
    TooLarge {
        /// The claimed or reached size in bytes.
        size: u64,
        limit: usize,
    },
    QueueFull {
        limit: usize,
    },
    Closed,
    Internal(String),
}

#[derive(Debug)]
pub struct CallFailure {
    pub error: CallError,
    pub request_id: Option<[u8; 16]>,
}

impl From<CallError> for CallFailure {
    fn from(error: CallError) -> Self {
        Self { error, request_id: None }
    }
}

impl CallError {
    pub(super) fn at(mut self, address: &EndpointAddress) -> Self {
        if let Self::Timeout { endpoint, .. } = &mut self {
            *endpoint = Some(address.clone());
        }
        self
    }
}

fn in_words(error: &io::Error) -> (&'static str, String) {
    let known = |what, why: &str| (what, why.to_owned());
    match error.kind() {
        io::ErrorKind::ConnectionRefused => known("no server at", "connection refused"),
        io::ErrorKind::ConnectionReset => known("no server at", "connection reset"),
        io::ErrorKind::TimedOut => known("no answer from", "connection timed out"),
        io::ErrorKind::HostUnreachable => known("no route to", "host unreachable"),
        io::ErrorKind::NetworkUnreachable => known("no route to", "network unreachable"),
        _ => ("cannot connect to", error.to_string()),
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Encode(failure) => write!(formatter, "the call cannot be encoded: {failure}"),
            Self::Resolve(failure) => write!(formatter, "{failure}"),
            Self::Connect { endpoint, source } => {
                let (what, why) = in_words(source);
                write!(formatter, "{what} {} ({why})", endpoint.description())
            }
            Self::Tls { endpoint, failure } => {
                write!(formatter, "no TLS connection to {}: {failure}", endpoint.description())
            }
            Self::Timeout { phase, limit, option, .. } => {
                write!(
                    formatter,
                    "timed out in phase {phase}: {option} is {} ms",
                    limit.as_millis()
                )
            }
            Self::ConnectionLost { source, .. } => {
                write!(formatter, "the connection was lost before the response arrived: {source}")
            }
            Self::Truncated { items, source } => {
                write!(formatter, "the stream broke off after {items} items: ")?;
                match source {
                    Some(source) => write!(formatter, "{source}"),
                    None => formatter.write_str("its body ended before the end of the stream"),
                }
            }
            Self::Frame(error) => write!(formatter, "{error}"),
            Self::MalformedHttp { source } => {
                write!(formatter, "the server's response is not HTTP/1.1: {source}")
            }
            Self::Authentication { failure, unverified_status, .. } => write!(
                formatter,
                "the response is not authentic: {failure} (it claims status {})",
                unverified_status.as_u16()
            ),
            Self::Remote(failure) => write!(formatter, "{failure}"),
            Self::Response(failure) => write!(formatter, "{failure}"),
            Self::TooLarge { size, limit } => write!(
                formatter,
                "the response body of {size} bytes or more exceeds maxEncodedResultSize, {limit} bytes"
            ),
            Self::QueueFull { limit } => {
                write!(formatter, "{limit} calls are already waiting for a connection")
            }
            Self::Closed => formatter.write_str("the client is closed"),
            Self::Internal(message) => write!(formatter, "a bug in backwater: {message}"),
        }
    }
}

impl Error for CallError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Connect { source, .. } => Some(source),
            Self::ConnectionLost { source, .. } | Self::MalformedHttp { source } => Some(&**source),
            Self::Truncated { source: Some(source), .. } => Some(&**source),
            Self::Frame(error) => Some(error),
            Self::Resolve(failure) => Some(failure),
            Self::Tls { failure, .. } => Some(failure),
            Self::Encode(failure) => Some(failure),
            Self::Authentication { failure, .. } => Some(failure),
            Self::Remote(failure) => Some(failure),
            Self::Response(failure) => Some(failure),
            _ => None,
        }
    }
}
